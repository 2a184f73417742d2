package bundle_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	"google.golang.org/protobuf/proto"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/sandbox"
)

// signed returns a bundle of each shape that there is, by name, for the caller
// to change. Between them they have every member of the format.
func signed(t testing.TB) map[string]*protobundle.Bundle {
	t.Helper()
	all, err := signedOnce()
	if err != nil {
		t.Fatal(err)
	}
	mine := make(map[string]*protobundle.Bundle, len(all))
	for name, b := range all {
		mine[name] = proto.Clone(b).(*protobundle.Bundle)
	}
	return mine
}

var signedOnce = sync.OnceValues(func() (map[string]*protobundle.Bundle, error) {
	s, err := sandbox.New(&sandbox.Options{Seed: "bundle"})
	if err != nil {
		return nil, err
	}
	statement, err := sandbox.Statement("https://example.com/predicate/v1", nil, sandbox.Subject{Name: "hello", Content: []byte("hello\n")})
	if err != nil {
		return nil, err
	}
	private, err := s.PrivateCA.Issue(sandbox.Request{})
	if err != nil {
		return nil, err
	}
	hello, key := []byte("hello\n"), s.Key("release", sandbox.P256)
	v1, none := []*sandbox.Log{s.RekorV1}, []*sandbox.Log{}
	bundles := make(map[string]*protobundle.Bundle)
	for _, kind := range []struct {
		name string
		sandbox.SignOptions
	}{
		{"message", sandbox.SignOptions{Artifact: hello, Logs: []*sandbox.Log{s.RekorV1, s.RekorV2}}},
		{"statement", sandbox.SignOptions{Statement: statement, Logs: v1}},
		{"key", sandbox.SignOptions{Artifact: hello, Key: key, Logs: none, TSAs: []*sandbox.TSA{}}},
		{"chain", sandbox.SignOptions{Artifact: hello, Leaf: private, Chain: true, Logs: none}},
		{"v0.2", sandbox.SignOptions{Artifact: hello, Logs: v1, MediaType: sandbox.MediaTypeV02}},
		{"v0.1", sandbox.SignOptions{Artifact: hello, Logs: v1, NoProof: true, MediaType: sandbox.MediaTypeV01}},
		{"v0.1-proof", sandbox.SignOptions{Artifact: hello, Logs: v1, MediaType: sandbox.MediaTypeV01}},
		{"P-384", sandbox.SignOptions{Artifact: hello, Key: s.Key("p384", sandbox.P384), Logs: none}},
	} {
		if bundles[kind.name], err = s.Sign(kind.SignOptions); err != nil {
			return nil, err
		}
	}
	bundles["statement"].GetDsseEnvelope().Signatures[0].Keyid = "release"
	return bundles, nil
})

// text returns the JSON of one of the signed bundles, changed first.
func text(t testing.TB, name string, change func(*protobundle.Bundle)) []byte {
	t.Helper()
	b := signed(t)[name]
	if b == nil {
		t.Fatalf("no bundle is called %q", name)
	}
	if change != nil {
		change(b)
	}
	return sandbox.JSON(b)
}

// edit returns the document with the value at an RFC 6901 pointer replaced by
// what change makes of it. Numbers stay as they are written.
func edit(t testing.TB, doc []byte, pointer string, change func(any) any) []byte {
	t.Helper()
	root := decode(t, doc)
	return encode(t, replaced(t, root, strings.Split(pointer, "/")[1:], change))
}

func replaced(t testing.TB, v any, path []string, change func(any) any) any {
	t.Helper()
	if len(path) == 0 {
		return change(v)
	}
	switch v := v.(type) {
	case map[string]any:
		if _, ok := v[path[0]]; !ok {
			t.Fatalf("no member %q in the document", path[0])
		}
		v[path[0]] = replaced(t, v[path[0]], path[1:], change)
	case []any:
		i, err := strconv.Atoi(path[0])
		if err != nil || i >= len(v) {
			t.Fatalf("no element %q in the document", path[0])
		}
		v[i] = replaced(t, v[i], path[1:], change)
	default:
		t.Fatalf("nothing at %q in the document", path[0])
	}
	return v
}

// pointers lists the pointers to every value of the document, itself included.
func pointers(t testing.TB, doc []byte) []string {
	t.Helper()
	var list []string
	var walk func(v any, at string)
	walk = func(v any, at string) {
		list = append(list, at)
		switch v := v.(type) {
		case map[string]any:
			for _, name := range slices.Sorted(maps.Keys(v)) {
				walk(v[name], at+"/"+name)
			}
		case []any:
			for i, item := range v {
				walk(item, at+"/"+strconv.Itoa(i))
			}
		}
	}
	walk(decode(t, doc), "")
	return list
}

// objects lists the pointers to the objects of the document, each with the
// names of its members.
func objects(t testing.TB, doc []byte) map[string][]string {
	t.Helper()
	found := make(map[string][]string)
	for _, at := range pointers(t, doc) {
		edit(t, doc, at, func(v any) any {
			if object, ok := v.(map[string]any); ok {
				found[at] = slices.Sorted(maps.Keys(object))
			}
			return v
		})
	}
	return found
}

// twice is an object in which the member of that name appears twice.
type twice struct {
	object map[string]any
	name   string
}

func (d twice) MarshalJSON() ([]byte, error) {
	whole, err := json.Marshal(d.object)
	if err != nil {
		return nil, err
	}
	again, err := json.Marshal(map[string]any{d.name: d.object[d.name]})
	if err != nil {
		return nil, err
	}
	return slices.Concat(whole[:len(whole)-1], []byte(","), again[1:]), nil
}

func decode(t testing.TB, doc []byte) any {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	doc, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// parses fails the test unless doc parses.
func parses(t testing.TB, doc []byte) *bundle.Bundle {
	t.Helper()
	b, err := bundle.Parse(doc)
	if err != nil {
		t.Fatalf("got %v, want it parsed:\n%.2000s", err, doc)
	}
	return b
}

// refused fails the test unless doc is refused for a reason that contains want.
func refused(t testing.TB, doc []byte, want string) {
	t.Helper()
	b, err := bundle.Parse(doc)
	if err == nil || b != nil || !strings.Contains(err.Error(), want) {
		t.Fatalf("got a bundle: %t, and error %v, want an error with %q for\n%.2000s", b != nil, err, want, doc)
	}
}
