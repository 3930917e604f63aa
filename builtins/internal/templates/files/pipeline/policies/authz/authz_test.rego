package authz_test

import data.authz

order := {"tenant": "acme", "owner": "olga", "amount": 40}

# request is what the user asks to do to an order of tenant acme that olga owns.
request(user, action) := {"user": user, "action": action, "resource": order}

clerk := {"id": "carl", "tenant": "acme", "roles": ["clerk"]}

customer := {"id": "olga", "tenant": "acme", "roles": []}

test_nothing_asked_nothing_allowed if {
	not authz.allow with input as {}
}

test_role_permits if {
	authz.allow with input as request(clerk, "orders:read")
	authz.reasons == {"role clerk permits orders:read"} with input as request(clerk, "orders:read")
}

test_role_without_the_permission if {
	not authz.allow with input as request(clerk, "orders:delete")
	authz.reasons == {"nothing permits it"} with input as request(clerk, "orders:delete")
}

test_unknown_role if {
	visitor := object.union(clerk, {"roles": ["visitor"]})
	not authz.allow with input as request(visitor, "orders:read")
}

test_owner if {
	authz.allow with input as request(customer, "orders:cancel")
	not authz.allow with input as request(customer, "orders:refund")
	not authz.allow with input as request(object.union(customer, {"id": "otto"}), "orders:cancel")
}

test_other_tenant if {
	stranger := object.union(clerk, {"tenant": "globex"})
	not authz.allow with input as request(stranger, "orders:read")
	authz.reasons == {"it belongs to another tenant"} with input as request(stranger, "orders:read")
}

test_no_tenant if {
	nobody := object.remove(clerk, ["tenant"])
	not authz.allow with input as request(nobody, "orders:read")
	"the request has no user.tenant" in authz.reasons with input as request(nobody, "orders:read")
}

test_empty_id_owns_nothing if {
	asked := {
		"user": {"id": "", "tenant": "acme", "roles": []},
		"action": "orders:read",
		"resource": {"tenant": "acme", "owner": ""},
	}
	not authz.allow with input as asked
}

test_refund_limit if {
	authz.allow with input as request(clerk, "orders:refund")
	every amount in [101, 0, -5, null, "40"] {
		asked := object.union(request(clerk, "orders:refund"), {"resource": {"amount": amount}})
		not authz.allow with input as asked
	}
	missing := object.remove(order, ["amount"])
	not authz.allow with input as {"user": clerk, "action": "orders:refund", "resource": missing}
}

test_highest_limit_counts if {
	lead := object.union(clerk, {"roles": ["clerk", "lead"]})
	asked := object.union(request(lead, "orders:refund"), {"resource": {"amount": 900}})
	authz.allow with input as asked
}
