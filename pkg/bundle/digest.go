package bundle

import (
	"crypto"
	_ "crypto/sha256" // registers the hashes that Algorithm names
	_ "crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// Algorithm is a hash algorithm, numbered as protobuf-specs' HashAlgorithm.
type Algorithm uint8

// The hash algorithms that identify artifacts.
const (
	SHA256 Algorithm = 1
	SHA384 Algorithm = 2
	SHA512 Algorithm = 3
)

// Hash returns a as crypto.Hash, zero if a is not one of the constants.
func (a Algorithm) Hash() crypto.Hash {
	switch a {
	case SHA256:
		return crypto.SHA256
	case SHA384:
		return crypto.SHA384
	case SHA512:
		return crypto.SHA512
	}
	return 0
}

// Size returns the length of a digest in bytes, zero if a is unknown.
func (a Algorithm) Size() int {
	if h := a.Hash(); h != 0 {
		return h.Size()
	}
	return 0
}

// String returns the name that in-toto and OCI use: "sha256".
func (a Algorithm) String() string {
	switch a {
	case SHA256:
		return "sha256"
	case SHA384:
		return "sha384"
	case SHA512:
		return "sha512"
	}
	return "unknown"
}

// AlgorithmOf returns the Algorithm of that name ("sha256") or hash, and
// whether there is one.
func AlgorithmOf(name string) (Algorithm, bool) {
	switch name {
	case "sha256":
		return SHA256, true
	case "sha384":
		return SHA384, true
	case "sha512":
		return SHA512, true
	}
	return 0, false
}

// AlgorithmFor is AlgorithmOf for a crypto.Hash.
func AlgorithmFor(h crypto.Hash) (Algorithm, bool) {
	switch h {
	case crypto.SHA256:
		return SHA256, true
	case crypto.SHA384:
		return SHA384, true
	case crypto.SHA512:
		return SHA512, true
	}
	return 0, false
}

// A Digest is a digest with its algorithm. It is comparable; the zero Digest
// is the digest of nothing and equals no other.
type Digest struct {
	alg Algorithm
	sum [64]byte // the first alg.Size() bytes
}

// ErrDigest is wrapped by every error of NewDigest and ParseDigest.
var ErrDigest = errors.New("not a digest")

// NewDigest returns the digest with these bytes. The error wraps ErrDigest if
// alg is unknown or sum does not have its length.
func NewDigest(alg Algorithm, sum []byte) (Digest, error) {
	d := Digest{alg: alg}
	if alg.Size() == 0 {
		return Digest{}, fmt.Errorf("%w: unknown algorithm %d (supported: sha256, sha384, sha512)", ErrDigest, alg)
	}
	if len(sum) != alg.Size() {
		return Digest{}, fmt.Errorf("%w: expected %d bytes for %v, found %d", ErrDigest, alg.Size(), alg, len(sum))
	}
	copy(d.sum[:], sum)
	return d, nil
}

// ParseDigest parses "sha256:<hex>". The error wraps ErrDigest.
func ParseDigest(s string) (Digest, error) {
	name, digits, ok := strings.Cut(s, ":")
	if !ok {
		return Digest{}, fmt.Errorf("%w: expected ALGORITHM:HEX, found %q", ErrDigest, s)
	}
	alg, ok := AlgorithmOf(name)
	if !ok {
		return Digest{}, fmt.Errorf("%w: unknown algorithm %q (supported: sha256, sha384, sha512)", ErrDigest, name)
	}
	sum, err := hex.DecodeString(digits)
	if err != nil {
		return Digest{}, fmt.Errorf("%w: expected hexadecimal digits after %q, found %q", ErrDigest, name+":", digits)
	}
	return NewDigest(alg, sum)
}

// Sum returns the digest of data. It panics if alg is unknown: that is a bug
// in the caller.
func Sum(alg Algorithm, data []byte) Digest {
	h := alg.Hash().New()
	h.Write(data)
	d := Digest{alg: alg}
	h.Sum(d.sum[:0])
	return d
}

// IsZero reports whether d is the zero Digest.
func (d Digest) IsZero() bool { return d.alg == 0 }

// Algorithm returns d's algorithm, zero for the zero Digest.
func (d Digest) Algorithm() Algorithm { return d.alg }

// Bytes returns a copy of the digest.
func (d Digest) Bytes() []byte { return append([]byte(nil), d.sum[:d.alg.Size()]...) }

// Hex returns the digest in lower-case hexadecimal.
func (d Digest) Hex() string { return hex.EncodeToString(d.sum[:d.alg.Size()]) }

// String returns "sha256:<hex>".
func (d Digest) String() string { return d.alg.String() + ":" + d.Hex() }

// MarshalText makes a Digest a JSON string; the zero Digest is "".
func (d Digest) MarshalText() ([]byte, error) {
	if d.IsZero() {
		return nil, nil
	}
	return []byte(d.String()), nil
}
