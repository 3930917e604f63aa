package runtime

import "slices"

// LoadNames lists what the load statements of a file name, each once and in their
// order: "oci://ghcr.io/acme/recipes:v1//gates.star", "@acme//gates.star",
// ":util.star", "//lib/util.star". It is empty for a text that does not parse.
func LoadNames(text []byte) (all []string) {
	m := &module{Module: Module{Name: "loads"}, text: text}
	if parse(m, false) != nil {
		return nil
	}
	for _, load := range m.loads() {
		if name := load.ModuleName(); !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}
