package render

import (
	"strings"

	"github.com/policyhost/policy/builtins"
)

// signs begin the lines of a plan, by the action.
var signs = map[string]string{builtins.Add: "+", builtins.Replace: "~", builtins.Remove: "-"}

// places end the lines of a plan: images in registries are what plans are about,
// so nothing is said of those.
var places = map[string]string{
	builtins.InStore:       " (local store)",
	builtins.InLayout:      " (OCI layout)",
	builtins.InFile:        " (file)",
	builtins.InCredentials: " (credentials)",
}

// plan writes one line a change: "+ NAME DIGEST", "~ NAME OLD → NEW", "- NAME
// DIGEST", and in words what has no digest.
func (p *Printer) plan(plan *builtins.Plan) string {
	if len(plan.Changes) == 0 {
		return "no changes\n"
	}
	var b strings.Builder
	for _, c := range plan.Changes {
		b.WriteString(planLine(c) + "\n")
	}
	return b.String()
}

func planLine(c builtins.Change) string {
	ref := Safe(c.Ref)
	if c.Layout != "" {
		ref = "ocidir://" + Safe(c.Layout) + ":" + ref
	}
	switch c.Action {
	case builtins.Add:
		ref += " " + c.After
	case builtins.Replace:
		ref += " " + c.Before + " → " + c.After
	case builtins.Remove:
		ref += " " + c.Before
	default:
		ref = c.Action + " " + ref
		if c.Username != "" {
			ref += " as " + Safe(c.Username)
		}
	}
	sign := signs[c.Action]
	if sign == "" {
		sign = "*"
	}
	return sign + " " + ref + places[c.Where]
}
