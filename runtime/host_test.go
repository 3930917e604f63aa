package runtime_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/policyhost/policy/runtime"
)

type Image struct {
	Ref    string `json:"ref"`
	Digest string `json:"digest"`
	Size   *int64 `json:"size"`
}

func (i *Image) String() string { return i.Ref + "@" + i.Digest }

type pushArgs struct {
	Refs    []string `arg:""`
	Force   bool
	Retries int    `default:"3"`
	Target  string `default:"rego" enum:"rego,wasm,plan"`
	Tag     []string `default:"a,b"`
}

func TestSmoke(t *testing.T) {
	h := &runtime.Host{Predeclared: func(runtime.Module) []runtime.Builtin {
		return []runtime.Builtin{{Name: "push", Args: func() any { return new(pushArgs) }, Call: func(ctx context.Context, c runtime.Call) (any, error) {
			a := c.Args.(*pushArgs)
			fmt.Printf("%+v %v %v\n", *a, c.Module, c.Pos)
			var out []*Image
			for _, r := range a.Refs {
				out = append(out, &Image{Ref: r, Digest: "sha256:1"})
			}
			return out, nil
		}}}
	}, Print: func(p runtime.Position, s string) { fmt.Println(p, s) }}
	p, err := h.Load(t.Context(), runtime.Source{Name: "x.star", Text: []byte(`
def main(v, n = 1, *rest, k = [1], **kw):
    """Does it.

    Args:
      v: version
    """
    i = push("a")
    print(i, i.ref, push(["a", "b"], target = "wasm"), push(i))
    return push([i, v])
`)})
	fmt.Println(p, err)
	fmt.Printf("%+v\n", p.Functions())
	v, err := p.Call(t.Context(), "main", map[string]any{"v": "zz"}, nil)
	fmt.Printf("%T %v %+v\n", v, v, err)
	v, err = h.Eval(t.Context(), runtime.Source{Name: "-e", Text: []byte("x = 3\npush('a', forse = 1)")})
	fmt.Printf("%T %v %+v\n", v, v, err)
}
