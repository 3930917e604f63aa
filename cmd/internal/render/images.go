package render

import (
	"strings"

	"github.com/policyhost/policy/builtins"
)

// images writes one token a line, which every verb accepts back. Images that a
// partly failed call did not make are left out.
func (p *Printer) images(images builtins.Images) string {
	if p.Format == Table {
		return p.imageTable(builtins.Listing(images))
	}
	var b strings.Builder
	for _, i := range images {
		if i != nil {
			b.WriteString(Safe(i.String()) + "\n")
		}
	}
	return b.String()
}

// imageTable writes the columns that users of opcr policy and docker know.
func (p *Printer) imageTable(images builtins.Listing) string {
	t := &table{header: []string{"REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"}}
	for _, i := range images {
		if i == nil {
			continue
		}
		created, size := absent, absent
		if i.Created != nil {
			created = p.time(*i.Created)
		}
		if i.Size != nil {
			size = p.size(*i.Size)
		}
		t.add(orAbsent(i.Repository), orAbsent(i.Tag), orAbsent(shortID(string(i.Digest))), created, size)
	}
	return t.render(p)
}

// shortID is the 12 hex digits by which people tell images apart.
func shortID(digest string) string {
	_, hex, _ := strings.Cut(digest, ":")
	return hex[:min(12, len(hex))]
}

func orAbsent(s string) string {
	if s == "" {
		return absent
	}
	return Safe(s)
}
