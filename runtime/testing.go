package runtime

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"

	"github.com/policyhost/policy/runtime/fault"
)

// CheckFailure is the cause of the Rejected fault of a check that did not hold:
// t.eq and its like.
type CheckFailure struct {
	Message  string // what the test says it checks; may be empty
	Expected string // as JSON where the value has one, else as the language prints it; or in words
	Actual   string
}

// Error reads "expected 1, got 2".
func (f *CheckFailure) Error() string {
	text := "expected " + f.Expected + ", got " + f.Actual
	if f.Message != "" {
		text = f.Message + ": " + text
	}
	return text
}

// Tool is a member of t that the host adds to the checks. A name with a dot,
// "registry.image", is a member of a member.
type Tool struct {
	Builtin
	Attribute bool // called when it is read, without arguments
}

// Test runs a test function of the main file, as Call does. A function that has a
// parameter gets t: the checks eq, ne, true, false, contains, matches and fails,
// and tools. It fails with Rejected and a [CheckFailure] when a check does not
// hold.
func (p *Program) Test(ctx context.Context, name string, tools []Tool) error {
	fn, err := p.function(name)
	if err != nil {
		return err
	}
	var args map[string]any
	if fn.NumParams() > 0 {
		param, _ := fn.Param(0)
		args = map[string]any{param: newTester(tools, p.main.Module)}
	}
	_, err = p.Call(ctx, name, args, nil)
	return err
}

// tester is t, or one of its members that has members.
type tester struct {
	name    string
	members map[string]starlark.Value
	read    map[string]func() (starlark.Value, error)
}

var _ starlark.HasAttrs = (*tester)(nil)

func (t *tester) String() string        { return "<" + t.name + ">" }
func (t *tester) Type() string          { return "test" }
func (t *tester) Freeze()               {} // it never changes
func (t *tester) Truth() starlark.Bool  { return true }
func (t *tester) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable: %s", t.Type()) }

// AttrNames are the members, sorted.
func (t *tester) AttrNames() []string {
	names := slices.Collect(maps.Keys(t.members))
	return slices.Sorted(slices.Values(slices.AppendSeq(names, maps.Keys(t.read))))
}

// Attr is a member.
func (t *tester) Attr(name string) (starlark.Value, error) {
	if read := t.read[name]; read != nil {
		return read()
	}
	return t.members[name], nil // for nil the interpreter says what was meant
}

func newTester(tools []Tool, m Module) *tester {
	t := &tester{name: "t", members: make(map[string]starlark.Value)}
	for name, check := range checks {
		t.members[name] = starlark.NewBuiltin("t."+name, check)
	}
	for _, tool := range tools {
		t.add(tool, tool.Name, m)
	}
	return t
}

func (t *tester) add(tool Tool, path string, m Module) {
	if first, rest, more := strings.Cut(path, "."); more {
		inner, ok := t.members[first].(*tester)
		if !ok {
			inner = &tester{name: t.name + "." + first, members: make(map[string]starlark.Value)}
			t.members[first] = inner
		}
		inner.add(tool, rest, m)
		return
	}
	full := t.name + "." + path
	if !tool.Attribute {
		t.members[path] = tool.value(full, m)
		return
	}
	if t.read == nil {
		t.read = make(map[string]func() (starlark.Value, error))
	}
	t.read[path] = func() (starlark.Value, error) {
		result, err := tool.guarded(context.Background(), full, Call{Module: m})
		if err != nil {
			return nil, err
		}
		return fromResult(full, result)
	}
}

// checks are what t can hold against a value, by their names.
var checks = map[string]func(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error){
	"eq":       checkEq,
	"ne":       checkNe,
	"true":     checkTrue,
	"false":    checkFalse,
	"contains": checkContains,
	"matches":  checkMatches,
	"fails":    checkFails,
}

func checkEq(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var got, want starlark.Value
	var message string
	if err := unpackCheck(b, "(got, want, message = \"\")", args, kwargs, "got", &got, "want", &want, "message?", &message); err != nil {
		return nil, err
	}
	same, err := starlark.Equal(got, want)
	if err != nil {
		return nil, err
	}
	return outcome(same, message, asText(want), asText(got))
}

func checkNe(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var got, other starlark.Value
	var message string
	if err := unpackCheck(b, "(got, other, message = \"\")", args, kwargs, "got", &got, "other", &other, "message?", &message); err != nil {
		return nil, err
	}
	same, err := starlark.Equal(got, other)
	if err != nil {
		return nil, err
	}
	return outcome(!same, message, "anything else", asText(got))
}

func checkTrue(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	return checkTruth(b, args, kwargs, true)
}

func checkFalse(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	return checkTruth(b, args, kwargs, false)
}

func checkTruth(b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple, want bool) (starlark.Value, error) {
	var got starlark.Value
	var message string
	if err := unpackCheck(b, "(got, message = \"\")", args, kwargs, "got", &got, "message?", &message); err != nil {
		return nil, err
	}
	return outcome(bool(got.Truth()) == want, message, fmt.Sprintf("a %t value", want), asText(got))
}

func checkContains(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var container, item starlark.Value
	var message string
	if err := unpackCheck(b, "(container, item, message = \"\")", args, kwargs, "container", &container, "item", &item, "message?", &message); err != nil {
		return nil, err
	}
	in, err := starlark.Binary(syntax.IN, item, container)
	if err != nil {
		return nil, usage(b.Name(), "", "%w", err)
	}
	return outcome(bool(in.Truth()), message, "something with "+asText(item), asText(container))
}

func checkMatches(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var got, pattern, message string
	if err := unpackCheck(b, "(text, pattern, message = \"\")", args, kwargs, "text", &got, "pattern", &pattern, "message?", &message); err != nil {
		return nil, err
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, usage(b.Name(), "", "%q is not a regular expression: %w", pattern, err)
	}
	return outcome(re.MatchString(got), message, "a match of "+pattern, asText(starlark.String(got)))
}

// checkFails calls a function without arguments, which must fail, and gives the
// error. What ends a run ends it here too.
func checkFails(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var fn starlark.Callable
	if err := unpackCheck(b, "(fn)", args, kwargs, "fn", &fn); err != nil {
		return nil, err
	}
	value, err := starlark.Call(thread, fn, nil, nil)
	if err == nil {
		return outcome(false, "", "a failure", asText(value))
	}
	f := caught(thread, err)
	if f == nil {
		return nil, err
	}
	members := explain(f)
	members["subject"] = starlark.String(f.Subject)
	return starlarkstruct.FromStringDict(starlark.String("Error"), members), nil
}

func unpackCheck(b *starlark.Builtin, params string, args starlark.Tuple, kwargs []starlark.Tuple, pairs ...any) error {
	signature := func(name string) string { return name + params }
	if err := unknownKeyword(b.Name(), signature, kwargs, pairs); err != nil {
		return err
	}
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, pairs...); err != nil {
		return usage(b.Name(), signature(b.Name()), "%w", withoutPrefix{err, b.Name() + ": "})
	}
	return nil
}

func outcome(held bool, message, expected, actual string) (starlark.Value, error) {
	if held {
		return starlark.None, nil
	}
	return nil, &fault.Error{Kind: fault.Rejected, Err: &CheckFailure{Message: message, Expected: expected, Actual: actual}}
}

// asText is a value as JSON, or as the language prints it when it has none.
func asText(v starlark.Value) string {
	if plain, err := toGo(v); err == nil {
		if text, err := json.Marshal(plain); err == nil {
			return string(text)
		}
	}
	return v.String()
}
