package authz_test

import data.authz

test_nothing_asked_nothing_allowed if {
	not authz.allow with input as {}
}

test_health if {
	authz.allow with input as {"method": "GET", "path": ["health"]}
	not authz.allow with input as {"method": "POST", "path": ["health"]}
}

test_reader if {
	reader := {"id": "rita", "roles": ["reader"]}
	authz.allow with input as {"method": "GET", "path": ["orders", "17"], "user": reader}
	not authz.allow with input as {"method": "DELETE", "path": ["orders", "17"], "user": reader}
}

test_writer if {
	writer := {"id": "will", "roles": ["writer"]}
	authz.allow with input as {"method": "PUT", "path": ["users", "will", "profile"], "user": writer}
	not authz.allow with input as {"method": "PUT", "path": ["users", "rita", "profile"], "user": writer}
}
