package builtins

import (
	"os"
	"path/filepath"

	"github.com/policyhost/policy/runtime/fault"
)

// DefaultDomainFile is the file below the store root that holds the default
// domain login chose: the host and nothing else, as opcr policy has it.
const DefaultDomainFile = "default-domain.cfg"

// SaveDefaultDomain makes host the registry of references that name none, for
// all later runs with this store root. The file is replaced whole or not at
// all. It fails with Denied or Unavailable when it cannot be written.
func (s Settings) SaveDefaultDomain(host string) error {
	if err := os.MkdirAll(s.Root, 0o700); err != nil {
		return fault.File(s.Root, err)
	}
	file := filepath.Join(s.Root, DefaultDomainFile)
	out, err := create(file, file)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := out.Write([]byte(host)); err != nil {
		return err
	}
	return out.Commit()
}

func (e *Env) saveDefaultDomain(host string) error {
	if e.rehearsal != nil {
		e.rehearsal.note(Change{Action: SetDefault, Where: InCredentials, Ref: host})
		return nil
	}
	return e.Settings.SaveDefaultDomain(host)
}
