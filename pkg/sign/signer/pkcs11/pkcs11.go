//go:build cgo

package pkcs11

import (
	"context"
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"sync"

	"github.com/miekg/pkcs11"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
	"github.com/bundler-sign/bundler/pkg/sign/signer"
)

const ckmEdDSA = 0x1057 // CKM_EDDSA of PKCS #11 3.0

// Open returns the signer for the key that a PKCS#11 URI names. It logs in to
// the token if the token asks for that. It is an io.Closer; until the last
// signer of a module is closed, the module stays loaded. Calls into a module
// can not be interrupted: ctx counts between them.
func Open(ctx context.Context, text string, opts *Options) (signer.Signer, error) {
	if opts == nil {
		opts = &Options{}
	}
	u, err := parseURI(text)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s, err := connect(u)
	if err != nil {
		return nil, err
	}
	t, err := newToken(ctx, s, u, opts)
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	v, err := signer.Verified(t)
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return v, nil
}

func newToken(ctx context.Context, s *session, u *uri, opts *Options) (*token, error) {
	if err := s.login(ctx, u, opts.PIN); err != nil {
		return nil, err
	}
	key, err := s.privateKey(u)
	if err != nil {
		return nil, err
	}
	pub, err := s.publicKey(key)
	if err != nil {
		return nil, fmt.Errorf("token %q: %w", s.token.Label, err)
	}
	t := &token{session: s, uri: u, ask: opts.PIN, key: key, public: pub}
	always, err := s.attribute(key.handle, pkcs11.CKA_ALWAYS_AUTHENTICATE)
	t.always = err == nil && len(always) == 1 && always[0] != 0
	return t, nil
}

// token is a signer with one key and one session of its own.
type token struct {
	uri    *uri
	ask    signer.PasswordFunc
	key    keyObject
	public crypto.PublicKey
	always bool // the key asks for the PIN before each signature, as PIV's 9C does

	mu      sync.Mutex // a session does one thing at a time
	session *session   // nil once closed
}

func (t *token) Public() crypto.PublicKey { return t.public }

func (t *token) Sign(ctx context.Context, alg signer.KeyDetails, input []byte) ([]byte, error) {
	mechanism, input, err := prepare(alg, input)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.session == nil {
		return nil, errors.New("the PKCS#11 session is closed")
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	sig, err := t.sign(ctx, mechanism, input)
	if err != nil {
		return nil, err
	}
	if isECDSA(alg) {
		return toDER(sig)
	}
	return sig, nil
}

func (t *token) sign(ctx context.Context, mechanism *pkcs11.Mechanism, input []byte) ([]byte, error) {
	s := t.session
	// The PIN is asked for before the operation begins, which a person who
	// gives up would leave open.
	var pin []byte
	if t.always {
		var err error
		if pin, err = s.pin(ctx, t.uri, t.ask); err != nil {
			return nil, err
		}
		defer clear(pin)
	}
	if err := s.module.ctx.SignInit(s.handle, []*pkcs11.Mechanism{mechanism}, t.key.handle); err != nil {
		return nil, fmt.Errorf("token %q: %w", s.token.Label, err)
	}
	if t.always {
		if err := s.module.ctx.Login(s.handle, pkcs11.CKU_CONTEXT_SPECIFIC, string(pin)); err != nil {
			s.module.ctx.SignFinal(s.handle) // ends the operation
			return nil, s.explainLogin(err)
		}
	}
	sig, err := s.module.ctx.Sign(s.handle, input)
	if err != nil {
		return nil, fmt.Errorf("token %q: %w", s.token.Label, err)
	}
	return sig, nil
}

// Close ends the session, the login and the module's use by this signer. It may
// be called again.
func (t *token) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.session == nil {
		return nil
	}
	err := t.session.close()
	t.session = nil
	return err
}

// prepare returns the mechanism for alg, and what it signs for input.
func prepare(alg signer.KeyDetails, input []byte) (*pkcs11.Mechanism, []byte, error) {
	switch alg {
	case keyspec.ECDSAP256SHA256, keyspec.ECDSAP384SHA384, keyspec.ECDSAP521SHA512:
		return pkcs11.NewMechanism(pkcs11.CKM_ECDSA, nil), input, nil
	case keyspec.RSA2048SHA256, keyspec.RSA3072SHA256, keyspec.RSA4096SHA256:
		info, err := digestInfo(input)
		return pkcs11.NewMechanism(pkcs11.CKM_RSA_PKCS, nil), info, err
	case keyspec.RSAPSS2048SHA256, keyspec.RSAPSS3072SHA256, keyspec.RSAPSS4096SHA256:
		salt := uint(signer.Options(alg).(*rsa.PSSOptions).Hash.Size())
		params := pkcs11.NewPSSParams(pkcs11.CKM_SHA256, pkcs11.CKG_MGF1_SHA256, salt)
		return pkcs11.NewMechanism(pkcs11.CKM_RSA_PKCS_PSS, params), input, nil
	case keyspec.Ed25519:
		return pkcs11.NewMechanism(ckmEdDSA, nil), input, nil
	}
	return nil, nil, fmt.Errorf("expected an algorithm that PKCS#11 tokens sign by (ECDSA, RSA, Ed25519), found %v", alg)
}

func isECDSA(alg signer.KeyDetails) bool {
	return alg == keyspec.ECDSAP256SHA256 || alg == keyspec.ECDSAP384SHA384 || alg == keyspec.ECDSAP521SHA512
}

// digestInfo wraps a SHA-256 digest as PKCS #1 v1.5 signs it (RFC 8017 section
// 9.2), which CKM_RSA_PKCS leaves to its caller.
func digestInfo(digest []byte) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier([]int{2, 16, 840, 1, 101, 3, 4, 2, 1})
			b.AddASN1NULL()
		})
		b.AddASN1OctetString(digest)
	})
	return b.Bytes()
}

// toDER turns r‖s, as tokens return it, into ASN.1.
func toDER(sig []byte) ([]byte, error) {
	if len(sig) == 0 || len(sig)%2 != 0 {
		return nil, fmt.Errorf("expected an ECDSA signature of two numbers of one size from the token, found %d bytes", len(sig))
	}
	half := len(sig) / 2
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1BigInt(new(big.Int).SetBytes(sig[:half]))
		b.AddASN1BigInt(new(big.Int).SetBytes(sig[half:]))
	})
	return b.Bytes()
}
