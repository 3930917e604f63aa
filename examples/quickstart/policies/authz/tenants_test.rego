package authz.tenants_test

import data.authz.tenants

users := {
	"jo": {"tenant": "acme", "roles": ["viewer"], "active": true},
	"gus": {"tenant": "globex", "roles": ["admin"], "active": true},
	"sam": {"tenant": "platform", "roles": ["support"], "active": true},
	"pat": {"tenant": "platform", "roles": ["admin"], "active": true},
	"ann": {"tenant": "acme", "roles": ["admin"], "active": true},
	"lee": {"tenant": "globex", "roles": [], "active": true},
}

directory := {
	"acme": {
		"state": "active",
		"partners": {"globex": ["documents:read"]},
		"support_until": "2026-03-01T18:00:00Z",
	},
	"globex": {"state": "active", "partners": {}},
	"attic": {"state": "read_only", "partners": {"acme": ["documents:*"]}},
}

forbidden_to(user, action, resource) := reasons if {
	reasons := tenants.forbids with input as {
		"user": user,
		"action": action,
		"resource": resource,
		"now": "2026-03-01T12:00:00Z",
	}
		with data.directory.users as users
		with data.directory.tenants as directory
}

test_own_tenant if count(forbidden_to("jo", "documents:update", {"tenant": "acme"})) == 0

test_other_tenant if {
	forbidden_to("jo", "documents:read", {"tenant": "globex"}) == {"jo of acme may not reach into globex"}
}

test_partner_only_as_agreed if {
	count(forbidden_to("gus", "documents:read", {"tenant": "acme"})) == 0
	count(forbidden_to("gus", "documents:update", {"tenant": "acme"})) == 1
}

test_support_within_the_window if {
	count(forbidden_to("sam", "documents:read", {"tenant": "acme"})) == 0
	count(forbidden_to("sam", "documents:read", {"tenant": "globex"})) == 1
}

test_window_is_for_support_only if count(forbidden_to("pat", "documents:read", {"tenant": "acme"})) == 1

test_read_only_tenant if {
	count(forbidden_to("jo", "documents:read", {"tenant": "attic"})) == 0
	forbidden_to("jo", "documents:update", {"tenant": "attic"}) == {"attic is read-only"}
}

test_unknown_tenant if forbidden_to("jo", "documents:read", {"tenant": "nowhere"}) == {"nowhere is not a tenant"}

test_no_tenant if forbidden_to("jo", "documents:read", {"id": "d-1"}) == {"the resource names no tenant"}

test_guest_with_a_grant if {
	grant := {
		"id": "g-1",
		"actions": ["documents:update"],
		"resource": {"type": "documents", "id": "d-1", "tenant": "acme"},
		"by": "ann",
		"from": "2026-03-01T00:00:00Z",
		"until": "2026-03-02T00:00:00Z",
	}
	asked := {"type": "documents", "id": "d-1", "tenant": "acme"}
	reasons := forbidden_to("lee", "documents:update", asked) with data.directory.grants as {"lee": [grant]}
	count(reasons) == 0
	count(forbidden_to("lee", "documents:update", asked)) == 1
}
