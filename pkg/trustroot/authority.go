package trustroot

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/mldsa"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"slices"

	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
)

// A role says what the certificates of a chain must be good for.
type role int

const (
	caRole  role = iota // all of them issue certificates
	tsaRole             // the first may sign timestamps itself
)

// NewCA returns a certificate authority with that chain, each certificate
// issued by the next, the anchor last. The caller may set URI and Operator.
func NewCA(chain []*x509.Certificate, valid Validity) (*Authority, error) {
	return newAuthority(chain, valid, caRole)
}

// NewTSA returns a timestamp authority; the first certificate of its chain may
// be the one that signs the timestamps. The caller may set URI and Operator.
func NewTSA(chain []*x509.Certificate, valid Validity) (*Authority, error) {
	return newAuthority(chain, valid, tsaRole)
}

func newAuthority(chain []*x509.Certificate, valid Validity, r role) (*Authority, error) {
	if valid.Start.IsZero() {
		return nil, fmt.Errorf("expected the time from which the authority is trusted, found none")
	}
	if n := len(chain); n == 0 || n > maxChain {
		return nil, fmt.Errorf("expected 1 to %d certificates, found %d", maxChain, n)
	}
	l := &loader{}
	for i, cert := range chain {
		if err := l.checkLink(chain, i, cert, r); err != nil {
			return nil, fmt.Errorf("certificate %q: %w", cert.Subject, err)
		}
	}
	return &Authority{Chain: slices.Clone(chain), ValidFor: valid, Window: window(chain, valid)}, nil
}

func (l *loader) authorities(wires []wireAuthority, path string, r role) ([]*Authority, error) {
	if err := checkCount(len(wires), path); err != nil {
		return nil, err
	}
	var list []*Authority
	for i := range wires {
		p := fmt.Sprintf("%s/%d", path, i)
		a, err := l.authority(&wires[i], p, r)
		if err != nil {
			return nil, err
		}
		for _, other := range list {
			// Counted apart, one authority would meet a threshold of two.
			if bytes.Equal(other.Chain[0].RawSubjectPublicKeyInfo, a.Chain[0].RawSubjectPublicKeyInfo) && other.Operator != a.Operator {
				return nil, fail(p+"/operator", "expected one operator for one key, found operators %q and %q for the key of %q",
					other.Operator, a.Operator, a.Chain[0].Subject)
			}
		}
		list = append(list, a)
	}
	return list, nil
}

func (l *loader) authority(w *wireAuthority, path string, r role) (*Authority, error) {
	for name, text := range map[string]string{"/uri": w.URI, "/operator": w.Operator} {
		if err := checkText(text, path+name); err != nil {
			return nil, err
		}
	}
	valid, err := w.ValidFor.started(path + "/validFor")
	if err != nil {
		return nil, err
	}
	chain, err := l.chain(w.CertChain, path+"/certChain/certificates", r)
	if err != nil {
		return nil, err
	}
	return &Authority{URI: w.URI, Operator: w.Operator, ValidFor: valid, Chain: chain, Window: window(chain, valid), at: path}, nil
}

func (l *loader) chain(w *wireChain, path string, r role) ([]*x509.Certificate, error) {
	if w == nil || len(w.Certificates) == 0 || len(w.Certificates) > maxChain {
		n := 0
		if w != nil {
			n = len(w.Certificates)
		}
		return nil, fail(path, "expected 1 to %d certificates, found %d", maxChain, n)
	}
	if l.certs += len(w.Certificates); l.certs > maxCerts {
		return nil, fail(path, "expected at most %d certificates in all, found more", maxCerts)
	}
	chain := make([]*x509.Certificate, len(w.Certificates))
	for i, c := range w.Certificates {
		cert, err := x509.ParseCertificate(c.RawBytes)
		if err != nil {
			return nil, fail(fmt.Sprintf("%s/%d", path, i), "expected one certificate in DER: %w", err)
		}
		chain[i] = cert
	}
	for i, cert := range chain {
		if err := l.checkLink(chain, i, cert, r); err != nil {
			return nil, fail(fmt.Sprintf("%s/%d", path, i), "certificate %q: %w", cert.Subject, err)
		}
	}
	return chain, nil
}

// checkLink holds certificate i of a chain to its place in it: a strong key, a
// use that fits its role, and a signature by the next one.
func (l *loader) checkLink(chain []*x509.Certificate, i int, cert *x509.Certificate, r role) error {
	if err := checkCertKey(cert); err != nil {
		return err
	}
	if err := checkUse(cert, r == tsaRole && i == 0); err != nil {
		return err
	}
	for _, earlier := range chain[:i] {
		if earlier.Equal(cert) {
			return fmt.Errorf("expected every certificate once, found it twice")
		}
	}
	switch cert.SignatureAlgorithm {
	case x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.MD5WithRSA, x509.MD2WithRSA, x509.DSAWithSHA1:
		return fmt.Errorf("expected a signature over SHA-256 or stronger, found %v: if this is the anchor, the intermediate below it can be the anchor instead", cert.SignatureAlgorithm)
	}
	if i+1 == len(chain) {
		return nil
	}
	return l.checkIssuer(cert, chain[i+1])
}

// checkIssuer reports whether issuer signed cert. Pairs are verified once:
// documents list one intermediate under many chains.
func (l *loader) checkIssuer(cert, issuer *x509.Certificate) error {
	if !bytes.Equal(cert.RawIssuer, issuer.RawSubject) {
		return fmt.Errorf("expected its issuer %q next, found %q: list the chain from the issuing certificate to the anchor", cert.Issuer, issuer.Subject)
	}
	pair := [2]string{string(cert.Raw), string(issuer.Raw)}
	if _, ok := l.links[pair]; ok {
		return nil
	}
	if err := cert.CheckSignatureFrom(issuer); err != nil {
		return fmt.Errorf("not signed by %q: %w", issuer.Subject, err)
	}
	if l.links == nil {
		l.links = make(map[[2]string]struct{})
	}
	l.links[pair] = struct{}{}
	return nil
}

// checkUse accepts a certificate that issues others, and, where leafAllowed,
// one that signs timestamps.
func checkUse(cert *x509.Certificate, leafAllowed bool) error {
	if !cert.BasicConstraintsValid || !cert.IsCA {
		if !leafAllowed {
			return fmt.Errorf("expected a CA certificate (basicConstraints CA:TRUE), found one that is not")
		}
		if !slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageTimeStamping) {
			return fmt.Errorf("expected a CA certificate or the extended key usage timeStamping, found neither")
		}
		return nil
	}
	if cert.KeyUsage != 0 && cert.KeyUsage&x509.KeyUsageCertSign == 0 {
		return fmt.Errorf("expected the key usage keyCertSign, found a key usage without it")
	}
	return nil
}

// checkCertKey refuses keys that are too weak to trust, or so long that
// verifying with them is an attack.
func checkCertKey(cert *x509.Certificate) error {
	switch pub := cert.PublicKey.(type) {
	case *rsa.PublicKey:
		if bits := pub.N.BitLen(); bits < 2048 || bits > 8192 {
			return fmt.Errorf("expected an RSA key of 2048 to 8192 bits, found %d", bits)
		}
		return nil
	case *ecdsa.PublicKey:
		if _, err := keyspec.ForKey(pub); err != nil {
			return err
		}
		return nil
	case ed25519.PublicKey, *mldsa.PublicKey:
		return nil
	}
	return fmt.Errorf("expected an RSA, ECDSA, Ed25519 or ML-DSA key, found %v", cert.PublicKeyAlgorithm)
}

// window returns when valid and the dates of all certificates hold at once.
func window(chain []*x509.Certificate, valid Validity) Validity {
	for _, cert := range chain {
		if cert.NotBefore.After(valid.Start) {
			valid.Start = cert.NotBefore
		}
		if valid.End.IsZero() || cert.NotAfter.Before(valid.End) {
			valid.End = cert.NotAfter
		}
	}
	return valid
}
