// Package project reads policy.toml, what a project says of itself: the version of
// policy that it requires, the recipes it loads, its policies, defaults of
// settings and, where the project is a recipe, what that is and needs.
//
// The nearest folder upwards with a policy.toml is the project's root. The file is
// written by people and comes with a checkout, maybe a stranger's: a key that is
// not known, or a value of the wrong type, is an error with its line; nothing in
// it can send credentials elsewhere. See spec/project.md.
package project
