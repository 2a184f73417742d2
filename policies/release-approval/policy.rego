# A number of named people must have signed the same artifact. Who they are is
# in the data file: names of certificates, or fingerprints of keys.
#
#	{"approvers": {"alice": "alice@acme.example", "bob": "9f86d0…", "carol": "1b4f0e…"}}
package bundler.set

import data.lib.cert
import data.lib.params

default allow := false

# approved are the approvers who signed. The input has each signer once.
approved contains who if {
	some who, name in data.params.approvers
	some result in input.results
	signer(name) with input as result
}

# signer holds if input, one result, is signed by the one with that name. Under
# Fulcio a name needs who vouched for it: --policy-param issuer=….
signer(name) if input.signer.publicKey.spkiSha256 == name

signer(name) if {
	cert.names == {name}
	input.signer.certificate.fulcio == null
}

signer(name) if {
	cert.names == {name}
	input.signer.certificate.fulcio.issuer == issuer
}

issuer := params.text("issuer")

threshold := to_number(params.text("threshold"))

allow if {
	threshold >= 1
	count(approved) >= threshold
}

deny contains {"code": "params", "msg": "expected --policy-param threshold=…"} if count(params.missing({"threshold"})) > 0

deny contains {"code": "params", "msg": "expected --policy-data with the approvers"} if not data.params.approvers

deny contains {"code": "threshold", "msg": sprintf("%d of %d approved: %s", [count(approved), threshold, concat(", ", approved)])} if {
	count(approved) < threshold
}
