package bundler_test

import data.bundler

build := {
	"params": {"trust-domain": "acme.example", "path": "/ci"},
	"signer": {"certificate": {"san": {
		"uri": ["spiffe://acme.example/ci/build"],
		"spiffe": {"id": "spiffe://acme.example/ci/build", "trustDomain": "acme.example", "path": "/ci/build"},
	}}},
}

codes := {d.code | some d in bundler.deny}

test_accepts if {
	bundler.allow with input as build
	bundler.allow with input as object.union(object.remove(build, ["params"]), {"params": {"trust-domain": "acme.example"}})
	codes == set() with input as build
}

test_another_path if {
	not bundler.allow with input as object.union(build, {"params": {"path": "/c"}})
	codes == {"spiffe"} with input as object.union(build, {"params": {"path": "/c"}})
	codes == {"path", "spiffe"} with input as object.union(build, {"params": {"path": "ci"}})
}

test_another_domain if not bundler.allow with input as object.union(build, {"params": {"trust-domain": "evil.org"}})

test_one_more_name if not bundler.allow with input as object.union(build, {"signer": {"certificate": {"san": {"dns": ["evil.org"]}}}})

test_no_parameters if {
	codes == {"params"} with input as object.remove(build, ["params"])
	not bundler.allow with input as object.remove(build, ["params"])
}
