package gate_test

import data.gate

fit := {
	"stage": "prod",
	"version": "1.4.0",
	"image": {"revision": "4f2c", "size": 2048},
	"cases": {"judged": 6, "wrong": []},
	"tests": {"coverage": 100},
}

denied(changed) := reasons if {
	reasons := gate.deny with input as object.union(fit, changed)
}

test_fit_for_prod if count(denied({})) == 0

test_unknown_stage if denied({"stage": "moon"}) == {"there is no gate to moon"}

test_wrong_case if {
	denied({"cases": {"wrong": [{"name": "not twice", "decided": true}]}}) == {"case \"not twice\": decided true"}
}

test_too_few_cases if count(denied({"cases": {"judged": 4}})) == 1

test_revision if {
	denied({"image": {"revision": ""}}) == {"it does not say which revision it was built from"}
}

test_size if count(denied({"image": {"size": 2000000}})) == 1

test_coverage_is_for_prod if {
	count(denied({"tests": {"coverage": 50}})) == 1
	count(denied({"tests": {"coverage": 50}, "stage": "staging"})) == 0
}

test_prerelease_is_for_staging if {
	count(denied({"version": "1.4.0-rc.1"})) == 1
	count(denied({"version": "1.4.0-rc.1", "stage": "staging"})) == 0
}
