package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/bundler-sign/bundler/pkg/sign"
	"github.com/bundler-sign/bundler/pkg/sign/oidc"
	"github.com/bundler-sign/bundler/pkg/sign/signer"
	"github.com/bundler-sign/bundler/pkg/trustroot"
	"github.com/bundler-sign/bundler/pkg/verify"
)

// An identity is who signs: a key, and what makes it somebody's.
type identity struct {
	key     signer.Signer
	by      *sign.Credential // nil until Fulcio has issued one
	keyless bool             // Fulcio certifies the key
	made    bool             // the key is made for this run

	hint   string             // of a managed key, "" for a fingerprint
	ring   *trustroot.Keyring // with the key that a bundle of others is by
	listed *trustroot.Key     // the managed key in the trust config's keyring

	ca    sign.CA
	token *oidc.Token
	now   func() time.Time
}

func (id *identity) close() {
	if c, ok := id.key.(io.Closer); ok {
		c.Close()
	}
}

// identity opens the signer, or gets ready to sign without a key of its own.
func (f *signFlags) identity(ctx context.Context) (*identity, error) {
	id := &identity{now: f.services.clockNow}
	if f.signer != "" {
		key, err := f.keys.open(ctx, f.signer, f.stderr)
		if err != nil {
			return nil, err
		}
		id.key = key
		if f.token == "" && !f.device {
			return id, f.held(id)
		}
	}
	return id, f.keyless(ctx, id)
}

// held completes the identity of a key that somebody holds.
func (f *signFlags) held(id *identity) error {
	err := f.heldBy(id)
	if err != nil {
		id.close()
	}
	return err
}

func (f *signFlags) heldBy(id *identity) error {
	if f.certificate != "" {
		data, err := readInput(f.certificate, sign.MaxCredential)
		if err != nil {
			return err
		}
		if id.by, err = sign.ParseCertificates(data); err == nil {
			err = id.by.CheckKey(id.key.Public())
		}
		if err != nil {
			return usagef("--certificate %s: %w", clean(f.certificate), err)
		}
		if f.services.trust == nil {
			warnf(f.stderr, "no trust config given: nobody has checked that verifiers will believe the certificate")
		}
		return nil
	}
	return f.managed(id)
}

// managed completes the identity of a key that verifiers know by itself.
func (f *signFlags) managed(id *identity) error {
	var err error
	if id.by, err = sign.NewKeyCredential(id.key.Public(), f.hint); err != nil {
		return usagef("%w", err)
	}
	if trust := f.services.trust; trust != nil && trust.Keyring != nil {
		id.listed, err = trust.Keyring.Find(id.by.Hint())
		if err != nil || id.by.CheckKey(id.listed.Public) != nil {
			return withHint(usagef("expected the signer's key in the keyring of %s under the hint %q, found none or another", clean(trust.Source), id.by.Hint()),
				"whoever verifies with this trust config would reject the bundle; bundler key import prints an entry for it")
		}
		return nil
	}
	id.hint = f.hint
	return nil
}

// ringFor returns a keyring of the managed key, by the algorithm that it signs
// by; nil for any other signer, and for a key of the trust config's own keyring.
func (id *identity) ringFor(alg trustroot.KeyDetails) (*trustroot.Keyring, error) {
	if id.ring != nil || id.key == nil || id.listed != nil {
		return id.ring, nil
	}
	key, err := trustroot.NewKey(id.key.Public(), alg, id.hint)
	if err != nil {
		return nil, err
	}
	return trustroot.NewKeyring([]*trustroot.Key{key})
}

// keyless completes the identity of whoever a token names.
func (f *signFlags) keyless(ctx context.Context, id *identity) error {
	id.keyless, id.made = true, id.key == nil
	s := &f.services
	switch {
	case s.trust == nil || s.trust.Root == nil || s.config == nil:
		return withHint(usagef("expected --signer, or --trust-config with a signing config that names a Fulcio"),
			"bundler sandbox is a Sigstore to try it with; your own is described in docs/private-sigstore.md")
	case len(s.tsas) == 0 && !f.promises():
		return usagef("expected a timestamp authority or a Rekor v1 for a certificate that lives for minutes, found none in use: nobody could verify the bundle afterwards")
	}
	ca, err := s.client.SelectCA(s.config, s.now)
	if err != nil {
		return usagef("%w", err)
	}
	id.ca = ca
	if id.token, err = f.identityToken(ctx); err != nil || !id.made {
		return err
	}
	return id.makeKey()
}

// promises reports whether a log will say when it integrated the entry.
func (f *signFlags) promises() bool {
	return slices.ContainsFunc(f.services.logs, isRekorV1)
}

// renewBefore is how long a certificate must still be valid to be used again.
const renewBefore = 2 * time.Minute

// credential returns the signer's public half, and has a certificate issued if
// there is none or the last one is about to end.
func (id *identity) credential(ctx context.Context) (*sign.Credential, error) {
	if !id.keyless || id.by != nil && id.now().Before(id.by.NotAfter().Add(-renewBefore)) {
		return id.by, nil
	}
	if err := id.token.CheckFresh(id.now()); err != nil {
		return nil, noVerdictf("%w", err)
	}
	if id.made && id.by != nil { // no key outlives its certificate
		if err := id.makeKey(); err != nil {
			return nil, err
		}
	}
	by, err := sign.Certify(ctx, id.ca, id.key, id.token.Secret())
	if err != nil {
		return nil, explainSigning(err)
	}
	id.by = by
	return by, nil
}

// makeKey makes a new key for a short life.
func (id *identity) makeKey() error {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	id.key, err = signer.FromKey(private)
	return err
}

// checkNames holds a new certificate to the email address it was asked for.
// Other tokens have names that are Fulcio's to choose.
func (id *identity) checkNames(rep *verify.Report) error {
	if id.token == nil || !id.token.Email {
		return nil
	}
	if names := rep.Signer.Names; names == nil || !slices.Contains(names.Texts(), id.token.Subject) {
		return fmt.Errorf("expected a certificate for %q, found one for somebody else", id.token.Subject)
	}
	return nil
}
