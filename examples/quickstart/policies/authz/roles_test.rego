package authz.roles_test

import data.authz.roles

users := {
	"vic": {"tenant": "acme", "roles": ["viewer"], "active": true},
	"ann": {"tenant": "acme", "roles": ["admin"], "active": true},
	"aud": {"tenant": "acme", "roles": ["auditor"], "active": true},
	"nil": {"tenant": "acme", "roles": [], "active": true},
	"odd": {"tenant": "acme", "roles": ["wizard"], "active": true},
}

permitted_to(user, action) := reasons if {
	reasons := roles.permits with input as {"user": user, "action": action} with data.directory.users as users
}

test_own_role if permitted_to("vic", "documents:read") == {"role viewer permits documents:read"}

test_not_of_the_role if count(permitted_to("vic", "documents:update")) == 0

test_inherited if permitted_to("ann", "documents:update") == {"role editor permits documents:update"}

test_pattern_over_types if {
	every action in ["documents:read", "invoices:read", "settings:read"] {
		count(permitted_to("aud", action)) == 1
	}
	count(permitted_to("aud", "settings:update")) == 0
}

test_no_role_no_permission if count(permitted_to("nil", "documents:read")) == 0

test_unknown_role_permits_nothing if count(permitted_to("odd", "documents:read")) == 0

test_unknown_user_has_no_role if count(permitted_to("eve", "documents:read")) == 0

test_every_inherited_role_exists if {
	every role in data.directory.roles {
		every name in role.inherits {
			data.directory.roles[name]
		}
	}
}

test_every_role_of_a_user_exists if {
	every user in data.directory.users {
		every name in user.roles {
			data.directory.roles[name]
		}
	}
}
