package builtins

import "context"

// Offer is what a verb that succeeded could do next, if a person wants it. A door
// that talks to a person asks, the others do not take it. The verb's arguments
// give their offers with a method Offers(*Env, any) []Offer, which gets the
// verb's result.
type Offer struct {
	Question string                          // for a yes or a no: "Make ghcr.io …?"
	Unasked  string                          // what to say where nobody can be asked; "" says nothing
	Take     func(ctx context.Context) error // does it, and makes it part of the verb's result
}
