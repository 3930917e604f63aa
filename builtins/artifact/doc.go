// Package artifact knows what a policy image is: how it is named, how its
// manifest and its layer are laid out, and how untrusted ones are checked
// before anything opens them. It is pure: no network, no files, no OPA.
//
// See spec/artifact.md for the format.
package artifact
