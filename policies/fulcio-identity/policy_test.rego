package bundler_test

import data.bundler

alice := {
	"params": {"issuer": "https://login.acme.example", "identity": "alice@acme.example"},
	"signer": {"certificate": {"fulcio": {"issuer": "https://login.acme.example"}, "san": {"email": ["alice@acme.example"]}}},
}

codes := {d.code | some d in bundler.deny}

test_accepts if {
	bundler.allow with input as alice
	codes == set() with input as alice
}

test_another_name if {
	other := object.union(alice, {"signer": {"certificate": {"san": {"email": ["alice@acme.example.evil.org"]}}}})
	not bundler.allow with input as other
	codes == {"signer"} with input as other
}

test_one_more_name if {
	other := object.union(alice, {"signer": {"certificate": {"san": {"uri": ["https://evil.org"]}}}})
	not bundler.allow with input as other
	codes == {"signer"} with input as other
}

test_another_issuer if {
	other := object.union(alice, {"signer": {"certificate": {"fulcio": {"issuer": "https://evil.org"}}}})
	not bundler.allow with input as other
	codes == {"issuer"} with input as other
}

test_no_certificate if not bundler.allow with input as object.union(alice, {"signer": {"certificate": null}})

test_no_parameters if {
	codes == {"params"} with input as object.remove(alice, ["params"])
}
