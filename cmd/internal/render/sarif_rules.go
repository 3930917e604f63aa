package render

import "github.com/policyhost/policy/builtins"

// rule says what findings of one code are about.
type rule struct{ code, short, help string }

// checkRules are the codes that findings have: first those of pipelines, as
// spec/language.md lists them, then OPA's.
var checkRules = []rule{
	{"syntax", "The file cannot be read as Starlark.", "Nothing else of the file can be checked before it parses. Pipelines are written in the language of spec/language.md; `policy fmt` names the place, too."},
	{"undefined", "A name is not defined.", "The file neither defines nor loads the name, and it is no verb and no function of the language. `policy doc` lists the verbs."},
	{"load", "What load() asks for is not there.", "The file, or the name in it, does not exist, or the files load each other in a circle. load(\":x.star\", …) is beside the file, load(\"//lib/x.star\", …) below the project's root, load(\"@std//x.star\", …) in policy."},
	{"unknown-type", "An annotation names no type.", "Types are str int float bool None list dict set tuple callable time duration struct any, the results of verbs such as Image, and what the file defines with enum and record."},
	{"unknown-keyword", "A call passes a parameter that is not there.", "`policy doc NAME` shows what a verb or a module takes."},
	{"missing-argument", "A call leaves a required argument out.", "`policy doc NAME` shows what a verb or a module takes."},
	{"extra-argument", "A call passes more than fits.", "Verbs take at most two arguments by position; the others are given by name."},
	{"wrong-type", "A value is not of the type that is wanted.", "The annotation, or the declaration of the verb, says what is wanted."},
	{"bad-value", "A value is none that is accepted.", "It is of the right type, but no reference, no duration or none of the values there are."},
	{"unknown-attribute", "A value has no such attribute.", "The answers of verbs have the attributes that `policy doc NAME` lists."},
	{"effect-at-load", "A verb is called while the file is loaded.", "Loading a file only defines things. Call the verb inside a function."},
	{"unused-load", "A loaded name is not used.", "Remove it from the load statement."},
	{"unused-variable", "A variable is not used.", "Remove it, or begin its name with _ if that is meant."},
	{"unreachable", "A statement is never run.", "The statement before it ends the function or the loop."},
	{"missing-return", "A function returns a value on some ways only.", "On the others it gives None; say so with return None if that is meant."},
	{"shadowed-builtin", "A name hides a verb or a name of the language.", "Give it another name."},
	{"docstring", "A docstring does not describe the parameters that there are.", "The Args: section names each parameter as it is called; it is the help of the command."},

	{"rego_parse_error", "The file cannot be read as Rego.", "https://www.openpolicyagent.org/docs/policy-language describes Rego; --rego-version rego.v0 reads that of before OPA 1.0."},
	{"rego_compile_error", "The policy does not compile.", "What OPA's strict mode alone refuses is a warning: unused variables and imports, among others."},
	{"rego_type_error", "An expression is of a type that cannot be there.", "The arguments of a function, or an undefined function or rule."},
	{"rego_unsafe_var_error", "A variable has no value.", "Each variable must be bound by an expression that is not negated."},
	{"rego_recursion_error", "A rule depends on itself.", "Rego has no recursion."},
}

// ruleOf describes the code of a finding.
func ruleOf(f builtins.Finding) sarifRule {
	r := sarifRule{ID: f.Code, Short: sarifText{f.Code}, Help: sarifText{"policy check reports it."}, Default: sarifDefault{f.Severity}}
	for _, known := range checkRules {
		if known.code == f.Code {
			r.Short.Text, r.Help.Text = known.short, known.help
		}
	}
	return r
}
