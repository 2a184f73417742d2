# Certificates of your own CA: organisation and unit, DNS names, extended key
# usage and certificate policy. What is not a parameter is not asked for.
package bundler

import data.lib.cert
import data.lib.params

default allow := false

allow if {
	input.signer.kind == "certificate"
	cert.dn_matches({"O": params.text("organization"), "OU": params.list("unit")})
}

deny contains {"code": "params", "msg": sprintf("expected --policy-param %s=…", [name])} if {
	some name in params.missing({"organization", "unit"})
}

deny contains {"code": "subject", "msg": sprintf("the subject is %s", [input.signer.certificate.subject.raw])} if {
	not cert.dn_matches({"O": params.text("organization"), "OU": params.list("unit")})
}

deny contains {"code": "dns", "msg": sprintf("the DNS names are %v", [input.signer.certificate.san.dns])} if {
	not cert.dns(params.text("dns"))
	params.given("dns")
}

deny contains {"code": "eku", "msg": sprintf("the extended key usages are %v", [input.signer.certificate.extKeyUsage.oids])} if {
	not cert.eku(params.text("eku"))
	params.given("eku")
}

deny contains {"code": "policy", "msg": sprintf("the certificate policies are %v", [input.signer.certificate.policies])} if {
	not cert.policy(params.text("policy"))
	params.given("policy")
}
