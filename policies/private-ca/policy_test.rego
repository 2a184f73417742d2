package bundler_test

import data.bundler

build := {
	"params": {"organization": "Acme", "unit": "Build", "dns": "*.build.acme.example", "eku": "1.2.3", "policy": "1.2.4"},
	"signer": {"kind": "certificate", "certificate": {
		"subject": {"raw": "CN=b7,OU=Build,O=Acme", "O": ["Acme"], "OU": ["Build"]},
		"san": {"dns": ["b7.build.acme.example"]}, "extKeyUsage": {"oids": ["1.2.3"]}, "policies": ["1.2.4"],
	}},
}

codes := {d.code | some d in bundler.deny}

with_certificate(part) := object.union(build, {"signer": {"certificate": part}})

test_accepts if {
	bundler.allow with input as build
	codes == set() with input as build
}

test_asks_only_for_parameters if {
	few := object.union(object.remove(build, ["params"]), {"params": {"organization": "Acme", "unit": "Build"}})
	codes == set() with input as few
	bundler.allow with input as few
}

test_another_unit if {
	not bundler.allow with input as with_certificate({"subject": {"OU": ["Audit"]}})
	codes == {"subject"} with input as with_certificate({"subject": {"OU": ["Audit"]}})
}

test_names_and_usages if {
	codes == {"dns"} with input as with_certificate({"san": {"dns": ["b7.build.acme.example", "evil.org"]}})
	codes == {"eku"} with input as with_certificate({"extKeyUsage": {"oids": []}})
	codes == {"policy"} with input as with_certificate({"policies": []})
}

test_no_parameters if {
	not bundler.allow with input as object.remove(build, ["params"])
	codes == {"params"} with input as object.remove(build, ["params"])
}

test_a_key if not bundler.allow with input as object.union(build, {"signer": {"kind": "publicKey", "certificate": null}})
