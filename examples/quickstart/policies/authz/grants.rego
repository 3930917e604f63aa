# METADATA
# title: Grants
# description: >-
#   A grant lets one user do something to one resource for a while, across the
#   border of a tenant too. It is live from `from` until just before `until`,
#   and only as long as the person who gave it could give it again.
package authz.grants

import data.authz.request

permits contains sprintf("grant %s permits %s until %s", [grant.id, input.action, grant.until]) if some grant in live_grants

# METADATA
# title: Whether a grant permits what is asked
live if count(live_grants) > 0

live_grants contains grant if {
	some grant in data.directory.grants[input.user]
	grant.resource.type == input.resource.type
	grant.resource.id == input.resource.id
	grant.resource.tenant == input.resource.tenant

	some pattern in grant.actions
	request.covered_by(pattern)

	time.parse_rfc3339_ns(grant.from) <= request.now
	request.now < time.parse_rfc3339_ns(grant.until)

	may_give(data.directory.users[grant.by], grant.resource.tenant)
}

may_give(giver, tenant) if {
	giver.active
	giver.tenant == tenant
	some role in giver.roles
	role in {"manager", "admin"}
}
