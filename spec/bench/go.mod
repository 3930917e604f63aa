module github.com/policyhost/policy/spec/bench

go 1.26.0
