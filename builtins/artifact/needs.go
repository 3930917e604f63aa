package artifact

import (
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strings"

	"github.com/policyhost/policy/runtime/fault"
)

// Needs is what the code of a recipe may touch besides its own package. Registry
// patterns are a repository ("ghcr.io/acme/authz"), everything below a path
// ("ghcr.io/acme/*"), a whole registry ("ghcr.io/*") or all of them ("*"); nothing
// is implied: who may write may not read.
type Needs struct {
	Read   []string `json:"read,omitempty"`   // repositories to pull, list and judge
	Write  []string `json:"write,omitempty"`  // repositories to push to and tag
	Delete []string `json:"delete,omitempty"` // repositories to delete from
	Files  []string `json:"files,omitempty"`  // files and folders of the project: "cases" to read, "report:rw" to write, too
	Env    []string `json:"env,omitempty"`    // environment variables: "GITHUB_SHA", "GITHUB_*"
}

// Need is one thing of [Needs].
type Need struct {
	Kind  string // "read", "write", "delete", "files" or "env"
	Value string
}

// String reads "read:ghcr.io/acme/*".
func (n Need) String() string { return n.Kind + ":" + n.Value }

// kinds are the lists of n in the order they are written.
func (n *Needs) kinds() []struct {
	name string
	list *[]string
} {
	return []struct {
		name string
		list *[]string
	}{{"read", &n.Read}, {"write", &n.Write}, {"delete", &n.Delete}, {"files", &n.Files}, {"env", &n.Env}}
}

// All gives every need, by kind and then sorted as [Needs.Add] keeps them.
func (n Needs) All() iter.Seq[Need] {
	return func(yield func(Need) bool) {
		for _, k := range n.kinds() {
			for _, v := range *k.list {
				if !yield(Need{k.name, v}) {
					return
				}
			}
		}
	}
}

// IsZero reports whether nothing is needed.
func (n Needs) IsZero() bool {
	for range n.All() {
		return false
	}
	return true
}

// Add puts a need into its list, sorted and once. It fails with Usage when the
// kind is unknown or the value can mean nothing.
func (n *Needs) Add(need Need) error {
	if err := need.check(); err != nil {
		return err
	}
	for _, k := range n.kinds() {
		if k.name == need.Kind {
			if at, found := slices.BinarySearch(*k.list, need.Value); !found {
				*k.list = slices.Insert(slices.Clone(*k.list), at, need.Value)
			}
			return nil
		}
	}
	return fault.New(fault.Usage, need.String(), "%q is no kind of need", need.Kind).
		WithHint("one of read, write, delete, files and env")
}

func (n Need) check() error {
	bad := func(format string, args ...any) error {
		return fault.New(fault.Usage, n.String(), format, args...)
	}
	if n.Value == "" || strings.ContainsFunc(n.Value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return bad("names nothing")
	}
	switch n.Kind {
	case "read", "write", "delete":
		if n.Value == "*" {
			return nil
		}
		path := strings.TrimSuffix(n.Value, "/*")
		if strings.Contains(path, "*") || !strings.Contains(n.Value, "/") {
			return bad("a registry pattern is HOST/ORG/NAME, HOST/ORG/*, HOST/* or *")
		}
		if path == n.Value || strings.Contains(path, "/") {
			name, err := ParseName(path, DefaultDomain)
			if err != nil || name.Registry+"/"+name.Repository != path || name.Tag != "latest" && name.Tag != "" {
				return bad("a registry pattern is HOST/ORG/NAME, HOST/ORG/*, HOST/* or *")
			}
		}
	case "files":
		path := strings.TrimSuffix(n.Value, ":rw")
		if strings.HasPrefix(path, "/") || strings.Contains(path, "\\") || slices.Contains(strings.Split(path, "/"), "..") {
			return bad("a file or folder below the project's root, with / between folders")
		}
	case "env":
		if strings.ContainsAny(strings.TrimSuffix(n.Value, "*"), "*=") {
			return bad("an environment variable is NAME or PREFIX*")
		}
	}
	return nil
}

// Allows reports whether the needs, once granted, cover one thing: a repository
// for read, write and delete; a path below the project's root for files, with
// ":rw" to write it; a variable for env.
func (n Needs) Allows(thing Need) bool {
	for granted := range n.All() {
		if granted.covers(thing) {
			return true
		}
	}
	return false
}

// covers reports whether a granted pattern includes a thing, or a narrower
// pattern of the same kind.
func (n Need) covers(thing Need) bool {
	if n.Kind != thing.Kind {
		return false
	}
	switch n.Kind {
	case "env":
		prefix, any := strings.CutSuffix(n.Value, "*")
		return n.Value == thing.Value || any && strings.HasPrefix(thing.Value, prefix)
	case "files":
		folder, writes := strings.CutSuffix(n.Value, ":rw")
		path, writing := strings.CutSuffix(thing.Value, ":rw")
		return (writes || !writing) && (folder == "." || path == folder || strings.HasPrefix(path, folder+"/"))
	}
	below, any := strings.CutSuffix(n.Value, "*")
	return n.Value == thing.Value || any && strings.HasPrefix(thing.Value, below)
}

// Without gives what n asks for and granted does not cover: what has to be
// granted before code that needs n may run.
func (n Needs) Without(granted Needs) Needs {
	var missing Needs
	for need := range n.All() {
		if !granted.Allows(need) {
			_ = missing.Add(need) // it was in n, so it is sound
		}
	}
	return missing
}

// Within gives what n asks for as far as granted covers it: what code that needs n
// may do on behalf of what was granted.
func (n Needs) Within(granted Needs) Needs {
	var both Needs
	for need := range n.All() {
		if granted.Allows(need) {
			_ = both.Add(need) // it was in n, so it is sound
		}
	}
	return both
}

// String is the form that the lock keeps: "read:ghcr.io/acme/*,env:CI". Bytes
// that would end a field are escaped as in URLs.
func (n Needs) String() string {
	var all []string
	for need := range n.All() {
		all = append(all, escapeNeed(need.String()))
	}
	return strings.Join(all, ",")
}

func escapeNeed(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c <= ' ' || c == 0x7f || c == ',' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// ParseNeeds reads what [Needs.String] writes. It fails with Usage.
func ParseNeeds(s string) (Needs, error) {
	var n Needs
	for field := range strings.SplitSeq(s, ",") {
		if field == "" {
			continue
		}
		text, err := url.PathUnescape(field)
		if err != nil {
			return Needs{}, fault.New(fault.Usage, field, "%w", err)
		}
		kind, value, ok := strings.Cut(text, ":")
		if !ok {
			return Needs{}, fault.New(fault.Usage, text, "a need is KIND:VALUE").WithHint("for example read:ghcr.io/acme/*")
		}
		if err := n.Add(Need{kind, value}); err != nil {
			return Needs{}, err
		}
	}
	return n, nil
}
