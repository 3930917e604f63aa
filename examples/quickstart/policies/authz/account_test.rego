package authz.account_test

import data.authz.account

users := {
	"jo": {"tenant": "acme", "roles": ["editor"], "active": true},
	"sue": {"tenant": "acme", "roles": ["admin"], "active": false},
	"tim": {"tenant": "acme", "roles": ["editor"], "active": true, "until": "2026-03-01T00:00:00Z"},
}

forbidden_to(user, now) := reasons if {
	reasons := account.forbids with input as {"user": user, "now": now} with data.directory.users as users
}

test_active if count(forbidden_to("jo", "2026-03-01T12:00:00Z")) == 0

test_unknown if forbidden_to("eve", "2026-03-01T12:00:00Z") == {"eve is not a user"}

test_suspended if forbidden_to("sue", "2026-03-01T12:00:00Z") == {"sue is suspended"}

test_last_second_of_an_account if count(forbidden_to("tim", "2026-02-28T23:59:59Z")) == 0

test_account_has_ended if {
	forbidden_to("tim", "2026-03-01T00:00:00Z") == {"the account of tim ended 2026-03-01T00:00:00Z"}
}
