# METADATA
# title: Ownership
# description: >-
#   Owners may do as they please with what they own, with two exceptions that
#   protect others: a document under legal hold stays as it is, and nobody
#   approves an invoice of their own.
package authz.ownership

import data.authz.grants
import data.authz.request
import data.authz.roles

permits contains sprintf("%s owns it", [input.user]) if {
	owns
	request.covered_by("documents:*")
}

permits contains sprintf("%s owns it", [input.user]) if {
	owns
	input.action in {"comments:read", "comments:update", "comments:delete", "invoices:read"}
}

forbids contains "it is under legal hold" if {
	input.resource.legal_hold
	input.action in {"documents:update", "documents:delete"}
}

forbids contains "nobody approves their own invoice" if {
	owns
	input.action == "invoices:approve"
}

forbids contains sprintf("it is private to %s", [input.resource.owner]) if {
	input.resource.private
	not owns
	not grants.live
	not reading_auditor
}

owns if input.resource.owner == input.user

reading_auditor if {
	"auditor" in roles.held
	request.covered_by("*:read")
}
