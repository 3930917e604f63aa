package runtime_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/runtime/fault"
)

// The builtins of the tests: one of each kind of parameter and result.

type Image struct {
	Ref         string            `json:"ref"`
	Digest      string            `json:"digest"`
	Size        *int64            `json:"size"`
	Created     *time.Time        `json:"created"`
	Annotations map[string]string `json:"annotations"`
	Layers      []Layer           `json:"layers,omitempty"`
	hidden      int
}

func (i *Image) String() string { return i.Ref + "@" + i.Digest }

type Layer struct {
	Digest string `json:"digest"`
}

type Images []*Image

type Decision struct {
	Result  json.RawMessage `json:"result"`
	Defined bool            `json:"defined"`
	Metrics map[string]any  `json:"metrics,omitempty"`
	Took    time.Duration   `json:"took"`
}

type Ref struct{ text string }

func (r *Ref) UnmarshalText(text []byte) error {
	if strings.ContainsAny(string(text), " !") {
		return fault.New(fault.Usage, fmt.Sprintf("%q", text), "is not a reference").WithHint("a reference looks like ghcr.io/org/name:tag")
	}
	r.text = string(text)
	return nil
}

func (r Ref) String() string { return r.text }

type Password struct{ text string }

func (p Password) Secret() string { return p.text }

type Token struct{ text string }

func (t Token) Secret() string { return t.text }

type Document struct {
	value any
	given bool
}

func (d *Document) SetValue(v any) error {
	if v == "forbidden" {
		return errors.New("is forbidden")
	}
	d.value, d.given = v, true
	return nil
}

type Even int

func (e Even) Validate() error {
	if e%2 != 0 {
		return fmt.Errorf("%d is odd", int(e))
	}
	return nil
}

type Common struct {
	Verbose bool
}

type pushArgs struct {
	Refs  []Ref `arg:"" help:"What to push."`
	Force bool
	Fail  string
}

type evalArgs struct {
	Image Ref      `arg:""`
	Query string   `arg:"" default:"data"`
	Extra []string `arg:"" optional:""`
	Input Document
}

type takeArgs struct {
	Common
	Nested struct{ Deep int } `embed:"" prefix:"in-"`

	Text     string
	Number   int
	Small    int8
	Positive uint
	Ratio    float64
	Flag     bool          `default:"true" negatable:""`
	Timeout  time.Duration `default:"30s"`
	At       time.Time
	Names    []string `default:"a,b"`
	Refs     []Ref    `default:"x"`
	Labels   map[string]string
	Counts   map[string]int
	Maybe    *int
	Target   string   `default:"rego" enum:"rego,wasm,plan"`
	Targets  []string `enum:"rego,wasm,plan"`
	Even     Even
	Image    *Image
	Document Document
	Password Password
	Renamed  string `star:"other"`
	CLIOnly  string `star:"-"`
	NoDash   string `name:"with-dash"`
}

type pairArgs struct {
	From string `arg:""`
	To   string `arg:"" optional:""`
	Low  int    `default:"1"`
	High int    `default:"2"`
}

func (a *pairArgs) Validate() error {
	if a.Low > a.High {
		return fmt.Errorf("low is above high")
	}
	return nil
}

type listArgs struct {
	Prefix string `arg:"" default:""`
	Remote bool
}

func size(n int64) *int64 { return &n }

func image(ref string) *Image {
	created := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	return &Image{
		Ref: ref, Digest: "sha256:" + strings.Repeat("0", 3) + fmt.Sprint(len(ref)),
		Size: size(42), Created: &created, Annotations: map[string]string{"b": "2", "a": "1"}, hidden: 1,
	}
}

func noMap() map[string]int { return nil }

func newArgs[T any]() any { return new(T) }

func builtin[A any](name string, fn func(context.Context, *A, runtime.Call) (any, error)) runtime.Builtin {
	return runtime.Builtin{Name: name, Args: newArgs[A], Call: func(ctx context.Context, c runtime.Call) (any, error) {
		return fn(ctx, c.Args.(*A), c)
	}}
}

// giving says what a builtin results in.
func giving[Result any](b runtime.Builtin) runtime.Builtin {
	b.Result = reflect.TypeFor[Result]()
	return b
}

func push(_ context.Context, a *pushArgs, _ runtime.Call) (any, error) {
	var done Images
	var failed []error
	for _, r := range a.Refs {
		if r.text == "gone" {
			failed = append(failed, fault.New(fault.NotFound, r.text, "not in the local store").WithHint("build it first"))
			continue
		}
		done = append(done, image(r.text))
	}
	return done, fault.Join(failed...)
}

func take(_ context.Context, a *takeArgs, _ runtime.Call) (any, error) {
	var refs []string
	for _, r := range a.Refs {
		refs = append(refs, r.text)
	}
	maybe := any(nil)
	if a.Maybe != nil {
		maybe = *a.Maybe
	}
	document := "absent"
	if a.Document.given {
		text, err := json.Marshal(a.Document.value)
		if err != nil {
			return nil, err
		}
		document = string(text)
	}
	return map[string]any{
		"verbose": a.Verbose, "deep": a.Nested.Deep, "text": a.Text, "number": a.Number, "small": a.Small,
		"positive": a.Positive, "ratio": a.Ratio, "flag": a.Flag, "timeout": a.Timeout, "at": a.At,
		"names": a.Names, "refs": refs, "labels": a.Labels, "counts": a.Counts, "maybe": maybe,
		"target": a.Target, "targets": a.Targets, "even": int(a.Even), "image": a.Image, "document": document,
		"password": a.Password.text, "other": a.Renamed, "dash": a.NoDash,
	}, nil
}

func fixtures() []runtime.Builtin {
	pure := func(b runtime.Builtin) runtime.Builtin { b.Pure = true; return b }
	return []runtime.Builtin{
		giving[Images](builtin("push", push)),
		builtin("take", take),
		pure(builtin("pair", func(_ context.Context, a *pairArgs, _ runtime.Call) (any, error) {
			return []any{a.From, a.To, a.Low, a.High}, nil
		})),
		giving[*Decision](builtin("judge", func(_ context.Context, a *evalArgs, _ runtime.Call) (any, error) {
			text, err := json.Marshal(a.Input.value)
			return &Decision{Result: text, Defined: a.Input.given, Took: time.Second}, err
		})),
		{
			Name: "list", Aliases: []string{"images"}, Args: newArgs[listArgs],
			Call: func(_ context.Context, c runtime.Call) (any, error) {
				a := c.Args.(*listArgs)
				if a.Prefix == "none" {
					return Images{}, nil
				}
				return Images{image(fmt.Sprintf("listed/%s/%t", a.Prefix, a.Remote))}, nil
			},
		},
		giving[Password](builtin("password", func(_ context.Context, _ *struct{}, _ runtime.Call) (any, error) {
			return Password{"hunter22"}, nil
		})),
		giving[*Token](builtin("token", func(_ context.Context, _ *struct{}, _ runtime.Call) (any, error) {
			return &Token{"t0ken"}, nil
		})),
		builtin("document", func(_ context.Context, a *struct {
			JSON string `arg:""`
		}, _ runtime.Call) (any, error) {
			return json.RawMessage(a.JSON), nil
		}),
		builtin("where", func(_ context.Context, _ *struct{}, c runtime.Call) (any, error) {
			return fmt.Sprintf("%s main=%t %d", c.Module.Name, c.Module.Main, c.Pos.Line), nil
		}),
		builtin("crash", func(context.Context, *struct{}, runtime.Call) (any, error) {
			noMap()["x"] = 1
			return nil, nil
		}),
		builtin("broken", func(_ context.Context, a *struct {
			How string `arg:""`
		}, _ runtime.Call) (any, error) {
			switch a.How {
			case "plain":
				return nil, errors.New("plain error")
			case "wrapped":
				return nil, fmt.Errorf("copying: %w", fault.In("pull", "x", fault.New(fault.Denied, "", "401")))
			case "result":
				return func() {}, nil
			}
			return nil, nil
		}),
		{Name: "bare", Pure: true, Call: func(context.Context, runtime.Call) (any, error) { return uint8(7), nil }},
	}
}
