package project

// Parse is what Load does with the text of a file.
func Parse(text []byte, version string) (*Project, error) {
	p := &Project{File: Name}
	return p, p.parse(text, version)
}

// With and Without are what AddRecipe and RemoveRecipe write.
func With(text []byte, alias, ref string) []byte { return outlined(text).with(alias, ref) }
func Without(text []byte, alias string) []byte   { return outlined(text).without(alias) }
