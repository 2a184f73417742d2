package verify_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/sandbox"
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
	{"log.promise: entry in", "a promise that is wrong fails the bundle; sigstore-go passes over its entry, and another one meets the threshold"},
	{"inclusionProof: missing, and required in a bundle of version 0.3", "every entry has a proof since version 0.2; sigstore-go asks for one of them to have it"},
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

// beyondSigstoreGo are the kinds of honest bundle that sigstore-go does not
// judge: bundler accepts them, and there is nothing to compare.
var beyondSigstoreGo = map[string]string{
	"statement, dsse v2": "sigstore-go knows hashedrekord alone of Rekor v2's kinds; rekor-tiles has given up dsse 0.0.2, and entries from before remain",
}

// TestDifferentialSandbox is TestDifferentialVectors on bundles of a sandbox:
// those of every kind that honest services make, those that services make with
// each of their faults, timestamps of every form, and mutations of some.
func TestDifferentialSandbox(t *testing.T) {
	s := newSandbox(t)
	counts := map[string]int{}
	for name, o := range honestKinds(t, s) {
		if _, ok := beyondSigstoreGo[name]; ok {
			continue
		}
		v := honest(t, s, o).vector(o.Key)
		compare(t, v, name, counts)
		if !slices.Contains([]string{"message, both logs", "statement, intoto v1", "key, message, Rekor v1"}, name) {
			continue
		}
		for _, m := range mutations(v.bundle) {
			changed := *v
			changed.bundle = m.data
			compare(t, &changed, name+" "+m.name, counts)
		}
	}
	if n := len(honestKinds(t, s)) - len(beyondSigstoreGo); counts["both accept"] < n {
		t.Errorf("both accept %d bundles, want the %d honest kinds at least", counts["both accept"], n)
	}
	for name, bend := range honestForms(t, s) {
		compare(t, stamped(t, s, bend).vector(nil), "timestamp, "+name, counts)
	}
	flipTokens(t, s, counts)
	for _, f := range sandbox.Faults() {
		for _, log := range []*sandbox.Log{s.RekorV1, s.RekorV2} {
			for kind, o := range map[string]sandbox.SignOptions{"message": {}, "statement": {Statement: statement(t)}} {
				o.Logs = []*sandbox.Log{log}
				s.Misbehave(f)
				c := honest(t, s, o)
				s.Misbehave(sandbox.Honest)
				compare(t, c.vector(nil), fmt.Sprintf("%s of version %d, %s", f, log.Version, kind), counts)
			}
		}
	}
	t.Logf("verdicts compared: %v", counts)
}

// flipTokens changes a timestamp in one byte at a time: by its lowest bit, by the
// one that makes tags constructed and letters of another case, or by its highest.
// Those that bundler rejects need no second opinion.
func flipTokens(t *testing.T, s *sandbox.Sandbox, counts map[string]int) {
	c := stamped(t, s, nil)
	stamp := c.material().TimestampVerificationData.Rfc3161Timestamps[0]
	token := stamp.SignedTimestamp
	for i := range token {
		stamp.SignedTimestamp = bytes.Clone(token)
		stamp.SignedTimestamp[i] ^= [...]byte{0x01, 0x20, 0x80}[i%3]
		if _, err := c.verify(t); err != nil {
			counts["bundler rejects"]++
			continue
		}
		compare(t, c.vector(nil), fmt.Sprintf("timestamp with byte %d of %d changed", i, len(token)), counts)
	}
}

// vector is the trial as both verifiers take it; key is its signer, if managed.
func (c *trial) vector(key *sandbox.Key) *vector {
	v := &vector{
		bundle: c.text(), trust: sandbox.JSON(c.Root), digest: bundle.Sum(bundle.SHA256, hello),
		identity: sandbox.DefaultIdentity, issuer: sandbox.DefaultIssuer,
	}
	if key != nil {
		v.key = key.PEM()
	}
	return v
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
