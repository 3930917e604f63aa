//go:build unix

package project_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/policyhost/policy/cmd/internal/project"
)

// Below a folder such as /tmp, the file that a stranger put there is nobody's
// project.
func TestStrangersFile(t *testing.T) {
	t.Parallel()
	shared := t.TempDir()
	write(t, shared, "requires = '>= 0.1'")
	mine := filepath.Join(shared, "mine")
	if err := os.Mkdir(mine, 0o700); err != nil {
		t.Fatal(err)
	}
	find := func(want string, wantFound bool) {
		t.Helper()
		root, found, err := project.Find(mine)
		if err != nil || root != want || found != wantFound {
			t.Errorf("found %s, %v, %v", root, found, err)
		}
	}
	if err := os.Chmod(shared, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	find(shared, true) // it is the user's own
	if err := os.Chown(filepath.Join(shared, project.Name), os.Getuid()+1, -1); err != nil {
		t.Skipf("only root can give files away: %v", err)
	}
	find(mine, false)
	if err := os.Chmod(shared, 0o755); err != nil {
		t.Fatal(err)
	}
	find(shared, true) // a checkout that belongs to another user, as in containers
}
