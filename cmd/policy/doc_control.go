package main

import (
	"fmt"
	"strings"

	"github.com/policyhost/policy/runtime"
)

// controlMarkdown writes the manual of what pipelines have besides the verbs.
func controlMarkdown(b *strings.Builder) {
	b.WriteString(`
## Pipelines

Functions of pipelines alone. A pipeline also has ` + "`json`, `math` and `time`, as [Starlark](https://pkg.go.dev/go.starlark.net/lib)" + `
describes them, and the functions and methods of the
[language](https://github.com/bazelbuild/starlark/blob/master/spec.md#built-in-constants-and-functions).
`)
	for _, f := range runtime.Control() {
		functionMarkdown(b, "###", f)
	}
}

// functionMarkdown writes the manual of one function of Starlark.
func functionMarkdown(b *strings.Builder, heading string, f runtime.Function) {
	fmt.Fprintf(b, "\n%s %s\n\n```python\n%s\n```\n", heading, f.Name, brokenSignature(f, 100))
	if f.Doc != "" {
		fmt.Fprintf(b, "\n%s\n", f.Doc)
	}
	if len(f.Params) == 0 {
		return
	}
	b.WriteString("\n| parameter | type | meaning |\n| --- | --- | --- |\n")
	for _, p := range f.Params {
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", p.Name, strings.ReplaceAll(typeOf(p), "|", `\|`), strings.ReplaceAll(p.Help, "|", `\|`))
	}
}
