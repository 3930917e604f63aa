package authz.grants_test

import data.authz.grants

users := {
	"mia": {"tenant": "acme", "roles": ["manager"], "active": true},
	"sue": {"tenant": "acme", "roles": ["manager"], "active": false},
	"eli": {"tenant": "acme", "roles": ["editor"], "active": true},
	"gus": {"tenant": "globex", "roles": ["manager"], "active": true},
}

grant := {
	"id": "g-1",
	"actions": ["documents:update"],
	"resource": {"type": "documents", "id": "d-1", "tenant": "acme"},
	"by": "mia",
	"from": "2026-03-01T08:00:00Z",
	"until": "2026-03-01T20:00:00Z",
}

live(changed, asked) if {
	request := object.union(
		{"user": "jo", "action": "documents:update", "resource": grant.resource, "now": "2026-03-01T12:00:00Z"},
		asked,
	)
	given := {"jo": [object.union(grant, changed)]}
	grants.live with input as request with data.directory.grants as given with data.directory.users as users
}

test_within_its_time if live({}, {})

test_borders_of_its_time if {
	not live({}, {"now": "2026-03-01T07:59:59Z"})
	live({}, {"now": "2026-03-01T08:00:00Z"})
	live({}, {"now": "2026-03-01T19:59:59Z"})
	not live({}, {"now": "2026-03-01T20:00:00Z"})
}

test_time_zones_are_understood if {
	live({}, {"now": "2026-03-01T21:30:00+02:00"})
	not live({}, {"now": "2026-03-01T12:00:00-09:00"})
}

test_without_a_time_nothing_is_live if not live({}, {"now": "whenever"})

test_other_action if not live({}, {"action": "documents:delete"})

test_other_resource if {
	not live({}, {"resource": {"id": "d-2"}})
	not live({}, {"resource": {"tenant": "globex"}})
	not live({}, {"resource": {"type": "invoices"}})
}

test_other_user if not live({}, {"user": "eli"})

test_action_patterns if live({"actions": ["invoices:read", "documents:*"]}, {})

test_giver_must_still_be_able_to_give if {
	not live({"by": "sue"}, {})
	not live({"by": "eli"}, {})
	not live({"by": "gus"}, {})
	not live({"by": "nobody"}, {})
}

test_reason_names_grant_and_end if {
	grants.permits == {"grant g-1 permits documents:update until 2026-03-01T20:00:00Z"} with input as {
		"user": "jo",
		"action": "documents:update",
		"resource": grant.resource,
		"now": "2026-03-01T12:00:00Z",
	}
		with data.directory.grants as {"jo": [grant]}
		with data.directory.users as users
}
