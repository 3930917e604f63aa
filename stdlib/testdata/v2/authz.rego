package authz

# Without a default, which the two versions could not both have when all tests are run.
allow if input.user == "ada"

else if input.action == "list"

else := false
