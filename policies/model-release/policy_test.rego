package bundler_test

import data.bundler

good := {
	"params": {"signer": "models@acme.example", "issuer": "https://login.acme.example"},
	"signer": {"publicKey": null, "certificate": {"fulcio": {"issuer": "https://login.acme.example"}, "san": {"email": ["models@acme.example"]}}},
	"statement": {"predicateType": "https://model_signing/signature/v1.0"},
	"model": {"ignored": [], "extra": []},
}

codes := {d.code | some d in bundler.deny}

test_accepts if {
	bundler.allow with input as good
	codes == set() with input as good
}

test_key if {
	key := object.union(good, {"params": {"signer": "ab"}, "signer": {"publicKey": {"spkiSha256": "ab"}, "certificate": null}})
	bundler.allow with input as key
	codes == set() with input as key
}

test_another_signer if {
	other := object.union(good, {"signer": {"certificate": {"san": {"email": ["mallory@acme.example"]}}}})
	not bundler.allow with input as other
	codes == {"signer"} with input as other
}

test_another_issuer if {
	codes == {"issuer"} with input as object.union(good, {"params": {"issuer": "https://evil.org"}})
	codes == {"issuer"} with input as object.union(object.remove(good, ["params"]), {"params": {"signer": "models@acme.example"}})
}

test_another_statement if codes == {"statement"} with input as object.union(good, {"statement": {"predicateType": "x"}})

test_files if {
	codes == {"files"} with input as object.union(good, {"model": {"ignored": ["x"]}})
	codes == {"files"} with input as object.union(good, {"model": {"extra": ["x"]}})
}

test_no_parameters if codes == {"params", "issuer"} with input as object.remove(good, ["params"])
