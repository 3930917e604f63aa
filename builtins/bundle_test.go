package builtins

import (
	"context"
	"errors"
	"testing"

	"github.com/policyhost/policy/builtins/internal/engine"
)

// A bundle is opened once, and again after whoever opened it was interrupted.
func TestBundleCache(t *testing.T) {
	t.Parallel()
	c, opened := new(bundleCache), 0
	open := func(err error) func() (*engine.Bundle, error) {
		return func() (*engine.Bundle, error) {
			opened++
			if err != nil {
				return nil, err
			}
			return new(engine.Bundle), nil
		}
	}
	if _, err := c.get("a", open(context.Canceled)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want what opening gave", err)
	}
	first, err := c.get("a", open(nil))
	if err != nil || first == nil {
		t.Errorf("the second time: %v, %v", first, err)
	}
	if again, err := c.get("a", open(nil)); again != first || err != nil || opened != 2 {
		t.Errorf("the third time: %v, opened %d times", err, opened)
	}
}
