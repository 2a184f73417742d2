# A model: an OpenSSF Model Signing statement by a signer who may release it.
# The signature covers every file, so that none can be added or left out.
package bundler

import data.lib.cert
import data.lib.params

default allow := false

model := "https://model_signing/signature/v1.0"

allow if {
	input.statement.predicateType == model
	signer in params.list("signer")
}

# signer is the only name of the certificate, or the key's fingerprint.
signer := name if {
	count(cert.names) == 1
	some name in cert.names
}

signer := input.signer.publicKey.spkiSha256

deny contains {"code": "params", "msg": sprintf("expected --policy-param %s=…", [name])} if {
	some name in params.missing({"signer"})
}

deny contains {"code": "statement", "msg": "expected a signed model"} if not input.statement.predicateType == model

deny contains {"code": "signer", "msg": sprintf("%s may not release models", [signer])} if not signer in params.list("signer")

deny contains {"code": "issuer", "msg": "expected --policy-param issuer=…, which vouched for the name"} if {
	input.signer.certificate.fulcio.issuer != issuer
}

default issuer := ""

issuer := params.text("issuer")

deny contains {"code": "files", "msg": "files of the model are not under the signature"} if count(input.model.ignored) > 0

deny contains {"code": "files", "msg": "the directory has more files than the model"} if count(input.model.extra) > 0
