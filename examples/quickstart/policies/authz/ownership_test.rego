package authz.ownership_test

import data.authz.ownership

users := {
	"jo": {"tenant": "acme", "roles": ["viewer"], "active": true},
	"aud": {"tenant": "acme", "roles": ["auditor"], "active": true},
}

permitted_to(user, action, resource) := reasons if {
	reasons := ownership.permits with input as {"user": user, "action": action, "resource": resource}
		with data.directory.users as users
}

forbidden_to(user, action, resource) := reasons if {
	reasons := ownership.forbids with input as {"user": user, "action": action, "resource": resource}
		with data.directory.users as users
}

test_owner_of_a_document if {
	every verb in ["read", "update", "delete", "share"] {
		permitted_to("jo", concat(":", ["documents", verb]), {"owner": "jo"}) == {"jo owns it"}
	}
}

test_owner_of_a_comment if {
	count(permitted_to("jo", "comments:delete", {"owner": "jo"})) == 1
}

test_owning_is_not_approving if {
	count(permitted_to("jo", "invoices:approve", {"owner": "jo"})) == 0
	forbidden_to("jo", "invoices:approve", {"owner": "jo"}) == {"nobody approves their own invoice"}
}

test_not_the_owner if count(permitted_to("aud", "documents:read", {"owner": "jo"})) == 0

test_legal_hold if {
	held := {"owner": "jo", "legal_hold": true}
	forbidden_to("jo", "documents:delete", held) == {"it is under legal hold"}
	count(forbidden_to("jo", "documents:read", held)) == 0
}

test_private if {
	private := {"owner": "jo", "private": true}
	count(forbidden_to("jo", "documents:read", private)) == 0
	count(forbidden_to("aud", "documents:read", private)) == 0
	forbidden_to("aud", "documents:update", private) == {"it is private to jo"}
	forbidden_to("eve", "documents:read", private) == {"it is private to jo"}
}
