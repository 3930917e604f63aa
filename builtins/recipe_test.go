package builtins_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/builtins/artifact"
	"github.com/policyhost/policy/runtime/fault"
)

var gates = map[string][]byte{
	"gates.star": []byte("def gate():\n    pass\n"), "lib/words.star": []byte("word = 1\n"), "README.md": []byte("# gates\n"),
}

func gatesConfig() artifact.RecipeConfig {
	c := artifact.RecipeConfig{Name: "gates", Version: "1.0.0", Description: "Gates.", Exports: []string{"gates.star gate()"}}
	c.Needs.Read = []string{"registry.localhost/acme/*"}
	return c
}

func recipeName(t *testing.T, ref string) artifact.Name {
	n, err := artifact.ParseRecipeName(ref)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func newEnv(t *testing.T, root string, files builtins.Files) *builtins.Env {
	env := builtins.NewEnv(builtins.Options{
		Settings: builtins.Settings{Root: root}, Files: files, NoHelpers: true, Home: t.TempDir(),
		Lookup: func(name string) (string, bool) { return "value of " + name, name != "SOURCE_DATE_EPOCH" },
	})
	t.Cleanup(func() { _ = env.Close() })
	return env
}

func ref(t *testing.T, text string) builtins.Ref {
	r, err := builtins.ParseRef(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// built builds and pushes an image under the names given.
func built(t *testing.T, env *builtins.Env, names ...string) *builtins.Image {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "door.rego"), []byte("package door\n\nopen := true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := &builtins.BuildArgs{Paths: []string{dir}, RegoVersion: "rego.v1", Target: "rego"}
	for _, n := range names {
		args.Tag = append(args.Tag, ref(t, n))
	}
	image, err := builtins.Build(t.Context(), env, args)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := builtins.Push(t.Context(), env, &builtins.PushArgs{Refs: args.Tag}); err != nil {
		t.Fatal(err)
	}
	return image
}

func TestRecipes(t *testing.T) {
	t.Parallel()
	env := newEnv(t, t.TempDir(), nil)
	shelf := env.Recipes("")
	digest, err := shelf.Pack(t.Context(), gatesConfig(), gates)
	if err != nil {
		t.Fatal(err)
	}
	const golden = "sha256:"
	if again, err := newEnv(t, t.TempDir(), nil).Recipes("").Pack(t.Context(), gatesConfig(), gates); err != nil || again != digest || !strings.HasPrefix(digest.String(), golden) {
		t.Errorf("elsewhere it is %s, %v, not %s", again, err, digest)
	}
	n := recipeName(t, "oci://registry.localhost/acme/recipes:v1")
	image, err := shelf.Push(t.Context(), n, digest)
	if err != nil || image.String() != "registry.localhost/acme/recipes:v1@"+digest.String() || image.Annotations["org.opencontainers.image.description"] != "Gates." {
		t.Fatalf("got %v, %v", image, err)
	}
	elsewhere := newEnv(t, env.Settings.Root, nil) // the registry is in the root
	vendor := t.TempDir()
	fresh := elsewhere.Recipes(vendor)
	if n.Digest, err = fresh.Resolve(t.Context(), n); err != nil || n.Digest != digest {
		t.Fatalf("got %s, %v", n.Digest, err)
	}
	recipe, err := fresh.Open(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	if recipe.Ref != "oci://registry.localhost/acme/recipes:v1" || recipe.Config.Needs.String() != "read:registry.localhost/acme/*" {
		t.Errorf("got %+v", recipe)
	}
	if err := fstest.TestFS(recipe.Files, "gates.star", "lib/words.star", "README.md"); err != nil {
		t.Error(err)
	}
	if _, _, err := fresh.Vendor(t.Context(), []*builtins.Recipe{recipe}); err != nil {
		t.Fatal(err)
	}
	offline := newEnv(t, t.TempDir(), nil).Recipes(vendor)
	again, err := offline.Open(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := fs.ReadFile(again.Files, "gates.star"); err != nil || string(text) != string(gates["gates.star"]) {
		t.Errorf("got %s, %v", text, err)
	}
}

func TestNoRecipe(t *testing.T) {
	t.Parallel()
	env := newEnv(t, t.TempDir(), nil)
	image := built(t, env, "registry.localhost/acme/authz:1")
	n := recipeName(t, image.String())
	if _, err := env.Recipes("").Open(t.Context(), n); !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "not a recipe: it is a policy image") {
		t.Errorf("got %v", err)
	}
	n.Digest = "sha256:" + artifact.Digest(strings.Repeat("0", 64))
	if _, err := env.Recipes("").Open(t.Context(), n); !errors.Is(err, fault.NotFound) {
		t.Errorf("got %v", err)
	}
}

// What could not be opened is tried again: a session goes on behind a Ctrl-C.
func TestRecipeOpenedAgain(t *testing.T) {
	t.Parallel()
	shelf := newEnv(t, t.TempDir(), nil).Recipes("")
	digest, err := shelf.Pack(t.Context(), artifact.RecipeConfig{Name: "a", Version: "1.0.0"}, map[string][]byte{"a.star": []byte("a = 1\n")})
	if err != nil {
		t.Fatal(err)
	}
	n := recipeName(t, "oci://registry.localhost/acme/a@"+digest.String())
	interrupted, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := shelf.Open(interrupted, n); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was called off", err)
	}
	if _, err := shelf.Open(t.Context(), n); err != nil {
		t.Errorf("the second time: %v", err)
	}
}
