package builtins

import (
	"cmp"
	"context"
	"fmt"
	"strconv"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// SetPublicArgs are the arguments of [SetPublic].
type SetPublicArgs struct {
	Ref    Ref    `arg:"" complete:"repository" help:"Repository, or an image of it, for example quay.io/acme/authz."`
	Public YesNo  `arg:"" optional:"" default:"true" complete:"true,false" help:"Whether everybody may read it: true or false."`
	Force  bool   `short:"f" help:"Do not ask where more than this repository becomes public."`
	Server string `short:"s" placeholder:"HOST" complete:"server" help:"Registry of a repository that names none."`
}

// Answer takes the yes that SetPublic asked for.
func (args *SetPublicArgs) Answer(string) { args.Force = true }

// YesNo is a bool that may stand behind a command without a flag.
type YesNo bool

// UnmarshalText takes what strconv.ParseBool takes.
func (y *YesNo) UnmarshalText(text []byte) error {
	b, err := strconv.ParseBool(string(text))
	if err != nil {
		return fault.New(fault.Usage, fmt.Sprintf("%q", text), "neither true nor false").WithHint("type true or false")
	}
	*y = YesNo(b)
	return nil
}

// SetValue takes a script's True or False.
func (y *YesNo) SetValue(value any) error {
	b, ok := value.(bool)
	if !ok {
		return fault.New(fault.Usage, "", "got %T, want bool", value)
	}
	*y = YesNo(b)
	return nil
}

// SetPublic lets everybody read a repository in its registry, or only those who
// are named there. It fails with Denied, saying where to do it by hand, where the
// registry has no API for it. Where a registry only knows the visibility of more
// than the repository it fails with Usage, carrying the question, unless forced.
func SetPublic(ctx context.Context, e *Env, args *SetPublicArgs) (*Visibility, error) {
	name, err := artifact.ParseName(args.Ref.text, cmp.Or(args.Server, e.Settings.DefaultDomain))
	if err != nil {
		return nil, err
	}
	unit := e.Remote.VisibilityUnit(name)
	if unit != "" && bool(args.Public) && !args.Force {
		f := fault.New(fault.Usage, name.Familiar(), "%s would become public; nothing was changed", unit).
			WithHint("add -f (in a script: force = True) to do it without asking")
		f.Ask = &fault.Question{Text: fmt.Sprintf("Make %s public?", unit)}
		return nil, f
	}
	if err := e.Remote.SetVisibility(ctx, name, bool(args.Public)); err != nil {
		return nil, err
	}
	return &Visibility{Repository: name.Familiar(), Public: bool(args.Public), Applies: unit}, nil
}
