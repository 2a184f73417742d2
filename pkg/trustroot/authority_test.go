package trustroot

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"strings"
	"testing"
	"time"
)

// chainDoc is the fixture's root with certs as the chain of its CA or TSA.
func chainDoc(t *testing.T, list string, certs ...[]byte) []byte {
	t.Helper()
	chain := []node{}
	for _, der := range certs {
		chain = append(chain, map[string]node{"rawBytes": base64.StdEncoding.EncodeToString(der)})
	}
	return edited(t, fixture().rootDoc, "/"+list+"/0/certChain/certificates", set(chain))
}

func TestParseAcceptsChains(t *testing.T) {
	t.Parallel()
	f := fixture()
	rootless := issue(t, "leaf issuer", f.inter, newKey(), nil)
	for name, doc := range map[string][]byte{
		"self-signed anchor alone":   chainDoc(t, "certificateAuthorities", f.root.cert.Raw),
		"intermediate as the anchor": chainDoc(t, "certificateAuthorities", f.inter.cert.Raw),
		"anchor not self-signed":     chainDoc(t, "certificateAuthorities", rootless.cert.Raw, f.inter.cert.Raw),
		"three":                      chainDoc(t, "certificateAuthorities", rootless.cert.Raw, f.inter.cert.Raw, f.root.cert.Raw),
		"TSA of CAs only":            chainDoc(t, "timestampAuthorities", f.tsaRoot.cert.Raw),
		"TSA leaf alone":             chainDoc(t, "timestampAuthorities", f.tsaLeaf.cert.Raw),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			accepted(t, doc)
		})
	}
}

func TestParseRefusesChains(t *testing.T) {
	t.Parallel()
	f := fixture()
	cas, tsas := "certificateAuthorities", "timestampAuthorities"
	twin := issue(t, "root", nil, newKey(), nil) // the name of the root, another key
	weak := func(t *testing.T, edit func(*x509.Certificate)) []byte {
		return issue(t, "weak", f.root, newKey(), edit).cert.Raw
	}
	p224 := must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))
	sha1 := issue(t, "sha1", nil, f.rsa2048, func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA1WithRSA })
	for _, tt := range []struct {
		name string
		doc  []byte
		at   string
		want string
	}{
		{"C12-wrong-order", chainDoc(t, cas, f.root.cert.Raw, f.inter.cert.Raw), "0", "expected its issuer"},
		{"C12-unrelated", chainDoc(t, cas, f.inter.cert.Raw, f.tsaRoot.cert.Raw), "0", "expected its issuer"},
		{"C12-right-name-wrong-key", chainDoc(t, cas, f.inter.cert.Raw, twin.cert.Raw), "0", "not signed by"},
		{"C12-flipped-signature", chainDoc(t, cas, flipLast(f.inter.cert.Raw), f.root.cert.Raw), "0", "not signed by"},
		{"C12-listed-twice", chainDoc(t, cas, f.root.cert.Raw, f.root.cert.Raw), "1", "found it twice"},
		{"C13-not-a-CA", chainDoc(t, cas, f.tsaLeaf.cert.Raw, f.tsaRoot.cert.Raw), "0", "CA:TRUE"},
		{"C13-without-keyCertSign", chainDoc(t, cas, weak(t, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature }), f.root.cert.Raw), "0", "keyCertSign"},
		{"C13-TSA-issuer-not-a-CA", chainDoc(t, tsas, issue(t, "under tsa", f.tsaLeaf, newKey(), asTSA).cert.Raw, f.tsaLeaf.cert.Raw), "0", "not signed by"},
		{"T08-TSA-leaf-without-timeStamping", chainDoc(t, tsas, weak(t, func(c *x509.Certificate) {
			asTSA(c)
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}
		}), f.root.cert.Raw), "0", "timeStamping"},
		{"C08-P-224", chainDoc(t, cas, issue(t, "p224", f.root, p224, nil).cert.Raw, f.root.cert.Raw), "0", "P-224"},
		{"C08-SHA-1", chainDoc(t, cas, sha1.cert.Raw), "0", "SHA-256 or stronger"},
		{"C08-RSA-1024", chainDoc(t, cas, rsa1024), "0", "2048 to 8192 bits, found 1024"},
		{"trailing-bytes", chainDoc(t, cas, append(f.inter.cert.Raw[:len(f.inter.cert.Raw):len(f.inter.cert.Raw)], 0), f.root.cert.Raw), "0", "one certificate in DER"},
		{"two-certificates-in-one", chainDoc(t, cas, append(f.inter.cert.Raw[:len(f.inter.cert.Raw):len(f.inter.cert.Raw)], f.root.cert.Raw...)), "0", "one certificate in DER"},
		{"empty", chainDoc(t, cas, []byte{}), "0", "one certificate in DER"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			list := cas
			if strings.Contains(tt.name, "TSA") {
				list = tsas
			}
			refused(t, tt.doc, "/"+list+"/0/certChain/certificates/"+tt.at, tt.want)
		})
	}
}

// rsa1024 is a self-signed CA with a key that Go declines to make: openssl req
// -x509 -newkey rsa:1024 -addext basicConstraints=critical,CA:TRUE.
var rsa1024 = must(base64.StdEncoding.DecodeString(strings.ReplaceAll(`
MIICEjCCAXugAwIBAgIUa1k6xGdwROXTSd5sG+SupYMMnQIwDQYJKoZIhvcNAQELBQAwEjEQMA4G
A1UEAwwHcnNhMTAyNDAgFw0yNjExMjEwODUwMDdaGA8yMTI2MTAyODA4NTAwN1owEjEQMA4GA1UE
AwwHcnNhMTAyNDCBnzANBgkqhkiG9w0BAQEFAAOBjQAwgYkCgYEAy6JtRgVLticHNN2FHamJx8X3
qL+SlFhuNGcI3T33Z3rY7w00f0PPsMW8Gg3xR+CL87ltgnW4uaq3fBRhToH0XpuUMDIAOhoEf2nh
zB0cU0MmtJfKuyH9C5NKFV777iQP/5I9S3hTW2rmpyvBsutvoMlikSFU4EBj/7Xs22OmXCsCAwEA
AaNjMGEwHQYDVR0OBBYEFHSTG0kr4bQqmNTqapXbLgUscKp/MB8GA1UdIwQYMBaAFHSTG0kr4bQq
mNTqapXbLgUscKp/MA8GA1UdEwEB/wQFMAMBAf8wDgYDVR0PAQH/BAQDAgIEMA0GCSqGSIb3DQEB
CwUAA4GBAA19VeYaABxKPtruISxbOFGg8CMnUPWDIQQuB+D3kzVCwomxYRvjISJ7Wvs74dXMbvvW
4u0L/vpLVBB47ou91pH8TroptOru2DD8g1Qx0sRjaaf/YCXaQx4ylAGL6NDAgq+X8fQL3UjPyQyG
U6ey3d+4MXaNlIAIpDwI/spMEHhO`, "\n", "")))

func flipLast(der []byte) []byte {
	out := append([]byte{}, der...)
	out[len(out)-1] ^= 1
	return out
}

func TestWindowIsWhenTheWholeChainHolds(t *testing.T) {
	t.Parallel()
	f := fixture()
	long := Validity{Start: noon.AddDate(-5, 0, 0)}
	a := must(NewCA([]*x509.Certificate{f.inter.cert, f.root.cert}, long))
	if want := (Validity{f.root.cert.NotBefore, f.root.cert.NotAfter}); !a.Window.equal(want) {
		t.Errorf("got %v, want %v", a.Window, want)
	}
	short := Validity{noon, noon.AddDate(0, 1, 0)}
	if a := must(NewCA(a.Chain, short)); !a.Window.equal(short) {
		t.Errorf("got %v, want %v", a.Window, short)
	}
	if _, err := NewCA(a.Chain, Validity{}); err == nil {
		t.Error("a CA without a start is accepted")
	}
	if _, err := NewCA(nil, short); err == nil {
		t.Error("a CA without certificates is accepted")
	}
}

func TestValidityIsClosed(t *testing.T) {
	t.Parallel()
	v := Validity{noon, noon.AddDate(0, 0, 1)}
	for _, tt := range []struct {
		name string
		v    Validity
		at   time.Duration // after the start
		want bool
	}{
		{"T06-start", v, 0, true},
		{"T06-before", v, -1, false},
		{"T07-end", v, 24 * time.Hour, true},
		{"T07-after", v, 24*time.Hour + 1, false},
		{"open end", Validity{Start: noon}, 1 << 60, true},
		{"always", Validity{}, -1 << 60, true},
	} {
		if got := tt.v.Contains(noon.Add(tt.at)); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}
