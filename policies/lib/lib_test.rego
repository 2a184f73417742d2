package lib_test

import data.lib.cert
import data.lib.params
import data.lib.slsa
import data.lib.statement
import data.lib.text

san(kind, names) := {"signer": {"certificate": {"san": {kind: names}}}}

test_full_match if {
	text.full_match(`[a-z]+@acme\.example`, "alice@acme.example")
	not text.full_match(`[a-z]+@acme\.example`, "alice@acme.example.evil.org")
	not text.full_match(`[a-z]+@acme\.example`, "<alice@acme.example")
	not text.full_match(`a)|(?:.*`, "mallory")
}

test_params if {
	params.text("a") == "1" with input.params as {"a": "1"} with data.params as {"a": "2"}
	params.text("a") == "2" with input.params as {} with data.params as {"a": "2"}
	params.list("a") == ["1"] with input.params as {"a": "1"}
	params.list("a") == ["2"] with input.params as {} with data.params as {"a": "2"}
	params.list("a") == ["2", "3"] with input.params as {} with data.params as {"a": ["2", "3"]}
	params.missing({"a", "b", "c", "d", "e"}) == {"b", "c", "d", "e"} with input.params as {"a": "1", "b": ""} with data.params as {"c": [], "d": ["x", ""]}
}

test_names if {
	cert.names == {"d", "e", "u", "i", "n", "r", "o"} with input.signer.certificate.san as {
		"dns": ["d"], "email": ["e"], "uri": ["u"], "ip": ["i"], "dirName": ["n"], "registeredID": ["r"],
		"otherName": [{"value": "o"}, {"value": null}],
	}
}

test_dn_matches if {
	cert.dn_matches({"O": "Acme", "OU": ["Build"]}) with input.signer.certificate.subject as {"O": ["Acme"], "OU": ["Build", "Release"]}
	not cert.dn_matches({"O": "Acme", "OU": ["Audit"]}) with input.signer.certificate.subject as {"O": ["Acme"], "OU": ["Build", "Release"]}
	not cert.dn_matches({}) with input.signer.certificate.subject as {"O": ["Acme"]}
	not cert.dn_matches({"O": []}) with input.signer.certificate.subject as {"O": ["Acme"]}
	not cert.dn_matches({"O": "Acme"}) with input.signer.certificate.subject as {"O": []}
}

test_dns if {
	cert.dns("*.acme.example") with input as san("dns", ["a.acme.example", "B.ACME.example"])
	not cert.dns("*.acme.example") with input as san("dns", ["a.acme.example", "evil.org"])
	not cert.dns("*.acme.example") with input as san("dns", ["a.b.acme.example"])
	not cert.dns("*.acme.example") with input as san("dns", [])
}

test_spiffe_under if {
	id := {"trustDomain": "acme.example", "path": "/ci/build"}
	cert.spiffe_under("acme.example", "/ci") with input as san("spiffe", id)
	cert.spiffe_under("acme.example", "/ci/build") with input as san("spiffe", id)
	cert.spiffe_under("acme.example", "") with input as san("spiffe", id)
	not cert.spiffe_under("acme.example", "/c") with input as san("spiffe", id)
	not cert.spiffe_under("acme.exampl", "/ci") with input as san("spiffe", id)
	not cert.spiffe_under("acme.example", "/ci") with input as san("spiffe", null)
}

test_eku_and_policy if {
	cert.eku("1.2.3") with input.signer.certificate.extKeyUsage.oids as ["1.2.3"]
	not cert.eku("1.2.4") with input.signer.certificate.extKeyUsage.oids as ["1.2.3"]
	cert.policy("1.2.3") with input.signer.certificate.policies as ["1.2.3"]
	not cert.policy("1.2.4") with input.signer.certificate.policies as ["1.2.3"]
}

test_subject_has if {
	statement.subject_has("sha256", "ab") with input.statement.subject as [{"digest": {"sha256": "ab"}}]
	not statement.subject_has("sha256", "cd") with input.statement.subject as [{"digest": {"sha256": "ab"}}]
	not statement.subject_has("sha512", "ab") with input.statement.subject as [{"digest": {"sha256": "ab"}}]
}

test_slsa if {
	slsa.builder("b") with input.statement as {"predicateType": slsa.v1, "predicate": {"runDetails": {"builder": {"id": "b"}}}}
	slsa.builder("b") with input.statement as {"predicateType": slsa.v02, "predicate": {"builder": {"id": "b"}}}
	not slsa.builder("b") with input.statement as {"predicateType": "other", "predicate": {"builder": {"id": "b"}}}
	slsa.build_type == "t" with input.statement as {"predicateType": slsa.v1, "predicate": {"buildDefinition": {"buildType": "t"}}}
	slsa.build_type == "t" with input.statement as {"predicateType": slsa.v02, "predicate": {"buildType": "t"}}
}
