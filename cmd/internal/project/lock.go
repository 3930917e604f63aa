package project

import (
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/policyhost/policy/builtins"
	"github.com/policyhost/policy/builtins/lockfile"
	"github.com/policyhost/policy/runtime/fault"
)

// Lock reads the project's policy.lock; without one it has no pins. It fails with
// Invalid and the line for what is no lock.
func (p *Project) Lock() (*lockfile.Lock, error) {
	text, err := read(p.lockFile())
	if errors.Is(err, fs.ErrNotExist) {
		return new(lockfile.Lock), nil
	}
	if err != nil {
		return nil, fault.File(lockfile.Name, err)
	}
	return lockfile.Parse(text)
}

// ChangeLock rewrites policy.lock as it is now, unless change leaves it as it was.
// It fails like [Project.Lock], and when the file cannot be written.
func (p *Project) ChangeLock(change func(*lockfile.Lock)) error {
	lock, err := p.Lock()
	if err != nil {
		return err
	}
	before := string(lock.Text())
	change(lock)
	text := lock.Text()
	if string(text) == before {
		return nil
	}
	out, err := builtins.Anywhere{}.Create(p.lockFile())
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := out.Write(text); err != nil {
		return err
	}
	return out.Commit()
}

func (p *Project) lockFile() string { return filepath.Join(p.Root, lockfile.Name) }

// Vendor is the folder of the project that recipes are kept in to be at hand
// without a network: an OCI image layout.
func (p *Project) Vendor() string { return filepath.Join(p.Root, "vendor", "recipes") }
