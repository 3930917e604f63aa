# METADATA
# title: The decision
# description: >-
#   A request is allowed when at least one concern permits it and none forbids
#   it. Each concern is a package of its own that says what it permits or
#   forbids, and why, in words a person can read.
package authz

import data.authz.account
import data.authz.grants
import data.authz.ownership
import data.authz.request
import data.authz.roles
import data.authz.tenants

# METADATA
# title: May the user do this to the resource at this time?
# entrypoint: true
default allow := false

allow if {
	count(permitted) > 0
	count(forbidden) == 0
}

# METADATA
# title: Why, for the answer to the caller and for the log
# description: What forbids the request, else what permits it, else that nothing does.
# entrypoint: true
default reasons := {"nothing permits it"}

reasons := forbidden if {
	count(forbidden) > 0
} else := permitted if {
	count(permitted) > 0
}

permitted := roles.permits | (ownership.permits | grants.permits)

forbidden := ((request.forbids | account.forbids) | tenants.forbids) | ownership.forbids
