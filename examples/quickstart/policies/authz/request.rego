# METADATA
# title: The request
# description: >-
#   What a caller has to send: `user`, `action` ("documents:update"),
#   `resource` with `type` and `tenant` (and `id`, `owner`, `private` where they
#   are known) and `now`, the time of the request. An incomplete question gets
#   no for an answer. The time is part of the question, so that the same
#   question has the same answer tomorrow.
package authz.request

# METADATA
# title: The time of the request, in nanoseconds since 1970
now := time.parse_rfc3339_ns(input.now)

# METADATA
# title: The user, as the directory knows them
user := data.directory.users[input.user]

# METADATA
# title: Whether a pattern such as "documents:*", "*:read" or "*" covers the action asked for
covered_by(pattern) if pattern == "*"

covered_by(pattern) if glob.match(pattern, [":"], input.action)

forbids contains sprintf("the request has no %s", [field]) if {
	some field in ["user", "action", "resource", "now"]
	not input[field]
}

forbids contains "now must be an RFC 3339 time" if {
	input.now
	not now
}

forbids contains sprintf("%v is not something to do to %v", [input.action, input.resource.type]) if {
	input.action
	not fitting
}

# An action is written TYPE:VERB and goes with a resource of that type only.
fitting if {
	[type, _] := split(input.action, ":")
	type == input.resource.type
}
