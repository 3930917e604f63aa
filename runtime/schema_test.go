package runtime_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/runtime/fault"
)

func TestSignature(t *testing.T) {
	t.Parallel()
	for want, args := range map[string]func() any{
		"f()":                                  nil,
		`f(refs, *, force = False, fail = "")`: newArgs[pushArgs],
		`f(image, query = "data", extra = [], *, input = None)`: newArgs[evalArgs],
		`f(from, to = "", *, low = 1, high = 2)`:                newArgs[pairArgs],
		`f(a, b, *, c)`: newArgs[struct {
			A string `arg:""`
			B string `arg:""`
			C string `arg:""`
		}],
		`f(*, must, maybe = None, every = "1m", level = 0, labels = {})`: newArgs[struct {
			Must   string `required:""`
			Maybe  *bool
			Every  time.Duration `default:"1m"`
			Level  int           `type:"counter"`
			Labels map[string]string
		}],
	} {
		got, err := runtime.Builtin{Name: "f", Args: args}.Signature()
		if err != nil || got != want {
			t.Errorf("got %s %v, want %s", got, err, want)
		}
	}
}

// TestRefusedSchemas are structs whose promise a script could not keep.
func TestRefusedSchemas(t *testing.T) {
	t.Parallel()
	for want, args := range map[string]func() any{
		`the tag "env"`: newArgs[struct {
			A string `env:"HOME"`
		}],
		`the tag "xor"`: newArgs[struct {
			A string `xor:"g"`
		}],
		`the tag "and"`: newArgs[struct {
			A string `and:"g"`
		}],
		`the tag "type"`: newArgs[struct {
			A string `type:"path"`
		}],
		`default "x"`: newArgs[struct {
			A int `default:"x"`
		}],
		`two parameters`: newArgs[struct {
			A int
			B int `star:"a"`
		}],
		`passthrough`: newArgs[struct {
			A []string `arg:"" passthrough:""`
		}],
		`pointer to a struct`: func() any { return pushArgs{} },
		`unsupported field`:   newArgs[struct{ A chan int }],
	} {
		_, err := runtime.Builtin{Name: "f", Args: args}.Signature()
		if !errors.Is(err, fault.Internal) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", want, err)
		}
	}
}

// TestEnvironment holds that no default comes from the environment.
func TestEnvironment(t *testing.T) {
	t.Setenv("TEXT", "from the environment")
	host := testHost(t)
	got, err := host.Eval(t.Context(), runtime.Source{Name: "-e", Text: []byte("take()['text']")})
	if err != nil || got != "" {
		t.Errorf("got %v %v", got, err)
	}
}

// TestFreshArguments holds that what one call does to its arguments is gone in
// the next.
func TestFreshArguments(t *testing.T) {
	t.Parallel()
	type args struct {
		List []string          `default:"a,b"`
		Map  map[string]string `default:"k=v"`
		Ptr  *int              `default:"7"`
	}
	host := &runtime.Host{Predeclared: func(runtime.Module) []runtime.Builtin {
		return []runtime.Builtin{builtin("spoil", func(_ context.Context, a *args, _ runtime.Call) (any, error) {
			got := []any{a.List[0], a.Map["k"], *a.Ptr}
			a.List[0], a.Map["k"], *a.Ptr = "spoilt", "spoilt", 0
			return got, nil
		})}
	}}
	got, err := host.Eval(t.Context(), runtime.Source{Name: "-e", Text: []byte("spoil()\nspoil() == ['a', 'v', 7]")})
	if err != nil || got != true {
		t.Errorf("got %v %v", got, err)
	}
}
