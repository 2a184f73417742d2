package sign

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"testing"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
)

func TestEveryAlgorithmIsTested(t *testing.T) {
	t.Parallel()
	for d := keyspec.Details(1); d < 64; d++ {
		_, tested := algorithms[d]
		if d.Known() && tested == d.Old() {
			t.Errorf("%v: got tested %v, want every algorithm that is not old, and no other", d, tested)
		}
	}
}

// TestAssembleEveryAlgorithm takes every algorithm through the whole path, by
// key and by certificate, for an artifact and for a statement, with the
// request and the bundle going through their JSON.
func TestAssembleEveryAlgorithm(t *testing.T) {
	t.Parallel()
	for alg, m := range algorithms {
		for name, q := range map[string]*Request{"message": messageRequest(t, alg), "statement": statementRequest(t, alg)} {
			for kind, by := range map[string]*Credential{"key": keyOf(t, m.key), "certificate": certificateOf(t, m.key)} {
				t.Run(alg.String()+"/"+name+"/"+kind, func(t *testing.T) {
					t.Parallel()
					signed := artifact
					if q.IsEnvelope() {
						signed = bundle.PAE(bundle.PayloadTypeInToto, []byte(statementText))
					}
					b, err := Assemble(again(t, q), m.sign(t, signed), by)
					if err != nil {
						t.Fatal(err)
					}
					checkBundle(t, b, q, by, signed)
					if _, err := Assemble(q, m.sign(t, append(signed, '!')), by); err == nil {
						t.Error("a signature over other bytes was accepted")
					}
				})
			}
		}
	}
}

// again is q after a way through its JSON.
func again(t *testing.T, q *Request) *Request {
	t.Helper()
	text, err := q.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := ParseRequest(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return parsed
}

func checkBundle(t *testing.T, b *bundle.Bundle, q *Request, by *Credential, signed []byte) {
	t.Helper()
	text, err := b.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	b, err = bundle.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if b.MediaType != bundle.MediaTypeV03 {
		t.Errorf("got media type %q, want version 0.3", b.MediaType)
	}
	if err := keyspec.VerifyMessage(by.public, q.Algorithm(), signed, b.Signature()); err != nil {
		t.Errorf("the bundle's signature: %v", err)
	}
	if by.chain == nil && (b.KeyHint != by.hint || b.KeyHint == "") || by.chain != nil && len(b.Certificates) != 2 {
		t.Errorf("got hint %q and %d certificates, want the signer's", b.KeyHint, len(b.Certificates))
	}
	switch {
	case q.IsEnvelope():
		if !bytes.Equal(b.Envelope.PAE(), signed) || b.Envelope.KeyID != b.KeyHint {
			t.Errorf("got PAE %q with key id %q, want %q with the hint %q", b.Envelope.PAE(), b.Envelope.KeyID, signed, b.KeyHint)
		}
	default:
		if d := b.Message.Digest; d != bundle.Sum(d.Algorithm(), signed) {
			t.Errorf("got digest %v of another artifact", d)
		}
	}
}

// TestExplanations: what is wrong with a signature is found by trying, and
// never accepted.
func TestExplanations(t *testing.T) {
	t.Parallel()
	p256, p384 := algorithms[keyspec.ECDSAP256SHA256], algorithms[keyspec.ECDSAP384SHA384]
	rsa, rsaPSS := algorithms[keyspec.RSA2048SHA256], algorithms[keyspec.RSAPSS2048SHA256]
	pure, ph := algorithms[keyspec.Ed25519], algorithms[keyspec.Ed25519ph]
	pae := bundle.PAE(bundle.PayloadTypeInToto, []byte(statementText))
	digest := bundle.Sum(bundle.SHA256, artifact)
	for name, test := range map[string]struct {
		q    *Request
		sig  []byte
		key  string
		want string
	}{
		"other-hash":          {messageRequest(t, keyspec.ECDSAP384SHA384), method{"P-384", crypto.SHA256, crypto.SHA256}.sign(t, artifact), "P-384", "ECDSA with SHA-256, and PKIX_ECDSA_P384_SHA_384 was expected"},
		"K04-other-hash-dsse": {statementRequest(t, keyspec.ECDSAP521SHA512), method{"P-521", crypto.SHA256, crypto.SHA256}.sign(t, pae), "P-521", "ECDSA with SHA-256"},
		"longer-hash-dsse":    {statementRequest(t, keyspec.ECDSAP256SHA256), method{"P-256", crypto.SHA512, crypto.SHA512}.sign(t, pae), "P-256", "ECDSA with SHA-512"},
		"K03-pss":             {messageRequest(t, keyspec.RSA2048SHA256), rsaPSS.sign(t, artifact), "RSA-2048", "RSA PSS with SHA-256"},
		"K03-pkcs1":           {messageRequest(t, keyspec.RSAPSS2048SHA256), rsa.sign(t, artifact), "RSA-2048", "RSA PKCS #1 v1.5 with SHA-256"},
		"rsa-sha512-dsse":     {statementRequest(t, keyspec.RSA2048SHA256), method{"RSA-2048", crypto.SHA512, crypto.SHA512}.sign(t, pae), "RSA-2048", "PKCS #1 v1.5 with SHA-512"},
		"K03-pure-for-ph":     {statementRequest(t, keyspec.Ed25519ph), pure.sign(t, pae), "Ed25519", "pure Ed25519, and PKIX_ED25519_PH was expected"},
		"K03-ph-for-pure":     {messageRequest(t, keyspec.Ed25519), ph.sign(t, artifact), "Ed25519", "Ed25519ph, and PKIX_ED25519 was expected"},
		"pure-unseen":         {messageRequest(t, keyspec.Ed25519ph), pure.sign(t, artifact), "Ed25519", "openssl before 3.2"},
		"digest-as-message":   {messageRequest(t, keyspec.ECDSAP256SHA256), p256.sign(t, digest.Bytes()), "P-256", "the sha256 digest as if that were the message"},
		"digest-text":         {messageRequest(t, keyspec.ECDSAP256SHA256), p256.sign(t, []byte(digest.Hex())), "P-256", "hexadecimal text of the sha256 digest"},
		"digest-line":         {messageRequest(t, keyspec.RSA2048SHA256), rsa.sign(t, []byte(digest.Hex()+"\n")), "RSA-2048", "and a line break"},
		"digest-pure":         {messageRequest(t, keyspec.Ed25519), pure.sign(t, digest.Bytes()), "Ed25519", "the sha256 digest as if"},
		"payload-without-pae": {statementRequest(t, keyspec.ECDSAP384SHA384), p384.sign(t, []byte(statementText)), "P-384", "the payload alone"},
		"base64-of-to-sign":   {statementRequest(t, keyspec.ECDSAP256SHA256), p256.sign(t, []byte(base64Of(pae))), "P-256", "base64 text"},
		"mldsa-payload":       {statementRequest(t, keyspec.MLDSA44), algorithms[keyspec.MLDSA44].sign(t, []byte(statementText)), "ML-DSA-44", "the payload alone"},
		"another-key":         {messageRequest(t, keyspec.ECDSAP256SHA256), method{"other", crypto.SHA256, crypto.SHA256}.sign(t, artifact), "P-256", "another key made it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := Assemble(test.q, test.sig, keyOf(t, test.key))
			if b != nil {
				t.Error("got a bundle with the error")
			}
			wantError(t, err, test.want)
		})
	}
}

func TestExplanationNamesTheCAThatSigned(t *testing.T) {
	t.Parallel()
	sum := bundle.Sum(bundle.SHA256, artifact).Bytes()
	sig, err := ecdsa.SignASN1(rand.Reader, caKeys()[1], sum)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Assemble(messageRequest(t, keyspec.ECDSAP256SHA256), sig, certificateOf(t, "P-256"))
	wantError(t, err, `the key of "CN=Intermediate" made it`)
}

func TestAssembleRefusesAnotherKindOfKey(t *testing.T) {
	t.Parallel()
	q := messageRequest(t, keyspec.ECDSAP256SHA256)
	sig := algorithms[keyspec.ECDSAP256SHA256].sign(t, artifact)
	if _, err := Assemble(q, sig, keyOf(t, "P-256")); err != nil {
		t.Error(err)
	}
	_, err := Assemble(q, sig, keyOf(t, "P-384"))
	wantError(t, err, "expected a key for PKIX_ECDSA_P256_SHA_256, found ECDSA P-384")
	_, err = Assemble(&Request{}, sig, keyOf(t, "P-256"))
	wantError(t, err, "unknown key details")
	_, err = Assemble(q, sig, &Credential{})
	wantError(t, err, "empty key")
}

// TestCertificates: the chain of the bundle is the same whatever order and
// surplus roots the file has, and a file that is no chain is refused.
func TestCertificates(t *testing.T) {
	t.Parallel()
	p := testPKI()
	leaf := p.leaf(t, leafTemplate(), "P-256")
	fulcio := leafTemplate()
	fulcio.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 1}, Value: []byte("https://issuer.example")}}
	fulcioLeaf := p.leaf(t, fulcio, "P-256")
	ca := leafTemplate()
	ca.IsCA, ca.BasicConstraintsValid = true, true
	mute := leafTemplate()
	mute.KeyUsage = x509.KeyUsageKeyEncipherment
	stranger := issue(caTemplate("Stranger"), nil, keys()["other"].Public(), keys()["other"])
	selfSigned := issue(leafTemplate(), nil, keys()["P-256"].Public(), keys()["P-256"])
	private, err := x509.MarshalPKCS8PrivateKey(keys()["P-256"])
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		file []byte
		want [][]byte
		err  string
	}{
		"in-order":                  {file: chainPEM(leaf, p.intermediate, p.root), want: [][]byte{leaf, p.intermediate}},
		"out-of-order":              {file: chainPEM(p.root, p.intermediate, leaf), want: [][]byte{leaf, p.intermediate}},
		"without-root":              {file: chainPEM(p.intermediate, leaf), want: [][]byte{leaf, p.intermediate}},
		"leaf-alone":                {file: chainPEM(leaf), want: [][]byte{leaf}},
		"leaf-in-DER":               {file: leaf, want: [][]byte{leaf}},
		"fulcio":                    {file: chainPEM(fulcioLeaf, p.intermediate, p.root), want: [][]byte{fulcioLeaf}},
		"unrelated":                 {file: chainPEM(leaf, p.intermediate, stranger), err: "expected one chain"},
		"root-without-intermediate": {file: chainPEM(leaf, p.root), err: "expected one chain"},
		"two-leaves":                {file: chainPEM(leaf, fulcioLeaf, p.intermediate), err: "expected one chain"},
		"C04-leaf-is-a-CA":          {file: chainPEM(p.leaf(t, ca, "P-256"), p.intermediate), err: "only those of CAs"},
		"only-CAs":                  {file: chainPEM(p.intermediate, p.root), err: "only those of CAs"},
		"C03-may-not-sign":          {file: chainPEM(p.leaf(t, mute, "P-256")), err: "digitalSignature"},
		"self-signed":               {file: chainPEM(selfSigned), err: "self-signed"},
		"private-key":               {file: pemBlock("PRIVATE KEY", private), err: "found a private key"},
		"private-key-beside":        {file: append(chainPEM(leaf), pemBlock("PRIVATE KEY", private)...), err: "found a private key"},
		"public-key":                {file: publicPEM(t, "P-256"), err: "found a public key"},
		"nothing":                   {file: nil, err: "expected certificates in PEM"},
		"too-large":                 {file: bytes.Repeat([]byte(" "), MaxCredential+1), err: "found more"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := ParseCertificates(test.file)
			if test.err != "" {
				wantError(t, err, test.err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			b, err := Assemble(messageRequest(t, keyspec.ECDSAP256SHA256), algorithms[keyspec.ECDSAP256SHA256].sign(t, artifact), c)
			if err != nil {
				t.Fatal(err)
			}
			if len(b.Certificates) != len(test.want) {
				t.Fatalf("got %d certificates, want %d", len(b.Certificates), len(test.want))
			}
			for i := range test.want {
				if !bytes.Equal(b.Certificates[i], test.want[i]) {
					t.Errorf("certificate %d is another", i)
				}
			}
		})
	}
}

func TestPublicKeys(t *testing.T) {
	t.Parallel()
	c, err := ParsePublicKey(publicPEM(t, "P-256"), "release-2026")
	if err != nil || c.hint != "release-2026" {
		t.Errorf("got %v, %v", c, err)
	}
	leaf := testPKI().leaf(t, leafTemplate(), "P-256")
	for name, test := range map[string]struct {
		data []byte
		hint string
		want string
	}{
		"certificate":  {chainPEM(leaf), "", "found a certificate"},
		"control-hint": {publicPEM(t, "P-256"), "a\x1b[2J", "printable"},
		"long-hint":    {publicPEM(t, "P-256"), string(bytes.Repeat([]byte("a"), maxHint+1)), "at most 1024 bytes"},
		"garbage":      {[]byte("key"), "", "expected a public key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ParsePublicKey(test.data, test.hint)
			wantError(t, err, test.want)
		})
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	web := leafTemplate()
	web.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	webCredential, err := ParseCertificates(chainPEM(testPKI().leaf(t, web, "P-256")))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		q    *Request
		by   *Credential
		want int
	}{
		"usual-key":           {messageRequest(t, keyspec.RSA2048SHA256), keyOf(t, "RSA-2048"), 0},
		"pss":                 {messageRequest(t, keyspec.RSAPSS2048SHA256), keyOf(t, "RSA-2048"), 1},
		"pure-certified":      {messageRequest(t, keyspec.Ed25519), certificateOf(t, "Ed25519"), 1},
		"ph-certified":        {messageRequest(t, keyspec.Ed25519ph), certificateOf(t, "Ed25519"), 0},
		"pure-certified-dsse": {statementRequest(t, keyspec.Ed25519), certificateOf(t, "Ed25519"), 0},
		"C01-no-code-signing": {messageRequest(t, keyspec.ECDSAP256SHA256), webCredential, 1},
	} {
		if got := test.by.Warnings(test.q); len(got) != test.want {
			t.Errorf("%s: got warnings %q, want %d", name, got, test.want)
		}
	}
}

// TestWithAlgorithm: the same content under another algorithm, where the
// request holds what that one signs.
func TestWithAlgorithm(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		from *Request
		to   keyspec.Details
		err  string
	}{
		"pkcs1-to-pss":      {messageRequest(t, keyspec.RSA2048SHA256), keyspec.RSAPSS2048SHA256, ""},
		"pure-to-ph":        {messageRequest(t, keyspec.Ed25519), keyspec.Ed25519ph, ""},
		"statement-to-pure": {statementRequest(t, keyspec.ECDSAP256SHA256), keyspec.Ed25519, ""},
		"ph-to-pure":        {messageRequest(t, keyspec.Ed25519ph), keyspec.Ed25519, "expected the artifact"},
		"p256-to-p384":      {messageRequest(t, keyspec.ECDSAP256SHA256), keyspec.ECDSAP384SHA384, "signs sha384 digests"},
		"to-old":            {messageRequest(t, keyspec.RSA2048SHA256), keyspec.RSAPKCS1v5, "expected one of the algorithms"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q, err := test.from.WithAlgorithm(test.to)
			if test.err != "" {
				wantError(t, err, test.err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			m := algorithms[test.to]
			signed := artifact
			if q.IsEnvelope() {
				signed = q.ToSign()
			}
			if _, err := Assemble(again(t, q), m.sign(t, signed), keyOf(t, m.key)); err != nil {
				t.Error(err)
			}
		})
	}
}

// K07: the twin (r, n−s) of an ECDSA signature verifies, as it does anywhere;
// it is written as it came.
func TestECDSATwin(t *testing.T) {
	t.Parallel()
	sig := algorithms[keyspec.ECDSAP256SHA256].sign(t, artifact)
	r, s, ok := parseDER(sig)
	if !ok {
		t.Fatal("the signature does not parse")
	}
	twin := encodeDER(r, s.Sub(keys()["P-256"].Public().(*ecdsa.PublicKey).Params().N, s))
	b, err := Assemble(messageRequest(t, keyspec.ECDSAP256SHA256), twin, keyOf(t, "P-256"))
	if err != nil || !bytes.Equal(b.Message.Signature, twin) {
		t.Errorf("got %v", err)
	}
}

func TestDefaultHint(t *testing.T) {
	t.Parallel()
	// The first key of RFC 8032 section 7.1, by openssl dgst -sha256 -binary | base64.
	der, err := hex.DecodeString("302a300506032b6570032100d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
	if err != nil {
		t.Fatal(err)
	}
	pub, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := DefaultHint(pub); err != nil || got != "BuP9j9opu2CrWVV95h7bCuzbIxE0vjDnW0Vfjht5L6k=" {
		t.Errorf("got %q, %v", got, err)
	}
}
