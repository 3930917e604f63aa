// Package config gathers the settings of a run: a flag wins over a POLICY_*
// variable, that over the configuration file, that over what the project says in
// its policy.toml, that over the default.
//
// The file is the first there is of --config, config.yaml in the store root,
// ~/.policy/config.yaml and ~/.config/policy/config.yaml. The keys of opcr policy
// keep working. A key that is not known is an error with its line, since a
// setting that is silently ignored is worse than none.
//
// Every setting is a row of one table, so that flags, variables, the file and
// the list of [Sources] cannot drift apart. Without a file nothing of YAML runs.
package config
