package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/policyhost/policy/runtime"
	"github.com/policyhost/policy/runtime/fault"
)

// GreetArgs are the arguments of greet: the tags say how scripts pass them.
type GreetArgs struct {
	Name   string `arg:"" help:"Whom to greet."`
	Tone   string `default:"kind" enum:"kind,curt" help:"How to say it."`
	Repeat int    `default:"1" help:"How often."`
}

// Greeting is what greet answers: the json names are attributes in scripts.
type Greeting struct {
	Text string `json:"text"`
	Tone string `json:"tone"`
}

// A program offers one function of its own and calls a script that uses it.
func ExampleHost() {
	greet := runtime.Builtin{
		Name: "greet",
		Doc:  "Greets somebody.",
		Args: func() any { return new(GreetArgs) },
		Call: func(_ context.Context, c runtime.Call) (any, error) {
			args := c.Args.(*GreetArgs)
			text := strings.TrimSpace(strings.Repeat("hello "+args.Name+" ", args.Repeat))
			return &Greeting{Text: text, Tone: args.Tone}, nil
		},
	}
	host := &runtime.Host{
		Predeclared: func(runtime.Module) []runtime.Builtin { return []runtime.Builtin{greet} },
		Print:       func(at runtime.Position, text string) { fmt.Printf("%s: %s\n", at, text) },
	}
	program, err := host.Load(context.Background(), runtime.Source{Name: "hello.star", Text: []byte(`
def main(name, *, times = 1):
    """Greets from a script."""
    greeting = greet(name, repeat = times)
    print(greeting.text)
    return greeting

def toned(tone):
    greet("you", tone = tone)
`)})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range program.Functions() {
		fmt.Println(f.Name, f.Summary, len(f.Params))
	}

	result, err := program.Call(context.Background(), "main", map[string]any{"name": "you", "times": 2}, nil)
	fmt.Println(result.(*Greeting).Tone, err)

	_, err = program.Call(context.Background(), "toned", map[string]any{"tone": "cur"}, nil)
	fmt.Println(err)
	f, _ := errors.AsType[*fault.Error](err)
	fmt.Println(f.Kind, f.Hint)
	fmt.Println(f.Trace[0].Line, f.Trace[0].Source)
	// Output:
	// main Greets from a script. 2
	// toned  1
	// hello.star:5:10: hello you hello you
	// kind <nil>
	// greet: parameter tone: got "cur", want one of kind, curt
	// usage did you mean "curt"?
	// 9     greet("you", tone = tone)
}
