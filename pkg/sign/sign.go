// Package sign answers one question: how does a signature become a bundle?
//
// A Request says what is to be signed, and how. The key's holder signs it with
// whatever they have: openssl, an HSM, a KMS, another team's tool, on another
// machine. Assemble makes the bundle from the request, the signature and the
// signer's certificate or public key. No private key passes through here.
//
//	{
//	  "mediaType": "application/vnd.bundler.signingrequest.v1+json",
//	  "name": "app.tar",                          names the bundle, is not signed
//	  "algorithm": "PKIX_ECDSA_P256_SHA_256",     as protobuf-specs names it
//	  "messageSignature": {                       or dsse: exactly one
//	    "size": "10240",                          bytes, if known; is not signed
//	    "digests": ["sha256:…"]                   of the artifact
//	  },
//	  "dsse": {
//	    "payloadType": "application/vnd.in-toto+json",
//	    "payload": "…"                            the statement, base64
//	  },
//	  "toSign": "…",                              the bytes to sign, base64
//	  "digest": "sha256:…"                        of the bytes to sign
//	}
//
// The bytes to sign are, for dsse, the payload's PAE; for messageSignature the
// artifact itself. Which of them a key's holder needs depends on the key:
//
//   - A tool that hashes (openssl dgst, most KMS by file) needs the bytes: the
//     artifact's file, or toSign for dsse.
//   - A key that signs digests (most HSMs, PIV, PKCS#11's CKM_ECDSA) needs
//     digest. Every algorithm that hashes first has it.
//   - Ed25519 and ML-DSA do not hash first. The request then has toSign also
//     for an artifact, of at most MaxMessage bytes, and no digest.
//
// Whether anybody should believe the bundle is not answered here: package
// verify does that.
package sign

import "github.com/bundler-sign/bundler/pkg/internal/atomicfile"

// WriteFile writes data, which everyone may read, to path: whole or not at
// all, and never over one of inputs, the files that it was made from.
func WriteFile(path string, data []byte, inputs ...string) error {
	return atomicfile.Write(path, data, 0o644, inputs...)
}
