package sandbox

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	_ "crypto/sha1" // RFC 3161 knows it, and hostile tokens use it
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/asn1"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"
)

var (
	oidSignedData    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidTSTInfo       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4}
	oidContentType   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidSigningTime   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 5}
	oidESSCertV2     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}

	oidRSA     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	oidEd25519 = asn1.ObjectIdentifier{1, 3, 101, 112}

	hashOIDs = map[crypto.Hash]asn1.ObjectIdentifier{
		crypto.SHA1:   {1, 3, 14, 3, 2, 26},
		crypto.SHA224: {2, 16, 840, 1, 101, 3, 4, 2, 4},
		crypto.SHA256: {2, 16, 840, 1, 101, 3, 4, 2, 1},
		crypto.SHA384: {2, 16, 840, 1, 101, 3, 4, 2, 2},
		crypto.SHA512: {2, 16, 840, 1, 101, 3, 4, 2, 3},
	}
	ecdsaOIDs = map[crypto.Hash]asn1.ObjectIdentifier{
		crypto.SHA1:   {1, 2, 840, 10045, 4, 1},
		crypto.SHA224: {1, 2, 840, 10045, 4, 3, 1},
		crypto.SHA256: {1, 2, 840, 10045, 4, 3, 2},
		crypto.SHA384: {1, 2, 840, 10045, 4, 3, 3},
		crypto.SHA512: {1, 2, 840, 10045, 4, 3, 4},
	}
)

type builder = cryptobyte.Builder

func sequence(b *builder, f func(*builder)) { b.AddASN1(cryptobyte_asn1.SEQUENCE, f) }

func set(b *builder, f func(*builder)) { b.AddASN1(cryptobyte_asn1.SET, f) }

func tagged(b *builder, n uint8, f func(*builder)) {
	b.AddASN1(cryptobyte_asn1.Tag(n).ContextSpecific().Constructed(), f)
}

// response: TimeStampResp (RFC 3161, section 2.4.2).
func (t *TSA) response(o *TokenOptions) []byte {
	var b builder
	sequence(&b, func(b *builder) {
		sequence(b, func(b *builder) { b.AddASN1Int64(int64(o.Status)) })
		if !o.NoToken {
			sequence(b, func(b *builder) {
				b.AddASN1ObjectIdentifier(oidSignedData)
				tagged(b, 0, func(b *builder) { t.signedData(b, o) })
			})
		}
	})
	return b.BytesOrPanic()
}

// signedData: SignedData (RFC 5652, section 5.1).
func (t *TSA) signedData(b *builder, o *TokenOptions) {
	info := t.tstInfo(o)
	sequence(b, func(b *builder) {
		b.AddASN1Int64(3)
		set(b, func(b *builder) { addHash(b, o.SignerHash) })
		sequence(b, func(b *builder) {
			b.AddASN1ObjectIdentifier(oidTSTInfo)
			tagged(b, 0, func(b *builder) { b.AddASN1OctetString(info) })
		})
		if certs := t.bag(o); len(certs) > 0 {
			tagged(b, 0, func(b *builder) { b.AddBytes(slices.Concat(certs...)) })
		}
		set(b, func(b *builder) { t.signerInfo(b, o, info) })
	})
}

func (t *TSA) bag(o *TokenOptions) [][]byte {
	var certs [][]byte
	if !o.NoCertificates {
		certs = append(certs, t.Chain[0].Raw)
	}
	return append(certs, o.Certificates...)
}

// tstInfo: TSTInfo (RFC 3161, section 2.4.2).
func (t *TSA) tstInfo(o *TokenOptions) []byte {
	var b builder
	sequence(&b, func(b *builder) {
		b.AddASN1Int64(1)
		b.AddASN1ObjectIdentifier(o.Policy)
		sequence(b, func(b *builder) {
			addHash(b, o.Hash)
			b.AddASN1OctetString(o.Imprint)
		})
		b.AddASN1BigInt(o.Serial)
		b.AddASN1(cryptobyte_asn1.GeneralizedTime, func(b *builder) { b.AddBytes(generalizedTime(o.Time)) })
		addAccuracy(b, o.Accuracy)
		if o.Nonce != nil {
			b.AddASN1BigInt(o.Nonce)
		}
		tagged(b, 0, func(b *builder) {
			tagged(b, 4, func(b *builder) { b.AddBytes(t.Chain[0].RawSubject) })
		})
	})
	return b.BytesOrPanic()
}

// generalizedTime keeps fractions of a second, without trailing zeros.
func generalizedTime(t time.Time) []byte {
	text := t.UTC().Format("20060102150405.000000000")
	return []byte(strings.TrimRight(strings.TrimRight(text, "0"), ".") + "Z")
}

func addAccuracy(b *builder, d time.Duration) {
	if d == 0 {
		return
	}
	sequence(b, func(b *builder) {
		if s := int64(d / time.Second); s > 0 {
			b.AddASN1Int64(s)
		}
		if ms := int64(d % time.Second / time.Millisecond); ms > 0 {
			b.AddASN1Int64WithTag(ms, cryptobyte_asn1.Tag(0).ContextSpecific())
		}
	})
}

func addHash(b *builder, h crypto.Hash) {
	id, ok := hashOIDs[h]
	if !ok {
		panic(fmt.Sprintf("sandbox: a timestamp with hash %v", h))
	}
	sequence(b, func(b *builder) { b.AddASN1ObjectIdentifier(id) })
}

// signerInfo: SignerInfo (RFC 5652, section 5.3).
func (t *TSA) signerInfo(b *builder, o *TokenOptions, info []byte) {
	attributes := t.attributes(o, info)
	toSign := wrap(cryptobyte_asn1.SET, attributes)
	cert := t.Chain[0]
	sequence(b, func(b *builder) {
		b.AddASN1Int64(1)
		sequence(b, func(b *builder) {
			b.AddBytes(cert.RawIssuer)
			b.AddASN1BigInt(cert.SerialNumber)
		})
		addHash(b, o.SignerHash)
		tagged(b, 0, func(b *builder) { b.AddBytes(attributes) })
		addSignatureAlgorithm(b, o)
		b.AddASN1OctetString(signAttributes(o, toSign))
	})
}

func signAttributes(o *TokenOptions, toSign []byte) []byte {
	if _, ok := o.Key.Public().(ed25519.PublicKey); ok {
		return o.Key.Sign(toSign)
	}
	return o.Key.SignDigest(o.SignerHash, sum(o.SignerHash, toSign))
}

func addSignatureAlgorithm(b *builder, o *TokenOptions) {
	sequence(b, func(b *builder) {
		switch o.Key.Public().(type) {
		case *ecdsa.PublicKey:
			b.AddASN1ObjectIdentifier(ecdsaOIDs[o.SignerHash])
		case *rsa.PublicKey:
			b.AddASN1ObjectIdentifier(oidRSA)
			b.AddASN1NULL()
		default:
			b.AddASN1ObjectIdentifier(oidEd25519)
		}
	})
}

// attributes returns the signed attributes in DER order, without the SET.
func (t *TSA) attributes(o *TokenOptions, info []byte) []byte {
	all := [][]byte{
		attribute(oidContentType, marshalDER(oidTSTInfo)),
		attribute(oidSigningTime, marshalDER(o.SigningTime.UTC().Truncate(time.Second))),
		attribute(oidMessageDigest, tlv(asn1.TagOctetString, sum(o.SignerHash, info))),
	}
	if !o.NoESS {
		all = append(all, attribute(oidESSCertV2, t.essCertificate()))
	}
	slices.SortFunc(all, bytes.Compare)
	return slices.Concat(all...)
}

func attribute(id asn1.ObjectIdentifier, value []byte) []byte {
	var b builder
	sequence(&b, func(b *builder) {
		b.AddASN1ObjectIdentifier(id)
		set(b, func(b *builder) { b.AddBytes(value) })
	})
	return b.BytesOrPanic()
}

// essCertificate: SigningCertificateV2 (RFC 5035, section 3), with SHA-256,
// which is its default and so not named.
func (t *TSA) essCertificate() []byte {
	cert := t.Chain[0]
	var b builder
	sequence(&b, func(b *builder) {
		sequence(b, func(b *builder) {
			sequence(b, func(b *builder) {
				b.AddASN1OctetString(sum(crypto.SHA256, cert.Raw))
				sequence(b, func(b *builder) {
					sequence(b, func(b *builder) {
						tagged(b, 4, func(b *builder) { b.AddBytes(cert.RawIssuer) })
					})
					b.AddASN1BigInt(new(big.Int).Set(cert.SerialNumber))
				})
			})
		})
	})
	return b.BytesOrPanic()
}
