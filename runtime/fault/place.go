package fault

import "errors"

// Place is a spot in a source file that an error is about. Lines and columns start
// at 1; zero means unknown.
type Place struct {
	File      string // as the user typed it
	Line, Col int
	Message   string // what is wrong there
}

// Places are the spots that err is about: those that its cause knows by a method
// Places() []Place. It is nil when there is no such cause.
func Places(err error) []Place {
	type placed interface {
		error
		Places() []Place
	}
	if p, ok := errors.AsType[placed](err); ok {
		return p.Places()
	}
	return nil
}
