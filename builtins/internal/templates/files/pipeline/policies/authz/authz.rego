# METADATA
# title: May this user do this to this order?
# description: >-
#   A request names the `user` (`id`, `tenant`, `roles`), the `action`
#   ("orders:read") and the `resource` (`tenant`, `owner`, for a refund its
#   `amount`). It is allowed when something permits it and nothing forbids it;
#   what no rule speaks of is not allowed.
package authz

# METADATA
# title: The decision
# entrypoint: true
default allow := false

allow if {
	count(permits) > 0
	count(forbids) == 0
}

# METADATA
# title: Why, for the answer to the caller and for the log
# entrypoint: true
default reasons := {"nothing permits it"}

reasons := forbids if {
	count(forbids) > 0
} else := permits if {
	count(permits) > 0
}

permits contains sprintf("role %s permits %s", [role, input.action]) if {
	some role in input.user.roles
	input.action in data.roles[role].permits
}

permits contains "owners read and cancel their own orders" if {
	input.action in {"orders:read", "orders:cancel"}
	input.resource.owner == input.user.id
}

# A question with a gap in it gets no for an answer.
forbids contains sprintf("the request has no %s", [concat(".", field)]) if {
	some field in [["user", "id"], ["user", "tenant"], ["action"]]
	not is_name(object.get(input, field, ""))
}

forbids contains "it belongs to another tenant" if {
	not input.resource.tenant == input.user.tenant
}

forbids contains "the refund is more than the roles allow" if {
	input.action == "orders:refund"
	not refundable
}

refundable if {
	some role in input.user.roles
	input.resource.amount > 0
	input.resource.amount <= data.roles[role].refund_limit
}

is_name(value) if {
	is_string(value)
	value != ""
}
