package runtime

import (
	"go.starlark.net/starlark"

	"github.com/policyhost/policy/runtime/fault"
)

// Failure is the cause of the Rejected fault that fail makes: the script said
// no. It is not a defect of the script.
type Failure struct {
	Message string
	Value   any // what fail was given to show, as Go; nil when nothing
	text    string
}

// Error is the message, followed by the value if there is one.
func (f *Failure) Error() string {
	if f.text == "" {
		return f.Message
	}
	return f.Message + ": " + f.text
}

// longestValue is how much of a value a message shows, in bytes.
const longestValue = 1000

// reject implements fail(msg, value = None).
func reject(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var msg, value starlark.Value = starlark.String("failed"), starlark.None
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "msg?", &msg, "value?", &value); err != nil {
		return nil, err
	}
	f := &Failure{Message: msg.String()}
	if s, ok := starlark.AsString(msg); ok {
		f.Message = s
	}
	if value != starlark.None {
		f.text = value.String()
		if len(f.text) > longestValue {
			f.text = f.text[:longestValue] + "…"
		}
		plain, err := toGo(value)
		if err != nil {
			plain = value.String()
		}
		f.Value = plain
	}
	return nil, &fault.Error{Kind: fault.Rejected, Err: f}
}
