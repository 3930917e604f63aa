# METADATA
# description: The decision as callers see it, over the real directory.
package authz_test

import data.authz

request := {
	"user": "emma.evans",
	"action": "documents:update",
	"resource": {"type": "documents", "id": "d-1", "tenant": "acme", "owner": "maya.meyer"},
	"now": "2026-03-01T12:00:00Z",
}

test_nothing_asked_nothing_allowed if {
	not authz.allow with input as {}
}

test_permitted_and_not_forbidden if {
	authz.allow with input as request
	authz.reasons == {"role editor permits documents:update"} with input as request
}

test_forbidding_outweighs_permitting if {
	held := object.union(request, {"resource": {"legal_hold": true}})
	not authz.allow with input as held
	authz.reasons == {"it is under legal hold"} with input as held
}

test_says_so_when_nothing_permits if {
	viewer := object.union(request, {"user": "vera.vance", "resource": {"id": "d-5"}})
	not authz.allow with input as viewer
	authz.reasons == {"nothing permits it"} with input as viewer
}

test_all_that_permits_is_named if {
	owner := object.union(request, {"resource": {"owner": "emma.evans"}})
	authz.reasons == {"emma.evans owns it", "role editor permits documents:update"} with input as owner
}

test_never_both_allowed_and_forbidden if {
	every user, _ in data.directory.users {
		asked := object.union(request, {"user": user, "resource": {"legal_hold": true}})
		not authz.allow with input as asked
	}
}
