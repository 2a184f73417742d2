package bundler_test

import data.bundler
import data.lib.slsa

listed := {"builders": {"https://ci.acme.example/builder": {"level": 3, "signer": "https://ci.acme.example/sign"}}}

good := {
	"params": {"level": "3", "source": "git+https://git.acme.example/app"},
	"signer": {"certificate": {"fulcio": null, "san": {"uri": ["https://ci.acme.example/sign"]}}},
	"statement": {"predicateType": slsa.v1, "predicate": {
		"buildDefinition": {"resolvedDependencies": [{"uri": "git+https://git.acme.example/app@refs/heads/main"}]},
		"runDetails": {"builder": {"id": "https://ci.acme.example/builder"}},
	}},
}

codes := {d.code | some d in bundler.deny}

test_accepts if {
	bundler.allow with input as good with data.params as listed
	codes == set() with input as good with data.params as listed
}

test_v02 if {
	old := object.union(object.remove(good, ["statement"]), {"statement": {"predicateType": slsa.v02, "predicate": {
		"builder": {"id": "https://ci.acme.example/builder"}, "materials": [{"uri": "git+https://git.acme.example/app"}],
	}}})
	bundler.allow with input as old with data.params as listed
	codes == set() with input as old with data.params as listed
}

test_level if {
	not bundler.allow with input as object.union(good, {"params": {"level": "4"}}) with data.params as listed
	codes == {"level"} with input as object.union(good, {"params": {"level": "4"}}) with data.params as listed
}

test_another_builder if {
	evil := object.union(good, {"statement": {"predicate": {"runDetails": {"builder": {"id": "https://evil.org"}}}}})
	not bundler.allow with input as evil with data.params as listed
	codes == {"builder"} with input as evil with data.params as listed
}

# Anybody can write provenance: who signs must be the builder.
test_another_signer if {
	evil := object.union(good, {"signer": {"certificate": {"san": {"uri": ["https://evil.org/sign"]}}}})
	not bundler.allow with input as evil with data.params as listed
	codes == {"signer"} with input as evil with data.params as listed
}

test_issuer if {
	issuer := {"builders": {"https://ci.acme.example/builder": {"issuer": "https://login.acme.example"}}}
	public := object.union(good, {"signer": {"certificate": {"fulcio": {"issuer": "https://login.acme.example"}}}})
	bundler.allow with input as public with data.params as object.union(listed, issuer)
	not bundler.allow with input as public with data.params as listed
	not bundler.allow with input as good with data.params as object.union(listed, issuer)
}

test_another_source if codes == {"source"} with input as object.union(good, {"params": {"source": "git+https://evil.org"}}) with data.params as listed

test_no_provenance if {
	codes == {"statement"} with input as object.union(good, {"statement": {"predicateType": "x"}, "params": {"source": ""}}) with data.params as listed
}

test_no_parameters if {
	not bundler.allow with input as object.remove(good, ["params"]) with data.params as listed
	"params" in codes with input as good
	codes == {"params"} with input as object.remove(good, ["params"]) with data.params as listed
}
