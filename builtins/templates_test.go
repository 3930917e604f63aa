package builtins_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/policyhost/policy/builtins"
)

// What the shell completes is what there is.
func TestTemplateNames(t *testing.T) {
	t.Parallel()
	var names []string
	for _, template := range builtins.ListTemplates() {
		names = append(names, template.Name)
	}
	field, _ := reflect.TypeFor[builtins.TemplateArgs]().FieldByName("Name")
	if got := field.Tag.Get("complete"); got != strings.Join(names, ",") {
		t.Errorf("completed are %s, there are %v", got, names)
	}
}
