package bundle_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bundler-sign/bundler/pkg/bundle"
)

// aStatement has every member that the specifications name, and a predicate
// that no reader can hold in a float64.
const aStatement = `{
  "_type": "https://in-toto.io/Statement/v1",
  "subject": [
    {"name": "a", "digest": {"sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "gitCommit": "1234"}},
    {"uri": "pkg:a", "digest": {"sha512": "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"},
     "content": "AA==", "downloadLocation": "https://a.example", "mediaType": "text/plain", "annotations": {"x": 1}}
  ],
  "predicateType": "https://example.com/predicate/v1",
  "predicate": {"n": 9007199254740993, "e": 1e400, "f": 0.30000000000000000001, "null": null, "list": [null, {"a": {}}], "subject": "x", "A": 1, "a": 2}
}`

func TestParseStatement(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{bundle.StatementV1, bundle.StatementV01} {
		s, err := bundle.ParseStatement([]byte(strings.Replace(aStatement, bundle.StatementV1, kind, 1)))
		if err != nil {
			t.Fatal(err)
		}
		if s.Type != kind || s.PredicateType != "https://example.com/predicate/v1" || len(s.Subjects) != 2 {
			t.Errorf("got %q, %q, %d subjects", s.Type, s.PredicateType, len(s.Subjects))
		}
		empty256, empty512 := bundle.Sum(bundle.SHA256, nil), bundle.Sum(bundle.SHA512, nil)
		if a := s.Subjects[0]; a.Name != "a" || !slices.Equal(a.Digests, []bundle.Digest{empty256}) || !slices.Equal(a.Other, []string{"gitCommit"}) {
			t.Errorf("first subject: got %+v", a)
		}
		if b := s.Subjects[1]; b.URI != "pkg:a" || !slices.Equal(b.Digests, []bundle.Digest{empty512}) {
			t.Errorf("second subject: got %+v", b)
		}
	}
}

// TestStatementKeepsThePredicateAsSigned: numbers that a float64 can not hold
// included.
func TestStatementKeepsThePredicateAsSigned(t *testing.T) {
	t.Parallel()
	t.Run("J08-exact-numbers", func(t *testing.T) {
		s, err := bundle.ParseStatement([]byte(aStatement))
		if err != nil {
			t.Fatal(err)
		}
		_, want, _ := strings.Cut(aStatement, `"predicate": `)
		if got := string(s.Predicate); got != strings.TrimSuffix(want, "\n}") {
			t.Errorf("got predicate %s, want it byte by byte", got)
		}
	})
	t.Run("J04-unknown-members-of-a-predicate", func(t *testing.T) {
		s, err := bundle.ParseStatement(statementWith(oneSubject, `{"anything":{"goes":[true]}}`))
		if err != nil || string(s.Predicate) != `{"anything":{"goes":[true]}}` {
			t.Errorf("got %v, want it kept", err)
		}
	})
	s, err := bundle.ParseStatement([]byte(`{"_type":"https://in-toto.io/Statement/v1","subject":` + oneSubject + `,"predicateType":"p"}`))
	if err != nil || s.Predicate != nil {
		t.Errorf("without a predicate: got %v, %v", s, err)
	}
}

func TestStatementRefusesFaultsAtEveryNode(t *testing.T) {
	t.Parallel()
	doc := []byte(aStatement)
	fails := func(t *testing.T, bad []byte, want string) {
		t.Helper()
		if s, err := bundle.ParseStatement(bad); err == nil || s != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got a statement: %t, and %v, want an error with %q for\n%s", s != nil, err, want, bad)
		}
	}
	if _, err := bundle.ParseStatement(encode(t, decode(t, doc))); err != nil {
		t.Fatal(err)
	}
	inPredicate := func(at string) bool {
		return strings.HasPrefix(at, "/predicate") && !strings.HasPrefix(at, "/predicateType")
	}
	for at, members := range objects(t, doc) {
		t.Run("J01-statement"+at, func(t *testing.T) {
			for _, member := range members {
				fails(t, edit(t, doc, at, func(v any) any { return twice{v.(map[string]any), member} }), "appears twice")
			}
		})
		if inPredicate(at) || strings.Contains(at, "annotations") || strings.HasSuffix(at, "/digest") {
			continue // the signer's own names
		}
		t.Run("J02-J03-statement"+at, func(t *testing.T) {
			for _, member := range members {
				for _, spelling := range append(respelled(member), strings.TrimPrefix(member, "_"), "predicate_type", "media_type", "type") {
					if spelling == member {
						continue
					}
					fails(t, edit(t, doc, at, func(v any) any {
						object := v.(map[string]any)
						object[spelling] = object[member]
						return object
					}), fmt.Sprintf("unknown member %q", spelling))
				}
			}
		})
	}
	for _, at := range pointers(t, doc) {
		if inPredicate(at) && at != "/predicate" {
			continue // a predicate may hold null
		}
		t.Run("J06-statement"+at, func(t *testing.T) {
			want := "null"
			if at == "" {
				want = "/_type" // a document that is null has no members
			}
			fails(t, edit(t, doc, at, func(any) any { return nil }), want)
		})
	}
}

func TestStatementRefuses(t *testing.T) {
	t.Parallel()
	const sha256Name = `"sha256": "e3b0`
	for name, test := range map[string]struct{ old, new, want string }{
		"B16-type-garbage":            {"https://in-toto.io/Statement/v1", "garbage", "at /_type: expected"},
		"B16-type-of-a-later-version": {"https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v2", "at /_type: expected"},
		"B16-type-in-another-case":    {"https://in-toto.io/Statement/v1", "https://in-toto.io/statement/v1", "at /_type: expected"},
		"B16-type-with-a-space":       {"https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v1 ", "at /_type: expected"},
		"B16-type-absent":             {`"_type": "https://in-toto.io/Statement/v1",`, "", "at /_type: expected a string, found nothing"},
		"B16-type-a-number":           {`"https://in-toto.io/Statement/v1"`, "1", "at /_type: expected a string, found"},
		"B17-predicate-type-absent":   {`"predicateType": "https://example.com/predicate/v1",`, "", "at /predicateType: expected a string, found nothing"},
		"B17-predicate-type-empty":    {`"https://example.com/predicate/v1"`, `""`, "at /predicateType: expected a string that is not empty"},
		"predicate-a-string":          {`"predicate": {`, `"predicate": "x", "subject2": {`, "unknown member"},
		"B19-digest-not-hex":          {sha256Name, `"sha256": "zzzz`, "expected hexadecimal digits"},
		"B19-digest-short":            {sha256Name, `"sha256": "`, "expected 32 bytes for sha256, found 30"},
		"B12-digest-of-another-name":  {sha256Name, `"sha512": "e3b0`, "expected 64 bytes for sha512, found 32"},
		"digest-a-number":             {`"gitCommit": "1234"`, `"gitCommit": 1234`, "expected a string"},
		"subject-an-object":           {`"subject": [`, `"subject": {"a": [`, "at "},
		"J09-lone-surrogate":          {`"name": "a"`, `"name": "\ud800"`, "at "},
		"J09-invalid-UTF-8":           {`"name": "a"`, "\"name\": \"\xff\"", "at "},
		"J09-surrogate-in-predicate":  {`"n": 9007199254740993`, `"n": "\udfff"`, "at "},
		"J05-trailing":                {"\n}", "\n}}", "at line"},
		"J05-two-documents":           {"\n}", "\n}{}", "at line"},
		"J05-byte-order-mark":         {"{\n", "\ufeff{\n", "at line"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := bundle.ParseStatement([]byte(aStatement)); err != nil {
				t.Fatal(err)
			}
			bad := strings.Replace(aStatement, test.old, test.new, 1)
			if bad == aStatement {
				t.Fatal("the fault is not there")
			}
			s, err := bundle.ParseStatement([]byte(bad))
			if err == nil || s != nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got a statement: %t, and %v, want an error with %q", s != nil, err, test.want)
			}
		})
	}
	for name, test := range map[string]struct{ subjects, predicate, want string }{
		"B19-no-subjects":      {`[]`, `{}`, "expected at least one subject"},
		"subject-a-string":     {`"a"`, `{}`, "at /subject: expected an array"},
		"subject-of-strings":   {`["a"]`, `{}`, "at /subject/0: "},
		"J06-predicate-null":   {oneSubject, `null`, "at /predicate: expected an object, found null"},
		"predicate-an-array":   {oneSubject, `[]`, "at /predicate: expected an object"},
		"predicate-a-sentence": {oneSubject, `"x"`, "at /predicate: expected an object"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := bundle.ParseStatement(statementWith(oneSubject, `{}`)); err != nil {
				t.Fatal(err)
			}
			s, err := bundle.ParseStatement(statementWith(test.subjects, test.predicate))
			if err == nil || s != nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got a statement: %t, and %v, want an error with %q", s != nil, err, test.want)
			}
		})
	}
}

// TestNewStatementIsRead: what is built is read back as it was meant, and what
// would not be read is not built.
func TestNewStatementIsRead(t *testing.T) {
	t.Parallel()
	digests := []bundle.Digest{bundle.Sum(bundle.SHA256, []byte("a")), bundle.Sum(bundle.SHA512, []byte("a"))}
	predicate := []byte(`{"b": 9007199254740993, "a": [ ]}`)
	out, err := bundle.NewStatement([]bundle.Subject{{Name: "a", Digests: digests}, {Digests: digests[:1]}}, "https://example.com/p", predicate)
	if err != nil {
		t.Fatal(err)
	}
	s, err := bundle.ParseStatement(out)
	if err != nil {
		t.Fatal(err)
	}
	if s.Type != bundle.StatementV1 || s.PredicateType != "https://example.com/p" || string(s.Predicate) != `{"b":9007199254740993,"a":[]}` {
		t.Errorf("got %+v", s)
	}
	if len(s.Subjects) != 2 || s.Subjects[0].Name != "a" || len(s.Subjects[0].Digests) != 2 || s.Subjects[1].Digests[0] != digests[0] {
		t.Errorf("got subjects %+v", s.Subjects)
	}
	again, err := bundle.NewStatement([]bundle.Subject{{Name: "a", Digests: digests}, {Digests: digests[:1]}}, "https://example.com/p", predicate)
	if err != nil || !bytes.Equal(out, again) {
		t.Errorf("the same statement is another text: %v", err)
	}
	for name, f := range map[string]func() ([]byte, error){
		"no subject": func() ([]byte, error) { return bundle.NewStatement(nil, "p", predicate) },
		"no type": func() ([]byte, error) {
			return bundle.NewStatement([]bundle.Subject{{Digests: digests}}, "", predicate)
		},
		"no predicate": func() ([]byte, error) { return bundle.NewStatement([]bundle.Subject{{Digests: digests}}, "p", nil) },
		"two documents": func() ([]byte, error) {
			return bundle.NewStatement([]bundle.Subject{{Digests: digests}}, "p", []byte(`{}{}`))
		},
		"duplicate": func() ([]byte, error) {
			return bundle.NewStatement([]bundle.Subject{{Digests: digests}}, "p", []byte(`{"a":1,"a":2}`))
		},
		"not an object": func() ([]byte, error) {
			return bundle.NewStatement([]bundle.Subject{{Digests: digests}}, "p", []byte(`1`))
		},
		"not a text": func() ([]byte, error) {
			return bundle.NewStatement([]bundle.Subject{{Name: "\xff", Digests: digests}}, "p", predicate)
		},
		"too many of it": func() ([]byte, error) {
			return bundle.NewStatement(slices.Repeat([]bundle.Subject{{Digests: digests}}, 1025), "p", predicate)
		},
	} {
		if out, err := f(); err == nil || out != nil {
			t.Errorf("%s: got %.80s, %v, want an error", name, out, err)
		}
	}
}
