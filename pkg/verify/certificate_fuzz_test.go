package verify

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"slices"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/bundler-sign/bundler/pkg/sandbox"
)

// certificateWith returns a certificate with those extensions, as
// crypto/x509 parses it, or nil if it refuses them.
func certificateWith(extensions ...pkix.Extension) *x509.Certificate {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: sandbox.Birth, NotAfter: sandbox.Birth.Add(time.Hour),
		ExtraExtensions: extensions,
	}
	der, err := x509.CreateCertificate(nil, template, template, key.Public(), key)
	if err != nil {
		return nil
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil
	}
	return c
}

// A seedSAN is an extension's content, and whether it is names in DER.
type seedSAN struct {
	der []byte
	ok  bool
}

// seedSANs are names of every kind, right and wrong.
func seedSANs() []seedSAN {
	email, uri := sandbox.Email("alice@example.com"), sandbox.URI("https://h.example/p")
	other := sandbox.OtherName(sandbox.OIDUserName, "alice!example.com")
	dir := sandbox.DirName(pkix.Name{CommonName: "alice"})
	registered := sandbox.RegisteredID(sandbox.EKUCodeSigning)
	then := func(b []byte, more ...byte) []byte { return append(slices.Clone(b), more...) }
	typeOnly := other[2 : 2+2+other[3]]
	twoValues := then(typeOnly, 0xa0, 4, 5, 0, 5, 0)
	var seeds []seedSAN
	for ok, lists := range map[bool][][]sandbox.SAN{
		true: {
			{email}, {uri}, {sandbox.DNS("h.example")}, {sandbox.IP("192.0.2.1")}, {sandbox.IP("2001:db8::1")}, {other}, {dir}, {registered},
			{email, uri, other, dir}, {sandbox.Email("")}, {sandbox.Email("a\x00b")}, {sandbox.RawSAN(3, true, nil)}, {sandbox.RawSAN(5, true, nil)},
			{sandbox.OtherName(sandbox.OIDUserName, "")},
		},
		false: {
			{}, {sandbox.Email("ü@example.com")}, {sandbox.SAN{4, 1, 'x'}}, {sandbox.RawSAN(7, false, []byte{1, 2, 3})},
			{sandbox.RawSAN(1, true, []byte("alice@example.com"))}, {sandbox.RawSAN(1, true, email)}, {sandbox.RawSAN(2, true, nil)},
			{sandbox.RawSAN(6, true, uri[2:])}, {sandbox.RawSAN(7, true, []byte{1, 2, 3, 4})}, {sandbox.RawSAN(8, true, registered[2:])},
			{sandbox.RawSAN(0, false, other[2:])}, {sandbox.RawSAN(4, false, dir[2:])}, {sandbox.RawSAN(3, false, nil)},
			{sandbox.RawSAN(0, true, then(other[2:], 5, 0))}, {sandbox.RawSAN(0, true, typeOnly)}, {sandbox.RawSAN(0, true, twoValues)},
			{sandbox.RawSAN(4, true, then(dir[2:], 5, 0))},
		},
	} {
		for _, names := range lists {
			seeds = append(seeds, seedSAN{sandbox.SANExtension(false, names...).Value, ok})
		}
	}
	good := sandbox.SANExtension(false, email).Value
	return append(seeds, seedSAN{then(good, 5, 0), false}, seedSAN{nil, false}, seedSAN{[]byte{0x30, 0x80}, false}, seedSAN{good[:len(good)-1], false})
}

// FuzzSAN: the names read here and those that crypto/x509 reads, and holds to
// name constraints, are the same; and every element is a name that is read.
func FuzzSAN(f *testing.F) {
	for _, seed := range seedSANs() {
		s, err := parseSANs(&x509.Certificate{Extensions: []pkix.Extension{{Id: oidSAN, Value: seed.der}}})
		if (err == nil) != seed.ok || seed.ok && s.Len() == 0 {
			f.Fatalf("seed %x: got %v, want accepted %v", seed.der, err, seed.ok)
		}
		f.Add(seed.der)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		s, err := parseSANs(&x509.Certificate{Extensions: []pkix.Extension{{Id: oidSAN, Value: der}}})
		if err != nil {
			if s != nil {
				t.Fatalf("got names %v with error %v", s.Texts(), err)
			}
			return
		}
		var names []asn1.RawValue
		if err := unmarshalAll(der, &names, "names"); err != nil || s.Len() != len(names) || len(names) == 0 || len(names) > maxNames {
			t.Fatalf("got %d names of %d elements: %v", s.Len(), len(names), err)
		}
		if len(s.Texts()) > s.Len() {
			t.Fatalf("got texts %q for %d names", s.Texts(), s.Len())
		}
		c := certificateWith(pkix.Extension{Id: oidSAN, Value: der})
		if c == nil {
			return
		}
		var uris []string
		for _, u := range c.URIs {
			uris = append(uris, u.String())
		}
		if !slices.Equal(c.DNSNames, s.DNS) || !slices.Equal(c.EmailAddresses, s.Emails) || len(uris) != len(s.URIs) || len(c.IPAddresses) != len(s.IPs) {
			t.Fatalf("crypto/x509 reads %q %q %q %v, and we %+v", c.DNSNames, c.EmailAddresses, uris, c.IPAddresses, s)
		}
		for i, ip := range c.IPAddresses {
			if !ip.Equal(s.IPs[i]) {
				t.Fatalf("crypto/x509 reads %v, and we %v", ip, s.IPs[i])
			}
		}
	})
}

// FuzzFulcio: an issuer that is read has one spelling in each of its two
// extensions, and they agree.
func FuzzFulcio(f *testing.F) {
	der := func(text string) []byte { return sandbox.FulcioExtension(8, text).Value }
	a := "https://accounts.example"
	seeds := [][2][]byte{
		{[]byte(a), der(a)}, {[]byte(a), nil}, {nil, der(a)}, {nil, nil}, {[]byte(a), der(a + "/")}, {[]byte(a), []byte(a)},
		{[]byte(a), append(der(a), 5, 0)}, {[]byte(a), append([]byte{0x2c, byte(len(a))}, a...)}, {[]byte(a), append([]byte{0x0c, 0x81, byte(len(a))}, a...)},
		{[]byte{0xff}, nil}, {nil, []byte{0x0c, 1, 0xff}}, {[]byte("é"), der("é")}, {nil, der("")},
	}
	read := 0
	for _, seed := range seeds {
		if got, err := parseFulcio(fulcioWith(seed[0], seed[1])); err == nil && got != nil {
			read++
		}
		f.Add(seed[0], seed[1])
	}
	if read < 4 || read == len(seeds) {
		f.Fatalf("%d of %d seeds are read: too few or too many to show anything", read, len(seeds))
	}
	f.Fuzz(func(t *testing.T, v1, v2 []byte) {
		got, err := parseFulcio(fulcioWith(v1, v2))
		switch {
		case err != nil && got != nil:
			t.Fatalf("got %+v with error %v", got, err)
		case err != nil:
		case got == nil && (len(v1) > 0 || len(v2) > 0):
			t.Fatalf("found no issuer in %q and %q", v1, v2)
		case got != nil && len(v1) > 0 && string(v1) != got.Issuer:
			t.Fatalf("got issuer %q of %q", got.Issuer, v1)
		case got != nil && len(v2) > 0 && !bytes.Equal(der(got.Issuer), v2):
			t.Fatalf("got issuer %q of %x, which is another spelling of it", got.Issuer, v2)
		}
	})
}

// fulcioWith returns a certificate with the issuer extensions that are not
// empty.
func fulcioWith(v1, v2 []byte) *x509.Certificate {
	c := &x509.Certificate{}
	for n, value := range map[int][]byte{fulcioIssuerV1: v1, fulcioIssuerV2: v2} {
		if len(value) > 0 {
			c.Extensions = append(c.Extensions, pkix.Extension{Id: sandbox.FulcioExtension(n, "").Id, Value: value})
		}
	}
	return c
}

// FuzzSCTList: a list that is read has no second encoding, and no more than
// maxSCTs entries.
func FuzzSCTList(f *testing.F) {
	s, err := sandbox.New(&sandbox.Options{Seed: "fuzz"})
	if err != nil {
		f.Fatal(err)
	}
	one := s.CT.SignSCT(sandbox.SCT{Timestamp: 1, Extensions: []byte{0, 0, 5}}, [32]byte{}, []byte{1})
	longer := one
	longer.Signature = append(slices.Clone(one.Signature), 0)
	two := s.CT.SignSCT(sandbox.SCT{Timestamp: 1<<64 - 1}, [32]byte{1}, nil)
	seeds := [][]byte{
		sandbox.SCTExtension().Value, sandbox.SCTExtension(one).Value, sandbox.SCTExtension(one, two).Value, sandbox.SCTExtension(one, one).Value,
		sandbox.SCTExtension(slices.Repeat([]sandbox.SCT{one}, maxSCTs)...).Value, sandbox.SCTExtension(slices.Repeat([]sandbox.SCT{one}, maxSCTs+1)...).Value,
		append(sandbox.SCTExtension(one).Value, 0), sandbox.SCTExtension(longer).Value, sandbox.SCTExtension(one).Value[:40], {4, 0}, {5, 0}, nil,
	}
	read := 0
	for _, seed := range seeds {
		if list, err := parseSCTList(seed); err == nil && len(list) > 0 {
			read++
		}
		f.Add(seed)
	}
	if read != 4 {
		f.Fatalf("%d seeds are read, want 4", read)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		list, err := parseSCTList(der)
		if err != nil {
			if list != nil {
				t.Fatalf("got %d SCTs with error %v", len(list), err)
			}
			return
		}
		if len(list) > maxSCTs {
			t.Fatalf("got %d SCTs, want at most %d", len(list), maxSCTs)
		}
		if again := encodeSCTs(t, list); !bytes.Equal(again, der) {
			t.Fatalf("%x reads as %x", der, again)
		}
	})
}

// encodeSCTs is the inverse of parseSCTList.
func encodeSCTs(t *testing.T, list []*sct) []byte {
	t.Helper()
	var out cryptobyte.Builder
	out.AddASN1(cbasn1.OCTET_STRING, func(b *cryptobyte.Builder) {
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
			for _, s := range list {
				b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
					b.AddUint8(0)
					b.AddBytes(s.logID)
					b.AddUint64(s.timestamp)
					b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(s.extensions) })
					b.AddUint8(s.hash)
					b.AddUint8(s.alg)
					b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(s.signature) })
				})
			}
		})
	})
	return out.BytesOrPanic()
}
