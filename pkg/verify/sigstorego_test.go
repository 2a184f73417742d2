package verify_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	sgbundle "github.com/sigstore/sigstore-go/pkg/bundle"
	sgroot "github.com/sigstore/sigstore-go/pkg/root"
	sgverify "github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/signature"
)

// sigstoreGo returns sigstore-go's verdict on v, with the same requirements.
func sigstoreGo(v *vector) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	verifier, policy, err := sigstoreGoVerifier(v)
	if err != nil {
		return err
	}
	var b sgbundle.Bundle
	if err := b.UnmarshalJSON(v.bundle); err != nil {
		return err
	}
	_, err = verifier.Verify(&b, policy)
	return err
}

// sigstoreGoVerifier returns a sigstore-go verifier for v's trust, and what v
// asks of it. sigstore-go reads trusted roots of the first media type only.
func sigstoreGoVerifier(v *vector) (*sgverify.Verifier, sgverify.PolicyBuilder, error) {
	var none sgverify.PolicyBuilder
	root, err := sgroot.NewTrustedRootFromJSON(bytes.Replace(v.trust, []byte("trustedroot.v0.2+json"), []byte("trustedroot+json;version=0.1"), 1))
	if err != nil {
		return nil, none, err
	}
	options := []sgverify.VerifierOption{sgverify.WithTransparencyLog(1), sgverify.WithObserverTimestamps(1)}
	policy := []sgverify.PolicyOption{}
	material := sgroot.TrustedMaterialCollection{root}
	if v.key != nil {
		key, err := keyMaterial(v.key)
		if err != nil {
			return nil, none, err
		}
		material = append(material, key)
		policy = append(policy, sgverify.WithKey())
	} else {
		options = append(options, sgverify.WithSignedCertificateTimestamps(1))
		id, err := sgverify.NewShortCertificateIdentity(v.issuer, "", v.identity, "")
		if err != nil {
			return nil, none, err
		}
		policy = append(policy, sgverify.WithCertificateIdentity(id))
	}
	verifier, err := sgverify.NewVerifier(material, options...)
	return verifier, sgverify.NewPolicy(sgverify.WithArtifactDigest(v.digest.Algorithm().String(), v.digest.Bytes()), policy...), err
}

func keyMaterial(text []byte) (sgroot.TrustedMaterial, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("no PEM")
	}
	pub, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	verifier, err := signature.LoadVerifier(pub, crypto.SHA256)
	if err != nil {
		return nil, err
	}
	return sgroot.NewTrustedPublicKeyMaterial(func(string) (sgroot.TimeConstrainedVerifier, error) {
		return sgroot.NewExpiringKey(verifier, time.Time{}, time.Time{}), nil
	}), nil
}
