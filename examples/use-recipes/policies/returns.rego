# METADATA
# title: Returns
# description: Who may take back what was sold.
package returns

# METADATA
# entrypoint: true
default allow := false

allow if {
	input.role == "clerk"
	input.days <= limit
	input.amount <= 200
}

allow if {
	input.role == "manager"
	input.days <= 2 * limit
}

limit := 30
