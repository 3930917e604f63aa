package builtins

import (
	"context"
	"strings"

	"github.com/policyhost/policy/builtins/internal/templates"
	"github.com/policyhost/policy/runtime/fault"
)

// NewRecipe writes the files of a recipe that can be tested and published at once
// into a folder, which it makes if need be, and gives their names, sorted. It
// fails with Conflict, having written nothing, when one of them is there already.
func NewRecipe(ctx context.Context, e *Env, dir, name string) ([]string, error) {
	dir, err := e.Files.Path(dir)
	if err != nil {
		return nil, err
	}
	files := templates.Recipe(name)
	var names []string
	for _, f := range files {
		names = append(names, f.Name)
	}
	existing, err := templates.Existing(dir, names)
	if err != nil {
		return nil, err
	}
	if len(existing) > 0 {
		return nil, fault.New(fault.Conflict, dir, "%s is there already; nothing was written", strings.Join(existing, ", ")).
			WithHint("name a folder that is empty or not there yet")
	}
	return templates.Write(ctx, dir, files)
}
