// Package pkcs11 answers: how does a key sign that can not leave its token?
//
// Through the token's PKCS#11 module, a shared library that runs in this
// process: an HSM's, a smart card's (opensc-pkcs11.so, also for PIV), or
// SoftHSM's. The URI of RFC 7512 says which module, token and key:
//
//	pkcs11:token=release;object=signing?module-path=/usr/lib/softhsm/libsofthsm2.so
//
// Exactly one key must fit. Keys are ECDSA P-256, P-384 and P-521, RSA (PKCS #1
// v1.5 and PSS) and, where the token has it, Ed25519.
//
// The PIN comes from a person, or from pin-source=file:PATH or fd:N. It is
// tried once: what is wrong is not tried again, since tokens count. It never
// enters an error.
//
// Source: PKCS #11 Cryptographic Token Interface Base Specification 2.40 and
// 3.0; RFC 7512. Modules are linked at run time by cgo; a build without cgo
// says that it can not.
package pkcs11

import "github.com/bundler-sign/bundler/pkg/sign/signer"

// Options says how tokens are opened; nil is its zero value.
type Options struct {
	// PIN is asked for the PIN of a token whose URI has no pin-source. Without
	// it such a token is an error.
	PIN signer.PasswordFunc
}
