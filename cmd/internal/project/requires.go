package project

import (
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"

	"github.com/policyhost/policy/runtime/fault"
)

// operators are what a condition begins with, the longer ones first, and whether
// the comparison of the installed version with the wanted one fulfils it.
var operators = []struct {
	sign string
	ok   func(compared int) bool
}{
	{">=", func(c int) bool { return c >= 0 }},
	{"<=", func(c int) bool { return c <= 0 }},
	{">", func(c int) bool { return c > 0 }},
	{"<", func(c int) bool { return c < 0 }},
	{"=", func(c int) bool { return c == 0 }},
}

// Satisfies fails with Invalid when the version of the running policy is not what
// somebody requires of it: conditions such as ">= 1.2, < 2", or none.
func Satisfies(version, required string) error {
	if required == "" {
		return nil
	}
	return satisfies(version, required)
}

// satisfies fails with Invalid when a version is not what is required: conditions
// such as ">= 1.2, < 2". A version that was never released satisfies everything,
// and a candidate what its release does.
func satisfies(version, required string) error {
	for condition := range strings.SplitSeq(required, ",") {
		condition = strings.TrimSpace(condition)
		sign, want, ok := cutOperator(condition)
		if !ok || !semver.IsValid("v"+want) {
			return fault.New(fault.Invalid, "", "%q says no versions of policy", required).
				WithHint(`write it like this: requires = ">= 1.2" or ">= 1.2, < 2"`)
		}
		have := "v" + strings.TrimPrefix(version, "v")
		if !semver.IsValid(have) || module.IsPseudoVersion(have) {
			continue
		}
		have = strings.TrimSuffix(strings.TrimSuffix(semver.Canonical(have), semver.Build(have)), semver.Prerelease(have))
		if !sign(semver.Compare(have, "v"+want)) {
			return fault.New(fault.Invalid, "", "policy %s is required, and this is %s", required, strings.TrimPrefix(version, "v")).
				WithHint("install such a version, or change requires if it works with this one")
		}
	}
	return nil
}

func cutOperator(condition string) (ok func(int) bool, version string, found bool) {
	for _, o := range operators {
		if rest, found := strings.CutPrefix(condition, o.sign); found {
			return o.ok, strings.TrimPrefix(strings.TrimSpace(rest), "v"), true
		}
	}
	return nil, "", false
}
