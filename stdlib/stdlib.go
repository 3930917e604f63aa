// Package stdlib holds the Starlark files that every pipeline can load from the
// binary: load("@std//semver.star", "semver").
//
//   - assert.star: checks for tests
//   - gate.star: judges requests with a policy, fails with those decided wrong
//   - matrix.star: sets the decisions of several policies side by side
//   - promote.star: lets an image into a stage, by digest, past gates
//   - release.star: the tags and versions of a release
//   - report.star: a Markdown summary of results
//   - select.star: the newest images, those past an age, those that fit a pattern
//   - semver.star: semantic versions, compared, bumped, matched
//
// Each has its tests beside it, in a file that ends in _test.star.
package stdlib

import "embed"

// FS has the library's files at its root: "semver.star" is @std//semver.star.
//
//go:embed *.star
var FS embed.FS
