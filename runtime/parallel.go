package runtime

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"go.starlark.net/starlark"

	"github.com/policyhost/policy/runtime/fault"
)

// branchSteps is what starting a branch is worth in steps.
const branchSteps = 100

// parallel implements parallel(fn, items, limit, on_error): fn(item) for each of
// the items, several at once, and the results in order. Function, items and
// results are frozen. When one fails no more are started, and those that run
// finish; on_error = "continue" starts all the same. The fault has every failure.
func parallel(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	p := &fanOut{branch: branchOf(thread), limit: 0, onError: "stop"}
	var items starlark.Iterable
	if err := unpack(b.Name(), args, kwargs, "fn", &p.fn, "items", &items, "limit??", &p.limit, "on_error?", &p.onError); err != nil {
		return nil, err
	}
	if p.run.loading {
		return nil, hasEffect(b.Name())
	}
	if err := p.check(b.Name(), kwargs); err != nil {
		return nil, err
	}
	if starlark.Len(items) > maxItems {
		return nil, tooLong(b.Name(), items)
	}
	iter := items.Iterate()
	for item := starlark.Value(nil); iter.Next(&item); {
		p.items = append(p.items, item)
	}
	iter.Done()
	items.Freeze()
	p.fn.Freeze()
	p.run.session.freeze(p.branch)
	for _, item := range p.items {
		item.Freeze()
	}
	thread.Steps += uint64(len(p.items)) * branchSteps
	p.fork(p.start)
	if err := p.failed.join(p.run); err != nil {
		return nil, err
	}
	results := starlark.NewList(p.results)
	results.Freeze()
	return results, nil
}

// fanOut is one call of parallel.
type fanOut struct {
	*branch
	fn      starlark.Callable
	items   []starlark.Value
	limit   int
	onError string

	results []starlark.Value
	failed  *failures
}

func (p *fanOut) check(name string, kwargs []starlark.Tuple) error {
	given := false
	for _, kwarg := range kwargs {
		given = given || kwarg[0] == starlark.String("limit") && kwarg[1] != starlark.None
	}
	switch {
	case given && p.limit < 1:
		return usage(name, controlSignature(name), "parameter limit: got %d, want at least 1", p.limit)
	case p.onError != "stop" && p.onError != "continue":
		hint := controlSignature(name)
		if near := fault.Nearest(p.onError, []string{"stop", "continue"}); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		return usage(name, hint, "parameter on_error: got %q, want one of stop, continue", p.onError)
	case p.running(p.fn):
		return fmt.Errorf("function %s called recursively", p.fn.Name())
	}
	if p.limit == 0 || p.limit > cap(p.run.slots) {
		p.limit = cap(p.run.slots)
	}
	return nil
}

// start runs the branches and waits for them. A branch is made when it may work,
// so that a million items need no million threads.
func (p *fanOut) start() {
	p.results = make([]starlark.Value, len(p.items))
	p.failed = newFailures(len(p.items))
	places := make(chan struct{}, p.limit)
	var all sync.WaitGroup
	defer all.Wait()
	for i, item := range p.items {
		select {
		case places <- struct{}{}:
		case <-p.run.stopped:
			return
		}
		child := p.run.branch(p.branch)
		if !child.enter() || p.onError == "stop" && p.failed.any.Load() {
			child.end()
			return
		}
		all.Go(func() {
			defer func() { <-places }()
			v, err := child.call(p.fn, starlark.Tuple{item})
			if err != nil {
				p.failed.add(i, itemName(i, item), err)
				return
			}
			p.results[i] = v
		})
	}
}

// longestItem is how much of an item an error shows, in bytes.
const longestItem = 80

// itemName says which item an error is about: its index, and what it is as far
// as that is short.
func itemName(i int, item starlark.Value) string {
	name := fmt.Sprintf("item %d", i)
	shown := brief(item, true)
	if shown == "" {
		return name
	}
	if len(shown) > longestItem {
		shown = strings.ToValidUTF8(shown[:longestItem], "") + "…"
	}
	return name + " (" + shown + ")"
}

// brief shows a simple value, or a few in a list; what else there is may be as
// long as a document, and is not shown.
func brief(v starlark.Value, list bool) string {
	switch v := v.(type) {
	case starlark.String:
		if len(v) > longestItem {
			v = v[:longestItem]
		}
		return v.String()
	case starlark.Bool, starlark.Float:
		return v.String()
	case starlark.Int:
		if _, small := v.Int64(); small {
			return v.String()
		}
	case *object:
		if s, ok := v.original.(fmt.Stringer); ok {
			return s.String()
		}
	case starlark.Indexable:
		if !list || v.Len() > 4 {
			return ""
		}
		var parts []string
		for i := range v.Len() {
			part := brief(v.Index(i), false)
			if part == "" {
				return ""
			}
			parts = append(parts, part)
		}
		return strings.Join(parts, ", ")
	}
	return ""
}

// unpack reads the arguments of a function of the host's own: two by position at
// most, the others by name. What is wrong with them is a Usage fault.
func unpack(name string, args starlark.Tuple, kwargs []starlark.Tuple, pairs ...any) error {
	if len(args) > 2 {
		return usage(name, controlSignature(name), "got %d positional arguments, want at most 2", len(args))
	}
	if err := unknownKeyword(name, controlSignature, kwargs, pairs); err != nil {
		return err
	}
	if err := starlark.UnpackArgs(name, args, kwargs, pairs...); err != nil {
		return usage(name, controlSignature(name), "%w", withoutPrefix{err, name + ": "})
	}
	return nil
}

func unknownKeyword(name string, signature func(name string) string, kwargs []starlark.Tuple, pairs []any) error {
	var names []string
	for i := 0; i < len(pairs); i += 2 {
		names = append(names, strings.TrimRight(pairs[i].(string), "?"))
	}
	for _, kwarg := range kwargs {
		key, _ := starlark.AsString(kwarg[0])
		if slices.Contains(names, key) {
			continue
		}
		hint := signature(name)
		if near := fault.Nearest(key, names); near != "" {
			hint = fmt.Sprintf("did you mean %q? %s", near, hint)
		}
		return usage(name, hint, "unknown parameter %s", key)
	}
	return nil
}

func usage(name, hint, format string, args ...any) error {
	return &fault.Error{Kind: fault.Usage, Op: name, Err: fmt.Errorf(format, args...), Hint: hint}
}

// withoutPrefix is an error that names the function first, as the fault around
// it does already.
type withoutPrefix struct {
	err    error
	prefix string
}

func (w withoutPrefix) Error() string { return strings.TrimPrefix(w.err.Error(), w.prefix) }
func (w withoutPrefix) Unwrap() error { return w.err }

// hasEffect refuses what may not run while a file is loaded.
func hasEffect(name string) error {
	return (&fault.Error{Kind: fault.Script, Op: name, Err: errors.New("has an effect and cannot run while a file is loaded")}).
		WithHint("call it inside a function")
}
