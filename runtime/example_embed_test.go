package runtime_test

import (
	"context"
	"fmt"
	"time"

	"github.com/policyhost/policy/runtime"
)

type TicketArgs struct {
	Title  string   `arg:"" help:"What it is about."`
	Labels []string `help:"What it is filed under."`
}

type Ticket struct {
	ID    int    `json:"id"`
	Title string `json:"title"`
}

// A whole program that embeds the host: scripts get one function of its own, run
// under a context, and give typed values back.
func Example() {
	open := runtime.Builtin{Name: "open_ticket", Doc: "Opens a ticket.", Args: func() any { return new(TicketArgs) },
		Call: func(_ context.Context, c runtime.Call) (any, error) {
			return &Ticket{ID: 7, Title: c.Args.(*TicketArgs).Title}, nil
		}}
	host := &runtime.Host{Predeclared: func(runtime.Module) []runtime.Builtin { return []runtime.Builtin{open} }}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	program, err := host.Load(ctx, runtime.Source{Name: "triage.star", Text: []byte(`
def triage(finding: str, *, labels: list[str] = []):
    return open_ticket("policy: " + finding, labels = labels)
`)})
	if err == nil {
		ticket, callErr := program.Call(ctx, "triage", map[string]any{"finding": "open door"}, nil)
		fmt.Println(ticket.(*Ticket).Title, callErr)
	}
	// Output: policy: open door <nil>
}
