package artifact_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

// TestRecipeConfig: what a recipe says of itself is checked before anybody sees it.
func TestRecipeConfig(t *testing.T) {
	t.Parallel()
	digest := "sha256:" + strings.Repeat("1", 64)
	for _, tt := range []struct{ text, says string }{
		{`{"name":"gates","version":"1.0.0","deps":{"base":"oci://a.test/x/y:1@` + digest + `"},"needs":{"env":["CI"]}}`, ""},
		{`{"version":"1.0.0"}`, "no name"},
		{`{"name":"gates\n@trusted  1.0.0","version":"1.0.0"}`, "is not one line of text"},
		{`{"name":"gates","version":"1.0.0","description":"\u001b[2J"}`, "is not one line of text"},
		{`{"name":"gates","version":"1.0.0","exports":["a.star f()\r"]}`, "is not one line of text"},
		{`{"name":"gates","version":"1.0.0","deps":{"a\nb":"oci://a.test/x/y:1@` + digest + `"}}`, "is not one line of text"},
		{`{"name":"gates","version":"1.0.0","deps":{"base":"oci://a.test/x/y:1"}}`, "base: oci://a.test/x/y:1 is not pinned to a digest"},
		{`{"name":"gates","version":"1.0.0","needs":{"files":["../secret"]}}`, "below the project's root"},
		{`{"name":"gates","name":"doors"}`, "the recipe's config"},
		{`[]`, "the recipe's config"},
	} {
		_, err := artifact.ParseRecipeConfig([]byte(tt.text))
		switch {
		case tt.says == "" && err != nil:
			t.Errorf("%s: %v", tt.text, err)
		case tt.says != "" && (!errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), tt.says)):
			t.Errorf("%s: got %v, want %q", tt.text, err, tt.says)
		}
	}
}

func FuzzRecipeConfig(f *testing.F) {
	f.Add([]byte(`{"name":"gates","version":"1.0.0","needs":{"env":["CI"]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := artifact.ParseRecipeConfig(text)
		if err != nil {
			return
		}
		layer := artifact.Descriptor{Digest: artifact.Digest("sha256:" + strings.Repeat("1", 64)), Size: 1}
		image, err := artifact.NewRecipeImage(layer, c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := artifact.ParseRecipeConfig(image.Config); err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, image.Config)
		}
	})
}
