# METADATA
# title: The gates between the stages
# description: >-
#   `deny` says what keeps an image out of the stage named in `input.stage`.
#   The input tells what is known of the image: where it comes from, what it
#   holds, and how it judged the cases.
package gate

# METADATA
# title: Each stage asks for what the stage before asked for, and more
asked := {
	"staging": {"cases", "revision", "size"},
	"prod": {"cases", "revision", "size", "coverage", "stable"},
}

deny contains sprintf("there is no gate to %v", [input.stage]) if not asked[input.stage]

deny contains sprintf("case %q: decided %v", [wrong.name, wrong.decided]) if {
	"cases" in asked[input.stage]
	some wrong in input.cases.wrong
}

deny contains sprintf("judged by %d cases, at least 5 are asked for", [input.cases.judged]) if {
	"cases" in asked[input.stage]
	input.cases.judged < 5
}

deny contains "it does not say which revision it was built from" if {
	"revision" in asked[input.stage]
	object.get(input.image, "revision", "") == ""
}

deny contains sprintf("a bundle of %d bytes is more than 1 MiB", [input.image.size]) if {
	"size" in asked[input.stage]
	input.image.size > 1048576
}

deny contains sprintf("the tests cover %v %% of it, 90 are asked for", [input.tests.coverage]) if {
	"coverage" in asked[input.stage]
	input.tests.coverage < 90
}

deny contains sprintf("%s is a pre-release", [input.version]) if {
	"stable" in asked[input.stage]
	contains(input.version, "-")
}
