package builtins

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// Plan is what a dry run would have done, and what [Apply] does.
type Plan struct {
	Version int      `json:"version"` // of the format, 1
	Changes []Change `json:"changes"` // in the order in which apply makes them
	Result  any      `json:"result"`  // what the run would have answered; not saved
}

// Change is one difference between the world and what the run would have left.
type Change struct {
	Action    string `json:"action"`           // add, replace, remove, login, logout, set_default, set_public, set_private
	Where     string `json:"where"`            // store, layout, registry, file or credentials
	Ref       string `json:"ref"`              // image, path or server
	Before    string `json:"before"`           // digest that is there now; empty: nothing is
	After     string `json:"after"`            // digest that will be there; empty: nothing will
	MediaType string `json:"media_type"`       // of the manifest
	Size      int64  `json:"size"`             // bytes of the manifest or the file
	Layout    string `json:"layout,omitempty"` // the folder of an OCI layout
	From      string `json:"from,omitempty"`   // the image in another registry that is copied
	Username  string `json:"username,omitempty"`
}

// The actions of a [Change].
const (
	Add        = "add"
	Replace    = "replace"
	Remove     = "remove"
	SignIn     = "login"
	SignOut    = "logout"
	SetDefault = "set_default"
	MakePublic = "set_public"
	MakePrivat = "set_private"
)

// The places of a [Change].
const (
	InStore       = "store"
	InLayout      = "layout"
	InRegistry    = "registry"
	InFile        = "file"
	InCredentials = "credentials"
)

const planVersion = 1

// maxPlan bounds the file of a plan, in bytes.
const maxPlan = 64 << 20

// change tells what became of a name, with the action that its digests mean.
// It reports false when nothing did.
func (c Change) between(before, after artifact.Digest) (Change, bool) {
	c.Before, c.After = before.String(), after.String()
	switch {
	case before == after:
		return c, false
	case before == "":
		c.Action = Add
	case after == "":
		c.Action = Remove
	default:
		c.Action = Replace
	}
	return c, true
}

// ReadPlan reads what [Rehearsal.Save] wrote. It fails with Invalid for anything
// else.
func ReadPlan(name string, r io.Reader) (*Plan, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxPlan+1))
	if err != nil {
		return nil, fault.File(name, err)
	}
	if len(text) > maxPlan {
		return nil, fault.New(fault.Limit, name, "a plan of more than %d bytes", maxPlan)
	}
	plan := new(Plan)
	if err := json.Unmarshal(text, plan); err != nil {
		return nil, notPlan(name, "not a plan: %w", err)
	}
	if plan.Version != planVersion {
		return nil, notPlan(name, "a plan of version %d, and this policy reads %d", plan.Version, planVersion)
	}
	for i, c := range plan.Changes {
		if err := c.validate(); err != nil {
			return nil, notPlan(name, "change %d: %w", i+1, err)
		}
	}
	return plan, nil
}

func notPlan(name, format string, args ...any) error {
	return fault.New(fault.Invalid, name, format, args...).
		WithHint("a plan is made by policy run --dry-run --plan FILE …")
}

// steps are the changes that apply can make, by place and action.
var steps = map[[2]string]func(*applying, Change) error{
	{InStore, Add}:              (*applying).storeImage,
	{InStore, Replace}:          (*applying).storeImage,
	{InStore, Remove}:           (*applying).removeStored,
	{InLayout, Add}:             (*applying).storeImage,
	{InLayout, Replace}:         (*applying).storeImage,
	{InLayout, Remove}:          (*applying).removeStored,
	{InRegistry, Add}:           (*applying).push,
	{InRegistry, Replace}:       (*applying).push,
	{InRegistry, Remove}:        (*applying).removeRemote,
	{InRegistry, MakePublic}:    (*applying).setVisibility,
	{InRegistry, MakePrivat}:    (*applying).setVisibility,
	{InFile, Add}:               (*applying).writeFile,
	{InFile, Replace}:           (*applying).writeFile,
	{InCredentials, SignIn}:     (*applying).signIn,
	{InCredentials, SignOut}:    (*applying).signOut,
	{InCredentials, SetDefault}: (*applying).setDefault,
}

func (c Change) validate() error {
	if steps[[2]string{c.Where, c.Action}] == nil {
		return fmt.Errorf("unknown: %q in %q", c.Action, c.Where)
	}
	for _, d := range []string{c.Before, c.After} {
		if d != "" && artifact.Digest(d).Validate() != nil {
			return fmt.Errorf("%q is no digest", d)
		}
	}
	needs := c.Action == Add || c.Action == Replace
	if needs != (c.After != "") || c.Ref == "" || c.Size < 0 {
		return fmt.Errorf("not whole: %q of %q", c.Action, c.Ref)
	}
	return nil
}
