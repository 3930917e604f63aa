# METADATA
# title: Tenants
# description: >-
#   A user stays inside their own tenant, unless the other tenant has let them
#   in: as a partner, by a grant, or by opening a window for support.
package authz.tenants

import data.authz.grants
import data.authz.request
import data.authz.roles

forbids contains sprintf("%s is not a tenant", [input.resource.tenant]) if {
	input.resource.tenant
	not tenant
}

forbids contains "the resource names no tenant" if {
	input.resource
	not input.resource.tenant
}

forbids contains sprintf("%s of %s may not reach into %s", [input.user, request.user.tenant, input.resource.tenant]) if {
	tenant
	request.user.tenant != input.resource.tenant
	not invited
}

forbids contains sprintf("%s is read-only", [input.resource.tenant]) if {
	tenant.state == "read_only"
	not request.covered_by("*:read")
}

tenant := data.directory.tenants[input.resource.tenant]

invited if {
	some pattern in tenant.partners[request.user.tenant]
	request.covered_by(pattern)
}

invited if grants.live

invited if {
	"support" in roles.held
	request.now < time.parse_rfc3339_ns(tenant.support_until)
}
