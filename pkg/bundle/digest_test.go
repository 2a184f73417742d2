package bundle_test

import (
	"crypto"
	"crypto/sha512"
	"encoding/json/v2"
	"errors"
	"strings"
	"testing"

	"github.com/bundler-sign/bundler/pkg/bundle"
)

func TestDigestKnownAnswers(t *testing.T) {
	t.Parallel()
	for alg, want := range map[bundle.Algorithm]string{ // of "abc": FIPS 180-4
		bundle.SHA256: "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		bundle.SHA384: "sha384:cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
		bundle.SHA512: "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
	} {
		d := bundle.Sum(alg, []byte("abc"))
		if d.String() != want || d.Algorithm() != alg || d.IsZero() {
			t.Errorf("got %v, want %s", d, want)
		}
		parsed, err := bundle.ParseDigest(want)
		if err != nil || parsed != d {
			t.Errorf("ParseDigest: got %v, %v", parsed, err)
		}
		if upper, err := bundle.ParseDigest(alg.String() + ":" + strings.ToUpper(d.Hex())); err != nil || upper != d {
			t.Errorf("in upper case: got %v, %v", upper, err)
		}
		made, err := bundle.NewDigest(alg, d.Bytes())
		if err != nil || made != d {
			t.Errorf("NewDigest: got %v, %v", made, err)
		}
		if named, ok := bundle.AlgorithmOf(alg.String()); !ok || named != alg {
			t.Errorf("AlgorithmOf(%v): got %v, %t", alg, named, ok)
		}
		if hashed, ok := bundle.AlgorithmFor(alg.Hash()); !ok || hashed != alg {
			t.Errorf("AlgorithmFor(%v): got %v, %t", alg.Hash(), hashed, ok)
		}
	}
}

// TestDigestRefuses: the twin of every row is the digest of the right length
// under its own name.
func TestDigestRefuses(t *testing.T) {
	t.Parallel()
	hex32 := strings.Repeat("ab", 32)
	if _, err := bundle.ParseDigest("sha256:" + hex32); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"B12-sha512-of-32-bytes": "sha512:" + hex32, "B12-sha384-of-32-bytes": "sha384:" + hex32,
		"B12-md5": "md5:" + hex32, "B12-sha1": "sha1:" + hex32, "B12-no-algorithm": ":" + hex32, "B12-no-name": hex32,
		"B12-upper-case": "SHA256:" + hex32, "B12-dash": "sha-256:" + hex32, "B12-sha3": "sha3-256:" + hex32,
		"B13-empty": "sha256:", "B13-short": "sha256:" + hex32[2:], "B13-long": "sha256:" + hex32 + "ab",
		"B13-odd": "sha256:" + hex32[1:], "B13-not-hex": "sha256:" + strings.Repeat("zz", 32), "B13-space": "sha256: " + hex32,
		"B13-line-break": "sha256:" + hex32 + "\n", "B13-nothing": "",
	} {
		t.Run(name, func(t *testing.T) {
			d, err := bundle.ParseDigest(text)
			if !errors.Is(err, bundle.ErrDigest) || !d.IsZero() {
				t.Errorf("%q: got %v, %v, want an error that wraps ErrDigest", text, d, err)
			}
		})
	}
	sum := sha512.Sum512([]byte("abc"))
	for name, f := range map[string]func() (bundle.Digest, error){
		"B13-nil":            func() (bundle.Digest, error) { return bundle.NewDigest(bundle.SHA256, nil) },
		"B13-other-length":   func() (bundle.Digest, error) { return bundle.NewDigest(bundle.SHA256, sum[:]) },
		"B12-zero-algorithm": func() (bundle.Digest, error) { return bundle.NewDigest(0, nil) },
		"B12-unknown-number": func() (bundle.Digest, error) { return bundle.NewDigest(4, sum[:32]) },
	} {
		t.Run(name, func(t *testing.T) {
			if d, err := f(); !errors.Is(err, bundle.ErrDigest) || !d.IsZero() {
				t.Errorf("got %v, %v, want an error that wraps ErrDigest", d, err)
			}
		})
	}
}

// TestZeroDigestIsNoDigest: nothing equals it, and it shows as nothing.
func TestZeroDigestIsNoDigest(t *testing.T) {
	t.Parallel()
	var zero bundle.Digest
	if !zero.IsZero() || zero.Algorithm() != 0 || len(zero.Bytes()) != 0 || zero.Hex() != "" {
		t.Errorf("got %+v, want nothing in it", zero)
	}
	if zero == bundle.Sum(bundle.SHA256, nil) {
		t.Error("the zero digest equals one of the empty text")
	}
	if alg, ok := bundle.AlgorithmFor(crypto.SHA1); ok {
		t.Errorf("got %v for SHA-1", alg)
	}
	for d, want := range map[bundle.Digest]string{zero: `""`, bundle.Sum(bundle.SHA256, nil): `"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"`} {
		if text, err := json.Marshal(d); err != nil || string(text) != want {
			t.Errorf("as JSON: got %s, %v, want %s", text, err, want)
		}
	}
}

// TestDigestsDifferByAlgorithm: equal bytes under two names are two digests.
func TestDigestsDifferByAlgorithm(t *testing.T) {
	t.Parallel()
	d := bundle.Sum(bundle.SHA256, []byte("abc"))
	d.Bytes()[0]++ // a copy: the digest does not change
	if d != bundle.Sum(bundle.SHA256, []byte("abc")) {
		t.Error("a caller's change reached into the digest")
	}
	if d == bundle.Sum(bundle.SHA384, []byte("abc")) || d == bundle.Sum(bundle.SHA256, []byte("abd")) {
		t.Error("digests of different things are equal")
	}
}
