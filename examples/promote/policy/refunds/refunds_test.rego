package refunds_test

import data.refunds

request(amount, roles) := {
	"amount": amount,
	"agent": {"id": "jo", "roles": roles},
	"order": {"customer": "c-1", "paid": 60000, "refunded": 0},
}

test_up_to_the_limit if {
	refunds.allow with input as request(5000, ["agent"])
	not refunds.allow with input as request(5001, ["agent"])
}

test_highest_role_counts if refunds.allow with input as request(40000, ["agent", "lead"])

test_no_role if not refunds.allow with input as request(1, [])

test_not_more_than_was_paid if not refunds.allow with input as request(60001, ["finance"])

test_nothing_is_no_refund if not refunds.allow with input as request(0, ["finance"])

test_not_to_oneself if {
	own := object.union(request(100, ["lead"]), {"agent": {"id": "c-1"}})
	not refunds.allow with input as own
}
