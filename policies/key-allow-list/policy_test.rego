package bundler_test

import data.bundler

listed := {"keys": {"ab": {"name": "release", "from": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z"}}}

good := {
	"signer": {"kind": "publicKey", "publicKey": {"spkiSha256": "ab"}},
	"times": {"evaluation": "2030-01-01T00:00:00Z", "signing": "2026-02-01T00:00:00Z"},
}

codes := {d.code | some d in bundler.deny}

test_accepts if {
	bundler.allow with input as good with data.params as listed
	codes == set() with input as good with data.params as listed
}

test_window if {
	codes == {"window"} with input as object.union(good, {"times": {"signing": "2027-02-01T00:00:00Z"}}) with data.params as listed
	codes == {"window"} with input as object.union(good, {"times": {"signing": "2025-02-01T00:00:00Z"}}) with data.params as listed
	codes == {"window"} with input as object.union(good, {"times": {"signing": null}}) with data.params as listed
}

test_another_key if {
	other := object.union(good, {"signer": {"publicKey": {"spkiSha256": "cd"}}})
	not bundler.allow with input as other with data.params as listed
	codes == {"key"} with input as other with data.params as listed
}

test_certificate if {
	other := object.union(good, {"signer": {"kind": "certificate", "publicKey": null}})
	not bundler.allow with input as other with data.params as listed
	codes == {"signer"} with input as other with data.params as listed
}

test_no_data if "params" in codes with input as good
