// Package stdlib holds the Starlark files that every pipeline can load from the
// binary: load("@std//semver.star", "semver").
//
//   - assert.star: checks for tests
//   - semver.star: semantic versions, compared, bumped, matched
//   - release.star: the tags and versions of a release
//
// Each has its tests beside it, in a file that ends in _test.star.
package stdlib

import "embed"

// FS has the library's files at its root: "semver.star" is @std//semver.star.
//
//go:embed *.star
var FS embed.FS
