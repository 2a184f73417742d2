package trustroot

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
)

func encode64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func TestFindKnowsEveryHint(t *testing.T) {
	t.Parallel()
	f := fixture()
	named := must(NewKey(f.p256.Public(), 0, "release"))
	bare := must(NewKey(f.ed.Public(), 0, ""))
	ring := must(NewKeyring([]*Key{named, bare}))
	for _, key := range ring.Keys {
		sum := sha256.Sum256(key.SPKI)
		text := sha256.Sum256(pemOf("PUBLIC KEY", key.SPKI))
		for _, hint := range []string{encode64(sum[:]), hex.EncodeToString(sum[:]), hex.EncodeToString(text[:])} {
			if got, err := ring.Find(hint); got != key || err != nil {
				t.Errorf("%q: got %v, %v", hint, got, err)
			}
		}
	}
	if got, err := ring.Find("release"); got != named || err != nil {
		t.Errorf("got %v, %v, want the key called release", got, err)
	}
	for name, hint := range map[string]string{
		"K01-unknown": "other", "K01-empty": "", "K01-case": "Release",
		"K01-another-key": must(NewKey(f.p384.Public(), 0, "")).Hints()[0],
	} {
		if got, err := ring.Find(hint); got != nil || !errors.Is(err, ErrNoKey) {
			t.Errorf("%s: got %v, %v, want ErrNoKey", name, got, err)
		}
	}
	if _, err := new(Keyring).Find("release"); !errors.Is(err, ErrNoKey) {
		t.Errorf("the zero Keyring: got %v, want ErrNoKey", err)
	}
}

func TestOneHintOneKey(t *testing.T) {
	t.Parallel()
	f := fixture()
	a := func(hint string) *Key { return must(NewKey(f.p256.Public(), 0, hint)) }
	b := func(hint string) *Key { return must(NewKey(f.ed.Public(), 0, hint)) }
	for _, tt := range []struct {
		name string
		keys []*Key
		want string // "" for accepted
	}{
		{"two keys, two hints", []*Key{a("one"), b("two")}, ""},
		{"two keys, no hints", []*Key{a(""), b("")}, ""},
		{"a hint that is derived from its own key", []*Key{a(a("").Hints()[1]), b("")}, ""},
		{"K02-same-hint", []*Key{a("one"), b("one")}, "two keys with hint"},
		{"K02-hint-derived-from-the-other-key", []*Key{a(""), b(a("").Hints()[0])}, "two keys with hint"},
		{"K02-hint-derived-from-a-later-key", []*Key{b(a("").Hints()[2]), a("")}, "two keys with hint"},
		{"K02-one-key-twice", []*Key{a("one"), a("two")}, "every key once"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := NewKeyring(tt.keys)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("NewKeyring: got %v, want %q", err, tt.want)
			}
			// And the same from a document.
			doc := must((&Config{Keyring: &Keyring{Keys: tt.keys}}).Marshal())
			if tt.want == "" {
				accepted(t, doc)
			} else {
				refused(t, doc, "/keys/1", tt.want)
			}
		})
	}
}

func TestKeyringOfReadsPublicKeys(t *testing.T) {
	t.Parallel()
	f := fixture()
	pkcs1 := x509.MarshalPKCS1PublicKey(&f.rsa2048.PublicKey)
	for _, key := range []crypto.Signer{f.p256, f.p384, f.p521, f.ed, f.rsa2048, f.mldsa44, f.mldsa65} {
		spki := must(x509.MarshalPKIXPublicKey(key.Public()))
		files := [][]byte{spki, pemOf("PUBLIC KEY", spki), bytes.ReplaceAll(pemOf("PUBLIC KEY", spki), []byte("\n"), []byte("\r\n")), append([]byte("Public Key Information:\n"), pemOf("PUBLIC KEY", spki)...)}
		if key == crypto.Signer(f.rsa2048) {
			files = append(files, pkcs1, pemOf("RSA PUBLIC KEY", pkcs1))
		}
		for _, data := range files {
			ring, err := KeyringOf(data, 0)
			if err != nil {
				t.Errorf("%s: %v", keyspec.Describe(key.Public()), err)
				continue
			}
			sole := ring.Sole()
			if sole == nil || !bytes.Equal(sole.SPKI, spki) || sole.KeyDetails != must(keyspec.ForKey(key.Public())) {
				t.Errorf("%s: got %+v", keyspec.Describe(key.Public()), sole)
			}
			if got, err := ring.Find(sole.Hints()[0]); got != sole || err != nil {
				t.Errorf("%s: Find: got %v, %v", keyspec.Describe(key.Public()), got, err)
			}
		}
	}
	pss := must(KeyringOf(pemOf("RSA PUBLIC KEY", pkcs1), keyspec.RSAPSS2048SHA256))
	if got := pss.Sole().KeyDetails; got != keyspec.RSAPSS2048SHA256 {
		t.Errorf("got %v, want the algorithm asked for", got)
	}
	if ring := must(NewKeyring(pss.Keys)); ring.Sole() != nil {
		t.Error("a keyring that nobody chose by hand has a sole key")
	}
}

func TestKeyringOfRefuses(t *testing.T) {
	t.Parallel()
	f := fixture()
	spki := must(x509.MarshalPKIXPublicKey(f.p256.Public()))
	good := pemOf("PUBLIC KEY", spki)
	p224 := must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))
	if _, err := KeyringOf(good, 0); err != nil {
		t.Fatalf("twin: %v", err)
	}
	for _, tt := range []struct {
		name    string
		data    []byte
		details KeyDetails
		want    string
	}{
		{"private key", pemOf("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(f.p256))), 0, "found a private key"},
		{"SEC 1 private key", pemOf("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(f.p256))), 0, "found a private key"},
		{"certificate", pemOf("CERTIFICATE", f.root.cert.Raw), 0, "found a certificate"},
		{"another block", pemOf("SSH2 PUBLIC KEY", spki), 0, "PEM block PUBLIC KEY"},
		{"two keys", append(append([]byte{}, good...), good...), 0, "one public key"},
		{"text after", append(append([]byte{}, good...), "hello"...), 0, "one public key"},
		{"torn block before", append(append([]byte{}, good[:60]...), good...), 0, "not well formed"},
		{"torn block", good[:len(good)-10], 0, "not well formed"},
		{"headers", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Headers: map[string]string{"A": "b"}, Bytes: spki}), 0, "without headers"},
		{"DER with trailing bytes", append(append([]byte{}, spki...), 0), 0, "trailing data"},
		{"R02-large", bytes.Repeat([]byte{'\n'}, MaxKeyBytes+1), 0, "at most"},
		{"empty", nil, 0, "PEM or DER"},
		{"K03-P-224", pemOf("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(p224.Public()))), 0, "P-224"},
		{"K05-algorithm-of-another-key", good, keyspec.Ed25519, "found ECDSA P-256"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ring, err := KeyringOf(tt.data, tt.details)
			if err == nil || ring != nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, %v, want an error with %q", ring, err, tt.want)
			}
		})
	}
}

func TestIsFingerprint(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256(nil)
	for hint, want := range map[string]bool{
		encode64(sum[:]): true, hex.EncodeToString(sum[:]): true,
		"": false, "release": false, "SHA256:" + encode64(sum[:]): false,
		hex.EncodeToString(sum[:20]): false, strings.Repeat("z", 64): false,
	} {
		if got := IsFingerprint(hint); got != want {
			t.Errorf("%q: got %v, want %v", hint, got, want)
		}
	}
}

func TestParseChainOrdersCertificates(t *testing.T) {
	t.Parallel()
	f := fixture()
	last := issue(t, "issuing", f.inter, newKey(), nil)
	a, b, c := pemOf("CERTIFICATE", last.cert.Raw), pemOf("CERTIFICATE", f.inter.cert.Raw), pemOf("CERTIFICATE", f.root.cert.Raw)
	text := []byte("Certificate:\n    Data:\n        Version: 3\n")
	for _, order := range [][][]byte{{a, b, c}, {c, b, a}, {b, a, c}, {b, c, a}, {text, c, text, a, b, text}} {
		chain, err := ParseChain(bytes.Join(order, nil))
		if err != nil || len(chain) != 3 || !chain[0].Equal(last.cert) || !chain[2].Equal(f.root.cert) {
			t.Errorf("got %d certificates, %v", len(chain), err)
		}
	}
	for _, tt := range []struct {
		name string
		data []byte
		want string
	}{
		{"nothing", nil, "found none"},
		{"unrelated", append(append([]byte{}, a...), pemOf("CERTIFICATE", f.tsaRoot.cert.Raw)...), "one chain"},
		{"gap", append(append([]byte{}, a...), c...), "one chain"},
		{"a key among them", append(append([]byte{}, a...), pemOf("PRIVATE KEY", []byte{1})...), `found "PRIVATE KEY"`},
		{"torn", append(append([]byte{}, b...), c[:len(c)-20]...), "not well formed"},
		{"torn first", append(append([]byte{}, b[:60]...), c...), "not well formed"},
		{"not a certificate", pemOf("CERTIFICATE", []byte{1, 2, 3}), "certificate 1"},
		{"R09-too-many", bytes.Repeat(c, maxChain+1), "at most 16"},
		{"twice", append(append([]byte{}, c...), c...), "one chain"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if chain, err := ParseChain(tt.data); err == nil || chain != nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, %v, want an error with %q", chain, err, tt.want)
			}
		})
	}
}
