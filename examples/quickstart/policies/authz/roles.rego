# METADATA
# title: Roles
# description: >-
#   What a user may do by their roles. A role permits action patterns and
#   inherits from others: an admin is a manager, an editor and a viewer too.
package authz.roles

import data.authz.request

permits contains sprintf("role %s permits %s", [role, input.action]) if {
	some role in held
	some pattern in data.directory.roles[role].permits
	request.covered_by(pattern)
}

# METADATA
# title: The roles a user holds, inherited ones included
held := graph.reachable(inheritance, request.user.roles)

inheritance[name] := role.inherits if some name, role in data.directory.roles
