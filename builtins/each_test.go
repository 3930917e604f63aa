package builtins

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/policyhost/policy/runtime/fault"
)

func TestEach(t *testing.T) {
	t.Parallel()
	e := &Env{Settings: Settings{Concurrency: 3}}
	subjects := []string{"a", "missing", "b", "panics", "c", "d"}
	var mu sync.Mutex
	now, most := 0, 0
	together := make(chan struct{})
	got, err := each(t.Context(), e, subjects, func(_ context.Context, s string) (string, error) {
		mu.Lock()
		now++
		most = max(most, now)
		if now == 3 { // all that may be at once are
			select {
			case <-together:
			default:
				close(together)
			}
		}
		mu.Unlock()
		<-together
		defer func() { mu.Lock(); now--; mu.Unlock() }()
		switch s {
		case "missing":
			return "dropped", fault.New(fault.NotFound, "", "gone").WithHint("look elsewhere")
		case "panics":
			panic("oops")
		}
		return strings.ToUpper(s), nil
	})
	if !slices.Equal(got, []string{"A", "B", "C", "D"}) {
		t.Errorf("got %q, not those that succeeded in their order", got)
	}
	if most != 3 {
		t.Errorf("%d at once, want 3", most)
	}
	if !errors.Is(err, fault.NotFound) || !errors.Is(err, fault.Internal) || fault.Of(err).Kind != fault.Internal {
		t.Errorf("got %v", err)
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 2 || lines[0] != "missing: gone" || !strings.HasPrefix(lines[1], "panics: panic at each_test.go:") {
		t.Errorf("got %q", lines)
	}
	ctx, cancel := context.WithCancel(t.Context())
	begun := 0
	e.Settings.Concurrency = 1
	got, err = each(ctx, e, subjects, func(_ context.Context, s string) (string, error) {
		begun++
		cancel()
		return s, nil
	})
	if begun != 1 || !slices.Equal(got, []string{"a"}) || !errors.Is(err, context.Canceled) {
		t.Errorf("after the end %d were tried: %q, %v", begun, got, err)
	}
	if got, err := each(t.Context(), e, nil, func(context.Context, string) (int, error) { return 1, nil }); len(got) != 0 || err != nil {
		t.Errorf("nothing gives %v, %v", got, err)
	}
}

// TestEachNames holds that of several the error says which one failed, also where
// it is about a file.
func TestEachNames(t *testing.T) {
	t.Parallel()
	e := &Env{Settings: Settings{Concurrency: 1}}
	fail := func(_ context.Context, s string) (string, error) {
		if s == "ok" {
			return s, nil
		}
		return "", fault.New(fault.Unavailable, map[string]string{"full": "/store/index.json", "named": "docker.io/named:latest"}[s], "no space").WithHint("make room")
	}
	for _, tt := range []struct {
		subjects []string
		want     string
	}{
		{[]string{"ok", "full"}, "full: /store/index.json: no space"},
		{[]string{"ok", "named"}, "docker.io/named:latest: no space"},
		{[]string{"full"}, "/store/index.json: no space"},
	} {
		_, err := each(t.Context(), e, tt.subjects, fail)
		if f := fault.Of(err); f == nil || f.Error() != tt.want || f.Kind != fault.Unavailable || f.Hint != "make room" {
			t.Errorf("%q: got %v, want %s", tt.subjects, err, tt.want)
		}
	}
}
