# METADATA
# title: Refunds
# description: Who may pay a customer back, and how much. Amounts are in cents.
package refunds

# METADATA
# entrypoint: true
default allow := false

allow if {
	input.amount > 0
	input.amount <= input.order.paid - input.order.refunded
	input.amount <= limit
	not input.agent.id == input.order.customer
}

limit := max([data.refunds.limits[role] | some role in input.agent.roles])
