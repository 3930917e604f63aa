//go:build !unix

package project

import "io/fs"

// isOurs is about folders that everybody may write to, which other systems keep
// elsewhere.
func isOurs(string, fs.FileInfo) bool { return true }
