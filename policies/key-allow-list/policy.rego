# Keys by fingerprint, each with a window of its own.
#
#	{"keys": {"9f86d0…": {"name": "release 2026", "from": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z"}}}
package bundler

default allow := false

# fingerprint is the SHA-256 of the key's SubjectPublicKeyInfo, in hex.
fingerprint := input.signer.publicKey.spkiSha256

key := data.params.keys[fingerprint]

# signed is when: as proved, else when it is verified.
signed := time.parse_rfc3339_ns(input.times.evaluation) if input.times.signing == null

signed := time.parse_rfc3339_ns(input.times.signing) if input.times.signing != null

allow if {
	signed >= time.parse_rfc3339_ns(key.from)
	signed <= time.parse_rfc3339_ns(key.until)
}

deny contains {"code": "params", "msg": "expected --policy-data with the keys"} if not data.params.keys

deny contains {"code": "signer", "msg": "expected a key, found a certificate"} if input.signer.kind != "publicKey"

deny contains {"code": "key", "msg": sprintf("the key %s is not listed", [fingerprint])} if not key

deny contains {"code": "window", "msg": sprintf("%s was used outside its window", [key.name])} if not allow
