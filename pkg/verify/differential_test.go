package verify_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"testing"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/verify"
)

// stricter lists why bundler rejects what sigstore-go accepts: a part of the
// failing check, and the reason. Anything else on which they differ fails the
// test, and bundler accepting what sigstore-go rejects always does.
var stricter = []struct{ detail, reason string }{
	{"found null", "null is a value to some readers and absence to others; the four fields that writers in use set to null are exempt"},
	{"expected base64", "sigstore-go passes over line breaks inside base64"},
	{"bytes, found 0", "a certificate or timestamp without bytes is none"},
	{"expected 1 to 65536 bytes", "a certificate or timestamp without bytes is none"},
	{"expected 0 <= logIndex < treeSize", "sigstore-go proves the inclusion of Rekor v2 entries by the index and the checkpoint's size, and reads neither from the proof"},
	{"kindVersion", "sigstore-go rebuilds the body of a Rekor v2 entry from the bundle and does not read what kind it is said to be"},
	{"canonicalizedBody", "sigstore-go rebuilds the body of a Rekor v2 entry and does not read the one in the bundle"},
	{"log.binding", "as above: a body that is there is held to the bundle; and an integrated time that nobody signed must not contradict it"},
	{"log.inclusion", "as above: the body in the bundle, and the root hash and index of its proof, are the ones that are proved"},
	{"log.checkpoint", "as above: the proof's root hash and size are the checkpoint's"},
	{"messageDigest", "a digest has the length of its algorithm"},
	{"time.timestamp", "a timestamp that is wrong fails the bundle, even one that is not needed"},
	{"signed as", "the origin of a Rekor v1 checkpoint is the name that its log signed under"},
	{"no trusted key goes by the bundle's hint", "a hint must be a name of the key that is used, or another key was meant"},
}

// TestDifferentialVectors holds bundler against sigstore-go on the public suites' bundles,
// as they are and with every value in them changed in turn.
func TestDifferentialVectors(t *testing.T) {
	counts := map[string]int{}
	for _, v := range loadVectors(t) {
		t.Run(v.name, func(t *testing.T) {
			compare(t, v, "as it is", counts)
			for _, m := range mutations(v.bundle) {
				changed := *v
				changed.bundle = m.data
				compare(t, &changed, m.name, counts)
			}
		})
	}
	t.Logf("verdicts compared: %v", counts)
	if counts["both accept"] == 0 || counts["both reject"] == 0 {
		t.Fatalf("nothing was compared: %v", counts)
	}
}

// compare runs both verifiers on one bundle.
func compare(t *testing.T, v *vector, name string, counts map[string]int) {
	t.Helper()
	rep, ours := v.verify(t, &verify.Artifact{Name: "a", Digests: []bundle.Digest{v.digest}}, nil)
	theirs := sigstoreGo(v)
	switch {
	case ours == nil && theirs == nil:
		counts["both accept"]++
	case ours != nil && theirs != nil:
		counts["both reject"]++
	case ours == nil:
		t.Errorf("%s: bundler accepts what sigstore-go rejects: %v", name, theirs)
	default:
		counts["bundler stricter"]++
		if !explained(ours, rep) {
			t.Errorf("%s: bundler rejects what sigstore-go accepts, for no reason in the table: %v", name, ours)
		}
	}
}

func explained(err error, rep *verify.Report) bool {
	text := err.Error()
	for _, s := range stricter {
		if strings.Contains(text, s.detail) {
			return true
		}
	}
	return false
}

// A mutation is a bundle with one value changed.
type mutation struct {
	name string
	data []byte
}

// mutations changes every value of a JSON document in turn, each in several
// ways that fit its type.
func mutations(data []byte) []mutation {
	var doc any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if dec.Decode(&doc) != nil {
		return nil
	}
	var out []mutation
	emit := func(name string) {
		text, err := json.Marshal(doc)
		if err != nil {
			panic(err)
		}
		out = append(out, mutation{name, text})
	}
	walk(doc, "", func(v any) { doc = v }, emit)
	return out
}

// walk visits a value and those within it; set replaces the value in its place.
func walk(v any, path string, set func(any), emit func(string)) {
	try := func(what string, changed any) {
		set(changed)
		emit(path + ": " + what)
		set(v)
	}
	try("null", nil)
	switch v := v.(type) {
	case map[string]any:
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		sort.Strings(names)
		for _, name := range names {
			value := v[name]
			delete(v, name)
			emit(path + "/" + name + ": removed")
			v[name] = value
			walk(value, path+"/"+name, func(x any) { v[name] = x }, emit)
		}
		v["bundler.example"] = "x"
		emit(path + ": unknown member")
		delete(v, "bundler.example")
	case []any:
		if len(v) > 0 {
			try("first twice", append([]any{v[0]}, v...))
			try("without the last", v[:len(v)-1])
		}
		for i := range v {
			if i < 2 {
				walk(v[i], fmt.Sprintf("%s/%d", path, i), func(x any) { v[i] = x }, emit)
			}
		}
	case string:
		for _, c := range changedStrings(v) {
			try(c.name, string(c.data))
		}
	case json.Number:
		try("plus one", v+"1")
	}
}

func changedStrings(s string) []mutation {
	out := []mutation{{"empty", nil}, {"longer", []byte(s + "A")}}
	if raw, err := base64.StdEncoding.DecodeString(s); err == nil && len(raw) > 3 {
		for _, at := range []int{0, len(raw) / 3, len(raw) / 2, len(raw) - 1} {
			flipped := bytes.Clone(raw)
			flipped[at] ^= 1
			out = append(out, mutation{fmt.Sprintf("bit in byte %d", at), []byte(base64.StdEncoding.EncodeToString(flipped))})
		}
		out = append(out,
			mutation{"URL-safe", []byte(base64.URLEncoding.EncodeToString(raw))},
			mutation{"unpadded", []byte(base64.RawStdEncoding.EncodeToString(raw))},
			mutation{"with a line break", []byte(s[:4] + "\n" + s[4:])},
		)
		return out
	}
	if len(s) > 0 {
		for _, at := range []int{0, len(s) / 2, len(s) - 1} {
			flipped := []byte(s)
			flipped[at] ^= 1
			out = append(out, mutation{fmt.Sprintf("character %d", at), flipped})
		}
		out = append(out, mutation{"upper case", []byte(strings.ToUpper(s))})
	}
	return out
}
