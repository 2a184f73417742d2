package trustroot

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/mldsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
)

// Every fixture lives around this moment; no test reads the clock.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// A pair is a certificate and its key.
type pair struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// issue makes a CA certificate, changed by edit, signed by parent or itself.
func issue(t testing.TB, name string, parent *pair, key crypto.Signer, edit func(*x509.Certificate)) *pair {
	t.Helper()
	tmpl := &x509.Certificate{
		SerialNumber:          big.NewInt(int64(len(name)) + 1),
		Subject:               pkix.Name{CommonName: name, Organization: []string{"example"}},
		NotBefore:             noon.AddDate(-1, 0, 0),
		NotAfter:              noon.AddDate(9, 0, 0),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	if edit != nil {
		edit(tmpl)
	}
	p := &pair{tmpl, key}
	if parent == nil {
		parent = p
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent.cert, key.Public(), parent.key)
	if err != nil {
		t.Fatalf("issuing %s: %v", name, err)
	}
	if p.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatalf("parsing %s: %v", name, err)
	}
	return p
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func newKey() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }

// fixtures are made once: keys of every kind, and a trust config of everything.
type fixtures struct {
	p256, p384, p521    *ecdsa.PrivateKey
	ed                  ed25519.PrivateKey
	rsa2048             *rsa.PrivateKey
	mldsa44, mldsa65    *mldsa.PrivateKey
	root, inter         *pair
	tsaRoot, tsaLeaf    *pair
	config              *Config // of Root, Signing and Keyring
	rootDoc, keyringDoc []byte
	clientDoc           []byte
	signingDoc          []byte
}

var fixture = sync.OnceValue(func() *fixtures {
	f := &fixtures{
		p256:    newKey(),
		p384:    must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)),
		p521:    must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)),
		rsa2048: must(rsa.GenerateKey(rand.Reader, 2048)),
		mldsa44: must(mldsa.GenerateKey(mldsa.MLDSA44())),
		mldsa65: must(mldsa.GenerateKey(mldsa.MLDSA65())),
	}
	_, f.ed, _ = ed25519.GenerateKey(rand.Reader)
	t := &testing.T{}
	f.root = issue(t, "root", nil, newKey(), nil)
	f.inter = issue(t, "intermediate", f.root, newKey(), func(c *x509.Certificate) {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}
	})
	f.tsaRoot = issue(t, "tsa root", nil, newKey(), nil)
	f.tsaLeaf = issue(t, "tsa", f.tsaRoot, newKey(), asTSA)
	f.config = f.makeConfig()
	f.rootDoc = must(f.config.Root.Marshal())
	f.signingDoc = must(f.config.Signing.Marshal())
	f.keyringDoc = must(f.config.Marshal())
	f.clientDoc = must((&Config{Root: f.config.Root, Signing: f.config.Signing}).Marshal())
	return f
})

func asTSA(c *x509.Certificate) {
	c.IsCA, c.KeyUsage = false, x509.KeyUsageDigitalSignature
	c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping}
}

func (f *fixtures) makeConfig() *Config {
	from := Validity{Start: noon.AddDate(0, -6, 0)}
	rekor1 := must(NewRekorLog("https://rekor.example", f.p256.Public(), keyspec.ECDSAP256SHA256, from, 1))
	rekor2 := must(NewRekorLog("https://log2026.rekor.example", f.ed.Public(), keyspec.Ed25519, from, 2))
	rekor2.Operator = "rekor.example"
	ca := must(NewCA([]*x509.Certificate{f.inter.cert, f.root.cert}, from))
	ca.URI = "https://fulcio.example"
	tsa := must(NewTSA([]*x509.Certificate{f.tsaLeaf.cert, f.tsaRoot.cert}, from))
	tsa.URI = "https://tsa.example/api"
	service := func(url string) []Service {
		return []Service{{URL: url, MajorAPIVersion: 1, ValidFor: from, Operator: "example"}}
	}
	key := must(NewKey(f.p384.Public(), 0, "release"))
	key.ValidFor = from
	return &Config{
		Root: &Root{
			MediaType: MediaTypeRoot,
			Logs:      []*Log{rekor1, rekor2},
			CTLogs:    []*Log{must(NewCTLog("https://ct.example/2026", f.p384.Public(), keyspec.ECDSAP384SHA384, from))},
			CAs:       []*Authority{ca},
			TSAs:      []*Authority{tsa},
		},
		Signing: &SigningConfig{
			CAs: service("https://fulcio.example"), OIDC: service("https://oidc.example"),
			Rekor: service("https://rekor.example"), TSAs: service("https://tsa.example/api"),
			RekorSelection: Selection{Selector: Any}, TSASelection: Selection{Selector: Exact, Count: 1},
		},
		Keyring: must(NewKeyring([]*Key{key})),
	}
}

// node is any JSON value; edits of documents are made on it.
type node = any

// edited returns doc with the value at the pointer path replaced by what edit
// makes of it; deleted, if that is the value drop.
func edited(t testing.TB, doc []byte, path string, edit func(node) node) []byte {
	t.Helper()
	var v node
	if err := json.Unmarshal(doc, &v); err != nil {
		t.Fatal(err)
	}
	v = editAt(t, v, strings.Split(path, "/")[1:], edit)
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

type dropped struct{}

var drop node = dropped{}

func editAt(t testing.TB, v node, path []string, edit func(node) node) node {
	t.Helper()
	if len(path) == 0 {
		return edit(v)
	}
	switch v := v.(type) {
	case map[string]node:
		if child := editAt(t, v[path[0]], path[1:], edit); child == drop {
			delete(v, path[0])
		} else {
			v[path[0]] = child
		}
		return v
	case []node:
		i := int(path[0][0] - '0')
		if i >= len(v) {
			t.Fatalf("no element %s", path[0])
		}
		v[i] = editAt(t, v[i], path[1:], edit)
		return v
	}
	t.Fatalf("nothing at %v", path)
	return nil
}

// set is an edit that puts v in the place of what was there.
func set(v node) func(node) node { return func(node) node { return v } }

// refused asserts that doc is refused by a *FormatError at path whose message
// has want in it.
func refused(t *testing.T, doc []byte, path, want string) {
	t.Helper()
	c, err := Parse(doc, "doc.json")
	if err == nil || c != nil {
		t.Fatalf("accepted, want an error with %q", want)
	}
	fe, ok := err.(*FormatError)
	if !ok {
		t.Fatalf("got %T (%v), want *FormatError", err, err)
	}
	if fe.Source != "doc.json" || fe.Path != path || !strings.Contains(err.Error(), want) {
		t.Errorf("got path %q, error %q, want path %q and %q", fe.Path, err, path, want)
	}
}

func accepted(t *testing.T, doc []byte) *Config {
	t.Helper()
	c, err := Parse(doc, "doc.json")
	if err != nil {
		t.Fatalf("twin refused: %v", err)
	}
	return c
}
