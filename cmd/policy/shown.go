package main

import (
	"time"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/runtime"
)

// shown is what a script returned, for people and files to see: a secret anywhere in
// it is ***, whose work is done by now, and a duration reads as scripts and flags
// spell it.
func shown(v any) any {
	switch v := v.(type) {
	case builtins.Secret, *builtins.Secret:
		return "***"
	case time.Duration:
		return v.String()
	case []any:
		all := make([]any, len(v))
		for i, item := range v {
			all[i] = shown(item)
		}
		return all
	case runtime.Map:
		all := make(runtime.Map, len(v))
		for i, m := range v {
			all[i] = runtime.Member{Key: m.Key, Value: shown(m.Value)}
		}
		return all
	}
	return v
}
