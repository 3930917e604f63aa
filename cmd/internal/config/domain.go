package config

import (
	"os"
	"path/filepath"

	"github.com/policyhost/policy/runtime/fault"
)

// domainFile holds the default domain that `login -d` chose, as opcr policy has
// it: the host and nothing else.
const domainFile = "default-domain.cfg"

// SaveDefaultDomain makes domain the registry of references that name none, for
// all later runs with this store root. It replaces the file whole or not at all.
// It fails with Usage when domain is no host, Denied or Unavailable when the file
// cannot be written.
func SaveDefaultDomain(root, domain string) error {
	host, err := registryHost(domain)
	if err != nil {
		return fault.New(fault.Usage, "", "%w", err)
	}
	path := filepath.Join(root, domainFile)
	if err := os.MkdirAll(root, 0o700); err != nil {
		return fileFault(root, err)
	}
	f, err := os.CreateTemp(root, domainFile+".*.tmp")
	if err != nil {
		return fileFault(path, err)
	}
	defer os.Remove(f.Name()) // gone already when all went well
	_, err = f.WriteString(host)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fileFault(path, err)
	}
	return nil
}
