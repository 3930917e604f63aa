//go:build !linux

package store

// lockHolder names the process that last took the lock on path.
func lockHolder(path string) string { return orUnknown(signature(path)) }
