//go:build !windows

package render

import "os"

// enableEscapes has nothing to do: terminals obey colour sequences.
func enableEscapes(*os.File) bool { return true }
