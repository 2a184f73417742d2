# Who a Fulcio certificate names, and who vouched for the name.
package bundler

import data.lib.cert
import data.lib.params

default allow := false

allow if {
	input.signer.certificate.fulcio.issuer == params.text("issuer")
	count(cert.names) == 1
	some name in cert.names
	name in params.list("identity")
}

deny contains {"code": "params", "msg": sprintf("expected --policy-param %s=…", [name])} if {
	some name in params.missing({"issuer", "identity"})
}

deny contains {"code": "signer", "msg": sprintf("the signer is %s", [concat(", ", cert.names)])} if {
	some name in cert.names
	not name in params.list("identity")
}

deny contains {"code": "issuer", "msg": sprintf("the issuer is %s", [input.signer.certificate.fulcio.issuer])} if {
	input.signer.certificate.fulcio.issuer != params.text("issuer")
}
