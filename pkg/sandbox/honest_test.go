package sandbox_test

import (
	"bytes"
	"crypto/x509"
	"testing"
	"time"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	prototrustroot "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/signature"
	"google.golang.org/protobuf/proto"

	"github.com/bundler-sign/bundler/pkg/sandbox"
)

var artifact = []byte("hello, sandbox\n")

func newSandbox(t *testing.T) *sandbox.Sandbox {
	t.Helper()
	s, err := sandbox.New(&sandbox.Options{Seed: t.Name()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// judge is sigstore-go's opinion of a bundle about artifact, with at least one
// of each kind of evidence that the bundle has.
func judge(b *protobundle.Bundle, tr *prototrustroot.TrustedRoot, key *sandbox.Key) error {
	tr = proto.CloneOf(tr)
	tr.MediaType = sandbox.TrustedRootMediaTypeV01
	trusted, err := root.NewTrustedRootFromJSON(sandbox.JSON(tr))
	if err != nil {
		return err
	}
	var material root.TrustedMaterial = trusted
	if key != nil {
		material = &keyed{trusted, key}
	}
	var parse []bundle.Option
	if b.VerificationMaterial.GetX509CertificateChain() != nil && b.MediaType == sandbox.MediaTypeV03 {
		parse = append(parse, bundle.AllowCertificateChain())
	}
	parsed, err := bundle.NewBundle(b, parse...)
	if err != nil {
		return err
	}
	v, err := verify.NewVerifier(material, verifierOptions(b, tr)...)
	if err != nil {
		return err
	}
	_, err = v.Verify(parsed, verify.NewPolicy(verify.WithArtifact(bytes.NewReader(artifact)), identity(b)))
	return err
}

func identity(b *protobundle.Bundle) verify.PolicyOption {
	if b.VerificationMaterial.GetPublicKey() != nil {
		return verify.WithKey()
	}
	return verify.WithoutIdentitiesUnsafe()
}

func verifierOptions(b *protobundle.Bundle, tr *prototrustroot.TrustedRoot) []verify.VerifierOption {
	var o []verify.VerifierOption
	m := b.VerificationMaterial
	if n := len(m.TlogEntries); n > 0 {
		o = append(o, verify.WithTransparencyLog(n))
	}
	if len(m.GetTimestampVerificationData().GetRfc3161Timestamps()) > 0 {
		o = append(o, verify.WithSignedTimestamps(1))
	} else if len(m.TlogEntries) > 0 && m.TlogEntries[0].InclusionPromise != nil {
		o = append(o, verify.WithIntegratedTimestamps(1))
	} else {
		o = append(o, verify.WithCurrentTime())
	}
	if len(tr.Ctlogs) > 0 && m.GetPublicKey() == nil {
		o = append(o, verify.WithSignedCertificateTimestamps(1))
	}
	return o
}

// keyed is trusted material with one managed key.
type keyed struct {
	root.TrustedMaterial
	key *sandbox.Key
}

func (k *keyed) PublicKeyVerifier(string) (root.TimeConstrainedVerifier, error) {
	v, err := signature.LoadDefaultVerifier(k.key.Public())
	return always{v}, err
}

type always struct{ signature.Verifier }

func (always) ValidAtTime(time.Time) bool { return true }

func statement() []byte {
	return must(sandbox.Statement("https://example.com/predicate/v1", nil, sandbox.Subject{Name: "a", Content: artifact}))
}

// TestHonestBundlesVerify holds the sandbox to sigstore-go: each row is a kind
// of bundle that the two must agree on.
func TestHonestBundlesVerify(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	none := []*sandbox.Log{}
	v1, v2 := []*sandbox.Log{s.RekorV1}, []*sandbox.Log{s.RekorV2}
	noTSA := []*sandbox.TSA{}
	ecdsaLog := s.NewLog("ecdsa", &sandbox.LogOptions{Algorithm: sandbox.P256})
	witnessed := s.NewLog("witnessed", nil)
	witnessed.Witnesses = []*sandbox.Witness{s.NewWitness("w1"), s.NewWitness("w2")}
	tiny := s.NewLog("tiny", &sandbox.LogOptions{Prior: -1})
	rsaTSA := must(s.NewTSA("rsa-tsa", &sandbox.TSAOptions{Algorithm: sandbox.RSA2048}))
	p384TSA := must(s.NewTSA("p384-tsa", &sandbox.TSAOptions{Algorithm: sandbox.P384}))
	ct2, ctRSA := s.NewCTLog("ct2", nil), s.NewCTLog("ct-rsa", s.Key("", sandbox.RSA2048))
	ct2.Extensions = []byte{0, 0, 5, 0, 0, 0, 0, 7}
	tr := s.TrustedRoot()
	tr.Ctlogs = append(tr.Ctlogs, ct2.Instance(), ctRSA.Instance())
	for _, l := range []*sandbox.Log{ecdsaLog, witnessed, tiny} {
		tr.Tlogs = append(tr.Tlogs, l.Instance())
	}
	tr.TimestampAuthorities = append(tr.TimestampAuthorities, rsaTSA.Authority(), p384TSA.Authority())
	leaf := func(a sandbox.Algorithm) *sandbox.Leaf { return must(s.Fulcio.Issue(sandbox.Request{Algorithm: a})) }

	for name, o := range map[string]sandbox.SignOptions{
		"default":              {},
		"statement":            {Statement: statement()},
		"chain":                {Chain: true},
		"v0.1-set":             {MediaType: sandbox.MediaTypeV01, Logs: v1, TSAs: noTSA, NoProof: true},
		"v0.2":                 {MediaType: sandbox.MediaTypeV02, Logs: v1},
		"v1-hashedrekord":      {Logs: v1, TSAs: noTSA},
		"v1-proof-only":        {Logs: v1, NoPromise: true},
		"v1-dsse":              {Statement: statement(), Logs: v1, TSAs: noTSA},
		"v1-intoto":            {Statement: statement(), Logs: v1, TSAs: noTSA, Kind: sandbox.Intoto002},
		"v2-ecdsa":             {Logs: []*sandbox.Log{ecdsaLog}},
		"v2-witnessed":         {Logs: []*sandbox.Log{witnessed}},
		"v2-first-entry":       {Logs: []*sandbox.Log{tiny}},
		"two-logs":             {Logs: []*sandbox.Log{s.RekorV1, s.RekorV2}},
		"no-log":               {Logs: none},
		"two-tsas":             {TSAs: []*sandbox.TSA{s.TSA, p384TSA}},
		"rsa-tsa":              {TSAs: []*sandbox.TSA{rsaTSA}},
		"p384-tsa":             {TSAs: []*sandbox.TSA{p384TSA}},
		"p384":                 {Leaf: leaf(sandbox.P384)},
		"p384-v1":              {Leaf: leaf(sandbox.P384), Logs: v1},
		"p521":                 {Leaf: leaf(sandbox.P521)},
		"rsa2048":              {Leaf: leaf(sandbox.RSA2048)},
		"ed25519-message":      {Leaf: leaf(sandbox.Ed25519)},
		"ed25519-message-v1":   {Leaf: leaf(sandbox.Ed25519), Logs: v1},
		"ed25519-statement-v1": {Leaf: leaf(sandbox.Ed25519), Logs: v1, Statement: statement()},
		"managed-key":          {Key: s.Key("managed", sandbox.P256)},
		"managed-key-v1":       {Key: s.Key("managed", sandbox.P256), Logs: v1},
		"managed-key-p384-v2":  {Key: s.Key("managed", sandbox.P384), Logs: v2, Statement: statement()},
		"two-scts":             {Leaf: must(s.Fulcio.Issue(sandbox.Request{CT: []*sandbox.CTLog{ct2, s.CT}}))},
		"sct-extensions":       {Leaf: must(s.Fulcio.Issue(sandbox.Request{CT: []*sandbox.CTLog{ct2}}))},
		"rsa-ct-log":           {Leaf: must(s.Fulcio.Issue(sandbox.Request{CT: []*sandbox.CTLog{ctRSA}}))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if o.Statement == nil {
				o.Artifact = artifact
			}
			b, err := s.Sign(o)
			if err != nil {
				t.Fatal(err)
			}
			if err := judge(b, tr, o.Key); err != nil {
				t.Errorf("sigstore-go refuses an honest bundle: %v\n%s", err, sandbox.JSON(b))
			}
			spoil(b)
			if err := judge(b, tr, o.Key); err == nil {
				t.Error("sigstore-go accepts a spoilt signature: the test proves nothing")
			}
		})
	}
}

func spoil(b *protobundle.Bundle) {
	if m := b.GetMessageSignature(); m != nil {
		m.Signature[len(m.Signature)-1] ^= 1
		return
	}
	sig := b.GetDsseEnvelope().Signatures[0].Sig
	sig[len(sig)-1] ^= 1
}

func TestPrivateBundlesVerify(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	leaf := must(s.PrivateCA.Issue(sandbox.Request{SANs: []sandbox.SAN{
		sandbox.DNS("build.example.com"), sandbox.Email("a@example.com"), sandbox.URI("https://example.com/x"), sandbox.IP("192.0.2.1"),
		sandbox.OtherName(sandbox.OIDUserName, "foo!example.com"),
	}}))
	if leaf.Cert.Subject.CommonName == "" || len(leaf.Cert.DNSNames)+len(leaf.Cert.IPAddresses) != 2 {
		t.Errorf("got subject %v, DNS %v, IP %v", leaf.Cert.Subject, leaf.Cert.DNSNames, leaf.Cert.IPAddresses)
	}
	b := must(s.Sign(sandbox.SignOptions{Artifact: artifact, Leaf: leaf, Logs: []*sandbox.Log{}}))
	if err := judge(b, s.PrivateRoot(), nil); err != nil {
		t.Error(err)
	}
	if err := judge(b, s.TrustedRoot(), nil); err == nil {
		t.Error("the private CA is trusted for Fulcio")
	}
	if _, err := leaf.Cert.Verify(x509.VerifyOptions{
		Roots: pool(s.PrivateCA.Root()), Intermediates: pool(s.PrivateCA.Chain...), CurrentTime: s.Now(),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
	}); err != nil {
		t.Error(err)
	}
}

func pool(certs ...*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, c := range certs {
		p.AddCert(c)
	}
	return p
}
