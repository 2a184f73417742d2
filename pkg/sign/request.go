package sign

import (
	"crypto"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
	"github.com/bundler-sign/bundler/pkg/trustroot"
)

// Limits on a request.
const (
	MaxMessage = 16 << 20 // bytes of a payload, or of an artifact whose algorithm does not hash first
	MaxRequest = 48 << 20 // bytes of JSON: a payload and its PAE, both in base64
	maxName    = 255      // bytes, as file systems have it
)

// A Request says what is to be signed and by which algorithm. Its parts agree:
// there is no other way to get one than the functions of this package. It is
// immutable and safe for concurrent use. The zero Request can not be assembled.
type Request struct {
	name      string
	algorithm trustroot.KeyDetails

	// A message signature has digests, of which one is by the algorithm's own
	// hash if it has one, and message if it has none.
	digests []bundle.Digest
	size    int64 // -1 if unknown
	message []byte

	payload []byte // an envelope's, else nil
}

// NewMessageRequest returns the request for a signature over the bytes of r,
// which are read to the end. Memory is constant if the algorithm hashes first;
// otherwise r may have MaxMessage bytes. Errors of r are wrapped in ErrRead.
func NewMessageRequest(name string, r io.Reader, alg trustroot.KeyDetails) (*Request, error) {
	if err := checkAlgorithm(alg); err != nil {
		return nil, err
	}
	q := &Request{name: name, algorithm: alg}
	if alg.Hash() == 0 {
		var err error
		if q.message, err = io.ReadAll(io.LimitReader(r, MaxMessage+1)); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrRead, err)
		}
		q.size, q.digests = int64(len(q.message)), []bundle.Digest{bundle.Sum(bundle.SHA256, q.message)}
		return checked(q)
	}
	// The second digest tells, when a signature does not verify, whether it
	// was made with SHA-256 by habit.
	hashes := []crypto.Hash{alg.Hash()}
	if alg.Hash() != crypto.SHA256 {
		hashes = append(hashes, crypto.SHA256)
	}
	var err error
	q.digests, q.size, err = digests(r, hashes)
	if err != nil {
		return nil, err
	}
	return checked(q)
}

// ErrRead is wrapped by the errors of NewMessageRequest and NewSubject that
// come from the reader.
var ErrRead = errors.New("reading the artifact")

// NewDigestRequest returns the request for a signature over an artifact of
// which only the digest is known. It must be by the hash that the algorithm
// prescribes.
func NewDigestRequest(name string, d bundle.Digest, alg trustroot.KeyDetails) (*Request, error) {
	q := &Request{name: name, algorithm: alg, digests: []bundle.Digest{d}, size: -1}
	return checked(q)
}

// NewStatementRequest returns the request for a signature over an in-toto
// statement, which is signed in a DSSE envelope with exactly these bytes.
func NewStatementRequest(name string, statement []byte, alg trustroot.KeyDetails) (*Request, error) {
	q := &Request{name: name, algorithm: alg, payload: append([]byte{}, statement...)}
	return checked(q)
}

// NewSubject reads r to its end and returns it as a subject of a statement, by
// its SHA-256 digest. Errors of r are wrapped in ErrRead.
func NewSubject(name string, r io.Reader) (bundle.Subject, error) {
	list, _, err := digests(r, []crypto.Hash{crypto.SHA256})
	return bundle.Subject{Name: name, Digests: list}, err
}

// digests reads r to its end and returns its digests and its size.
func digests(r io.Reader, hashes []crypto.Hash) ([]bundle.Digest, int64, error) {
	sums := make([]hash.Hash, len(hashes))
	writers := make([]io.Writer, len(hashes))
	for i, h := range hashes {
		sums[i] = h.New()
		writers[i] = sums[i]
	}
	size, err := io.CopyBuffer(io.MultiWriter(writers...), struct{ io.Reader }{r}, make([]byte, 256<<10))
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", ErrRead, err)
	}
	var list []bundle.Digest
	for i, h := range hashes {
		alg, _ := bundle.AlgorithmFor(h)
		d, err := bundle.NewDigest(alg, sums[i].Sum(nil))
		if err != nil {
			return nil, 0, err
		}
		list = append(list, d)
	}
	return list, size, nil
}

// ParseAlgorithm returns the algorithm of that name, as protobuf-specs'
// PublicKeyDetails has it. Those that are read for old signatures' sake are
// refused: nothing new is signed with them.
func ParseAlgorithm(name string) (trustroot.KeyDetails, error) {
	d, ok := keyspec.Parse(name)
	if !ok || d.Old() {
		return 0, fmt.Errorf("expected one of the algorithms %s, found %q", algorithmNames(), name)
	}
	return d, nil
}

func checkAlgorithm(d trustroot.KeyDetails) error {
	if !d.Known() || d.Old() {
		return fmt.Errorf("expected one of the algorithms %s, found %v", algorithmNames(), d)
	}
	return nil
}

func algorithmNames() string {
	var names []string
	for d := trustroot.KeyDetails(1); d < 64; d++ {
		if d.Known() && !d.Old() {
			names = append(names, d.String())
		}
	}
	return strings.Join(names, ", ")
}

// checked returns q if it keeps the rules.
func checked(q *Request) (*Request, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	return q, nil
}

// check holds a request to its own rules. What is derived from other parts is
// not stored, so it can not disagree.
func (q *Request) check() error {
	if err := checkName(q.name); err != nil {
		return err
	}
	if err := checkAlgorithm(q.algorithm); err != nil {
		return err
	}
	if q.IsEnvelope() {
		return q.checkPayload()
	}
	return q.checkMessage()
}

// checkName accepts the name of a file in some directory: a bundle is written
// beside it, so it must not lead elsewhere.
func checkName(name string) error {
	switch {
	case name == "" || name == "." || name == "..":
		return fmt.Errorf("expected the name of a file, found %q", name)
	case len(name) > maxName:
		return fmt.Errorf("expected a name of at most %d bytes, found %d", maxName, len(name))
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !strconv.IsPrint(r) }):
		return fmt.Errorf("expected a name of printable characters, found %q", name)
	case strings.ContainsAny(name, `/\`):
		return fmt.Errorf("expected a name without directories, found %q", name)
	}
	return nil
}

func (q *Request) checkPayload() error {
	if len(q.payload) > MaxMessage {
		return fmt.Errorf("expected a statement of at most %d bytes, found %d", MaxMessage, len(q.payload))
	}
	_, err := bundle.ParseStatement(q.payload)
	return err
}

func (q *Request) checkMessage() error {
	if q.size < -1 {
		return fmt.Errorf("expected a size of 0 bytes or more, found %d", q.size)
	}
	for i, d := range q.digests {
		if d.IsZero() || slices.ContainsFunc(q.digests[:i], func(other bundle.Digest) bool { return other.Algorithm() == d.Algorithm() }) {
			return fmt.Errorf("expected digests by different algorithms, found %q again", d)
		}
	}
	if q.algorithm.Hash() != 0 {
		if q.Digest().IsZero() {
			return fmt.Errorf("%v signs %v digests: expected one, found %s", q.algorithm, q.hash(), digestList(q.digests))
		}
		return nil
	}
	switch n := len(q.message); {
	case q.message == nil:
		return fmt.Errorf("%v signs the artifact itself, not a digest: expected the artifact", q.algorithm)
	case n > MaxMessage:
		return fmt.Errorf("%v signs the artifact itself, all of it at once: expected at most %d bytes, found more (an algorithm that hashes first has no such limit)", q.algorithm, MaxMessage)
	case int64(n) != q.size || len(q.digests) == 0:
		return fmt.Errorf("expected the size and digest of the %d bytes to sign, found %d and %s", n, q.size, digestList(q.digests))
	}
	for _, d := range q.digests {
		if bundle.Sum(d.Algorithm(), q.message) != d {
			return fmt.Errorf("expected the %v digest of the bytes to sign, found another", d.Algorithm())
		}
	}
	return nil
}

func digestList(list []bundle.Digest) string {
	if len(list) == 0 {
		return "none"
	}
	var texts []string
	for _, d := range list {
		texts = append(texts, d.String())
	}
	return strings.Join(texts, ", ")
}

// hash returns the algorithm's hash, zero if it has none.
func (q *Request) hash() bundle.Algorithm {
	h, _ := bundle.AlgorithmFor(q.algorithm.Hash())
	return h
}

// Name names the artifact, for the bundle's file. It is a plain file name. No
// signature covers it.
func (q *Request) Name() string { return q.name }

// Algorithm returns the signature algorithm.
func (q *Request) Algorithm() trustroot.KeyDetails { return q.algorithm }

// IsEnvelope reports whether a statement is to be signed in a DSSE envelope,
// and not an artifact.
func (q *Request) IsEnvelope() bool { return q.payload != nil }

// ToSign returns the bytes to sign. It is nil for an artifact whose algorithm
// hashes first: then the artifact's own bytes are signed, by their Digest.
// The caller must not modify it.
func (q *Request) ToSign() []byte {
	if q.IsEnvelope() {
		return bundle.PAE(bundle.PayloadTypeInToto, q.payload)
	}
	return q.message
}

// Digest returns the digest of the bytes to sign by the algorithm's hash, as a
// key that signs digests needs it. It is the zero Digest if the algorithm does
// not hash first.
func (q *Request) Digest() bundle.Digest {
	if q.algorithm.Hash() == 0 {
		return bundle.Digest{}
	}
	if q.IsEnvelope() {
		return bundle.Sum(q.hash(), q.ToSign())
	}
	return digestBy(q.digests, q.hash())
}

func digestBy(list []bundle.Digest, alg bundle.Algorithm) bundle.Digest {
	for _, d := range list {
		if d.Algorithm() == alg {
			return d
		}
	}
	return bundle.Digest{}
}

// WithAlgorithm returns the request for a signature over the same content by
// another algorithm. It is an error if the request does not hold what that
// algorithm signs.
func (q *Request) WithAlgorithm(alg trustroot.KeyDetails) (*Request, error) {
	other := *q
	other.algorithm = alg
	if q.message != nil && alg.Hash() != 0 {
		h, _ := bundle.AlgorithmFor(alg.Hash())
		other.message, other.digests = nil, []bundle.Digest{bundle.Sum(h, q.message)}
	}
	return checked(&other)
}
