package authz.request_test

import data.authz.request

complete := {
	"user": "jo",
	"action": "documents:read",
	"resource": {"type": "documents", "tenant": "acme"},
	"now": "2026-03-01T12:00:00Z",
}

test_complete_request if {
	count(request.forbids) == 0 with input as complete
}

test_each_field_is_needed if {
	every field in ["user", "action", "resource", "now"] {
		sprintf("the request has no %s", [field]) in request.forbids with input as object.remove(complete, [field])
	}
}

test_time_must_be_a_time if {
	asked := object.union(complete, {"now": "tomorrow"})
	request.forbids == {"now must be an RFC 3339 time"} with input as asked
}

test_action_goes_with_the_type if {
	asked := object.union(complete, {"action": "invoices:read"})
	request.forbids == {"invoices:read is not something to do to documents"} with input as asked
}

test_action_without_a_verb if {
	every action in ["documents", "", "documents:read:all", 7] {
		asked := object.union(complete, {"action": action})
		count(request.forbids) == 1 with input as asked
	}
}

test_patterns if {
	every pattern in ["*", "*:read", "documents:*", "documents:read"] {
		request.covered_by(pattern) with input as complete
	}
	every pattern in ["read", "*:update", "invoices:*", "documents:re", ""] {
		not request.covered_by(pattern) with input as complete
	}
}
