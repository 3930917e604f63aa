# METADATA
# title: May this request pass?
# description: >-
#   A request names its `method`, its `path` as a list (["orders", "17"]) and the
#   `user` with `id` and `roles`. What no rule speaks of is not allowed.
package authz

# METADATA
# title: The decision
# entrypoint: true
default allow := false

# Anybody may ask whether the service is well.
allow if {
	input.method == "GET"
	input.path == ["health"]
}

# Readers read.
allow if {
	input.method == "GET"
	"reader" in input.user.roles
}

# Writers change what they own.
allow if {
	input.method in {"PUT", "DELETE"}
	input.path == ["users", input.user.id, "profile"]
	"writer" in input.user.roles
}
