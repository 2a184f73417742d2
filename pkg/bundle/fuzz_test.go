package bundle_test

import (
	"bytes"
	jsonv1 "encoding/json"
	"strings"
	"testing"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/bundler-sign/bundler/pkg/bundle"
)

// seeds adds every bundle of the sandbox and returns how many there are.
func seeds(f *testing.F) (docs [][]byte) {
	f.Helper()
	for name := range signed(f) {
		doc := text(f, name, nil)
		if len(doc) == 0 {
			f.Fatal("an empty seed")
		}
		if _, err := bundle.Parse(doc); err != nil {
			f.Fatalf("a seed that is refused holds no property: %v", err)
		}
		docs = append(docs, doc)
	}
	if len(docs) == 0 {
		f.Fatal("no seeds")
	}
	return docs
}

// FuzzParse: what is accepted protobuf's own reader takes too, and it is
// written and read back as itself.
func FuzzParse(f *testing.F) {
	for _, doc := range seeds(f) {
		f.Add(doc)
	}
	f.Add([]byte(`{"mediaType":"` + bundle.MediaTypeV03 + `","verificationMaterial":{"publicKey":{}},"messageSignature":{"messageDigest":{"algorithm":1,"digest":"` + strings.Repeat("A", 43) + `="},"signature":"AA"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := bundle.Parse(data)
		if err != nil {
			if b != nil || err.Error() == "" {
				t.Fatalf("got a bundle: %t, with error %q", b != nil, err)
			}
			return
		}
		if err := protojson.Unmarshal(data, new(protobundle.Bundle)); err != nil {
			t.Fatalf("accepted, and protojson refuses it: %v", err)
		}
		out, err := b.Marshal()
		if err != nil {
			for i := range b.Entries {
				if b.Version == bundle.V01 && b.Entries[i].Proof == nil {
					return // has no form in version 0.3
				}
			}
			t.Fatalf("accepted and not written: %v", err)
		}
		sameBundle(t, b, out)
	})
}

// FuzzParseLines: the bundles of a file are those of its lines.
func FuzzParseLines(f *testing.F) {
	docs := seeds(f)
	f.Add(bytes.Join(docs, []byte("\n")))
	f.Add(append(docs[0], "\r\n\n \n"...))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := bundle.ParseLines(data)
		if err != nil {
			if got != nil {
				t.Fatalf("got %d bundles with error %v", len(got), err)
			}
			return
		}
		var want []*bundle.Bundle
		for line := range bytes.SplitSeq(data, []byte("\n")) {
			if b, err := bundle.Parse(line); err == nil {
				want = append(want, b)
			} else if len(bytes.TrimSpace(line)) > 0 {
				t.Fatalf("accepted a file with the line %q: %v", line, err)
			}
		}
		if len(got) != len(want) || len(got) == 0 {
			t.Fatalf("got %d bundles, want %d", len(got), len(want))
		}
		for i := range got {
			a, errA := got[i].Marshal()
			b, errB := want[i].Marshal()
			if !bytes.Equal(a, b) || (errA == nil) != (errB == nil) {
				t.Errorf("bundle %d is another in its file", i)
			}
		}
	})
}

// FuzzParseStatement: what is accepted says the same to the lenient reader that
// other tools use, which ignores case and takes the last of two members.
func FuzzParseStatement(f *testing.F) {
	for _, seed := range []string{aStatement, string(statementWith(oneSubject, `{}`)), strings.Replace(aStatement, bundle.StatementV1, bundle.StatementV01, 1)} {
		if _, err := bundle.ParseStatement([]byte(seed)); err != nil {
			f.Fatalf("a seed that is refused holds no property: %v", err)
		}
		f.Add([]byte(seed))
	}
	f.Add([]byte(strings.Replace(aStatement, `"subject"`, `"Subject"`, 1)))
	f.Fuzz(func(t *testing.T, payload []byte) {
		s, err := bundle.ParseStatement(payload)
		if err != nil {
			if s != nil || err.Error() == "" {
				t.Fatalf("got a statement: %t, with error %q", s != nil, err)
			}
			return
		}
		var lenient struct {
			Type          string `json:"_type"`
			PredicateType string `json:"predicateType"`
			Subject       []struct {
				Name   string            `json:"name"`
				Digest map[string]string `json:"digest"`
			} `json:"subject"`
			Predicate jsonv1.RawMessage `json:"predicate"`
		}
		if err := jsonv1.Unmarshal(payload, &lenient); err != nil {
			t.Fatalf("accepted, and encoding/json refuses it: %v", err)
		}
		if lenient.Type != s.Type || lenient.PredicateType != s.PredicateType || !bytes.Equal(lenient.Predicate, s.Predicate) || len(lenient.Subject) != len(s.Subjects) {
			t.Fatalf("got %+v, encoding/json %+v", s, lenient)
		}
		for i, want := range lenient.Subject {
			got := s.Subjects[i]
			if got.Name != want.Name || len(got.Digests)+len(got.Other) != len(want.Digest) {
				t.Fatalf("subject %d: got %+v, encoding/json %+v", i, got, want)
			}
			for _, d := range got.Digests {
				if !strings.EqualFold(want.Digest[d.Algorithm().String()], d.Hex()) {
					t.Fatalf("subject %d: got %v, encoding/json %q", i, d, want.Digest)
				}
			}
		}
	})
}

// FuzzDigest: what is accepted is one algorithm's name and the hexadecimal
// digits of its bytes, and is read back as itself.
func FuzzDigest(f *testing.F) {
	for _, alg := range []bundle.Algorithm{bundle.SHA256, bundle.SHA384, bundle.SHA512} {
		seed := bundle.Sum(alg, nil).String()
		if len(seed) == 0 {
			f.Fatal("an empty seed")
		}
		f.Add(seed)
		f.Add(strings.ToUpper(seed))
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := bundle.ParseDigest(text)
		if err != nil {
			if !d.IsZero() {
				t.Fatalf("got %v with error %v", d, err)
			}
			return
		}
		name, _, _ := strings.Cut(text, ":")
		if name != d.Algorithm().String() || !strings.EqualFold(text, d.String()) || len(d.Bytes()) != d.Algorithm().Size() {
			t.Fatalf("%q was read as %v", text, d)
		}
		if again, err := bundle.ParseDigest(d.String()); err != nil || again != d {
			t.Fatalf("%v is read back as %v, %v", d, again, err)
		}
	})
}
