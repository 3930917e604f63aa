package store_test

import (
	"context"

	"github.com/policyhost/policy/builtins/internal/store"
)

// osChildren are children that only this kind of system can have.
var osChildren map[string]func(context.Context, *store.Store, []string) error
