package verify

import (
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"

	"github.com/bundler-sign/bundler/pkg/bundle"
)

// An Artifact is what the caller holds and asks about: its bytes, or digests of
// them that the caller computed. The zero Artifact matches nothing.
//
// An Artifact's bytes are read at most twice: once for its digests and, if the
// signature scheme needs the whole message, once more. It may be verified
// against several bundles, but not concurrently.
type Artifact struct {
	Name string // for the report

	// Open returns the artifact's bytes from the start, each time it is
	// called. If it is nil, Digests are all that is known.
	Open func() (io.ReadCloser, error)

	// Digests are believed as given. Digests computed by reading are added.
	Digests []bundle.Digest

	size int64
	read bool
}

// ErrArtifact is wrapped by errors that mean no verdict, because the artifact
// could not be read.
var ErrArtifact = errors.New("reading the artifact")

// Size returns the number of bytes read, and whether the artifact was read.
func (a *Artifact) Size() (int64, bool) { return a.size, a.read }

// digest returns the artifact's digest by that algorithm, or the zero Digest
// if it is not known.
func (a *Artifact) digest(alg bundle.Algorithm) bundle.Digest {
	for _, d := range a.Digests {
		if d.Algorithm() == alg {
			return d
		}
	}
	return bundle.Digest{}
}

// compute reads the artifact, if that is possible and needed to know its
// digests by these algorithms. Memory is constant.
func (a *Artifact) compute(algs []bundle.Algorithm) error {
	var missing []bundle.Algorithm
	for _, alg := range algs {
		if a.digest(alg).IsZero() && !slices.Contains(missing, alg) {
			missing = append(missing, alg)
		}
	}
	if a.Open == nil || len(missing) == 0 {
		return nil
	}
	r, err := a.Open()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrArtifact, err)
	}
	defer r.Close()
	hashes := make([]hash.Hash, len(missing))
	writers := make([]io.Writer, len(missing))
	for i, alg := range missing {
		hashes[i] = alg.Hash().New()
		writers[i] = hashes[i]
	}
	n, err := io.CopyBuffer(writerOnly{io.MultiWriter(writers...)}, readerOnly{r}, make([]byte, 256<<10))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrArtifact, err)
	}
	if a.read && n != a.size {
		return fmt.Errorf("%w: it changed while it was read: %d bytes, then %d", ErrArtifact, a.size, n)
	}
	a.size, a.read = n, true
	for i, alg := range missing {
		d, err := bundle.NewDigest(alg, hashes[i].Sum(nil))
		if err != nil {
			return err
		}
		a.Digests = append(a.Digests, d)
	}
	return nil
}

// readerOnly and writerOnly hide the methods with which io.Copy would choose a
// buffer of its own.
type (
	readerOnly struct{ io.Reader }
	writerOnly struct{ io.Writer }
)

// bytes returns the whole artifact, which must not be larger than most, and
// checks that it is the one whose digest is known.
func (a *Artifact) bytes(most int64) ([]byte, error) {
	r, err := a.Open()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrArtifact, err)
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrArtifact, err)
	}
	if int64(len(data)) > most {
		return nil, fmt.Errorf("%w: it is larger than the limit of %d bytes for signature schemes that do not hash first", ErrArtifact, most)
	}
	for _, d := range a.Digests {
		if bundle.Sum(d.Algorithm(), data) != d {
			return nil, fmt.Errorf("%w: it changed while it was read", ErrArtifact)
		}
	}
	return data, nil
}

// artifact checks that the content is about the caller's artifacts.
func (r *run) artifact() error {
	if len(r.artifacts) == 0 {
		r.failf(CheckArtifact, "no artifact was given to compare with")
		return nil
	}
	if slices.Contains(r.artifacts, nil) {
		r.failf(CheckArtifact, "an artifact is missing")
		return nil
	}
	if r.b.Message != nil {
		return r.messageArtifact()
	}
	return r.subjectArtifacts()
}

func (r *run) messageArtifact() error {
	if n := len(r.artifacts); n != 1 {
		r.failf(CheckArtifact, "a message signature is about one artifact, %d were given", n)
		return nil
	}
	a, want := r.artifacts[0], r.b.Message.Digest
	if err := a.compute([]bundle.Algorithm{want.Algorithm()}); err != nil {
		return err
	}
	got := a.digest(want.Algorithm())
	switch {
	case got.IsZero():
		r.failCheck(CheckArtifact, "the digest that was given is of another algorithm than the bundle's", want.String(), digestList(a.Digests),
			"give the artifact, or its "+want.Algorithm().String()+" digest")
	case got != want:
		r.failCheck(CheckArtifact, "the bundle is about another artifact", want.String(), got.String(), "check that artifact and bundle belong together")
	default:
		r.passf(CheckArtifact, "%s", got)
	}
	return nil
}

// subjectArtifacts checks that every artifact is a subject of the statement,
// by digest; names are the signer's and prove nothing. One digest that matches
// is enough, and none may contradict it: a subject that agrees in one
// algorithm and differs in another is not the artifact.
func (r *run) subjectArtifacts() error {
	if r.statement == nil {
		return nil // the content check has failed
	}
	algs := subjectAlgorithms(r.statement)
	if len(algs) == 0 {
		r.failf(CheckArtifact, "no subject of the statement has a digest by sha256, sha384 or sha512")
		return nil
	}
	for _, a := range r.artifacts {
		if err := a.compute(algs); err != nil {
			return err
		}
		subject := matchSubject(r.statement, a)
		if subject == nil {
			r.failCheck(CheckArtifact, fmt.Sprintf("%q is not a subject of the statement", a.Name), subjectList(r.statement), digestList(a.Digests),
				"check that artifact and attestation belong together")
			continue
		}
		r.passf(CheckArtifact, "%q is the subject %q", a.Name, subject.Name)
	}
	return nil
}

func subjectAlgorithms(s *bundle.Statement) []bundle.Algorithm {
	var algs []bundle.Algorithm
	for i := range s.Subjects {
		for _, d := range s.Subjects[i].Digests {
			if !slices.Contains(algs, d.Algorithm()) {
				algs = append(algs, d.Algorithm())
			}
		}
	}
	slices.Sort(algs)
	return algs
}

func matchSubject(s *bundle.Statement, a *Artifact) *bundle.Subject {
	for i := range s.Subjects {
		matches, differs := false, false
		for _, d := range s.Subjects[i].Digests {
			switch got := a.digest(d.Algorithm()); {
			case got.IsZero():
			case got == d:
				matches = true
			default:
				differs = true
			}
		}
		if matches && !differs {
			return &s.Subjects[i]
		}
	}
	return nil
}

func digestList(ds []bundle.Digest) string {
	if len(ds) == 0 {
		return "no digest"
	}
	out := ds[0].String()
	for _, d := range ds[1:] {
		out += ", " + d.String()
	}
	return out
}

func subjectList(s *bundle.Statement) string {
	d := "a subject without a known digest"
	if len(s.Subjects[0].Digests) > 0 {
		d = s.Subjects[0].Digests[0].String()
	}
	switch n := len(s.Subjects); n {
	case 1:
		return d
	case 2:
		return d + " or the other subject's"
	default:
		return fmt.Sprintf("%s or that of one of %d more subjects", d, n-1)
	}
}
