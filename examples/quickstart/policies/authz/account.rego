# METADATA
# title: Accounts
# description: Unknown, suspended and expired accounts may do nothing, whatever their roles say.
package authz.account

import data.authz.request

forbids contains sprintf("%s is not a user", [input.user]) if {
	input.user
	not request.user
}

forbids contains sprintf("%s is suspended", [input.user]) if {
	request.user
	not request.user.active
}

forbids contains sprintf("the account of %s ended %s", [input.user, request.user.until]) if {
	time.parse_rfc3339_ns(request.user.until) <= request.now
}
