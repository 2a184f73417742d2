package sign

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
	"github.com/bundler-sign/bundler/pkg/internal/strictjson"
)

// edit returns the request's JSON with one member set to value, nil to remove
// it. path is like "messageSignature/digests/0".
func edit(t *testing.T, q *Request, path string, value any) []byte {
	t.Helper()
	text, err := q.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(path, "/")
	in := doc
	for _, p := range parts[:len(parts)-1] {
		next, ok := in[p].(map[string]any)
		if !ok {
			next = map[string]any{}
			in[p] = next
		}
		in = next
	}
	if last := parts[len(parts)-1]; value == nil {
		delete(in, last)
	} else {
		in[last] = value
	}
	text, err = json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestEditedRequests edits every member of a request in every way that keeps
// it JSON. Each is refused, as a request or when the signature made for the
// original is to be assembled with it; but for the labels that nothing signs,
// with which the bundle is the same.
func TestEditedRequests(t *testing.T) {
	t.Parallel()
	message, statement, pure := messageRequest(t, keyspec.ECDSAP384SHA384), statementRequest(t, keyspec.ECDSAP256SHA256), messageRequest(t, keyspec.Ed25519)
	other := bundle.Sum(bundle.SHA384, []byte("other"))
	otherStatement := strings.Replace(statementText, `"n":1`, `"n":2`, 1)
	respaced := strings.Replace(statementText, `"n":1`, `"n": 1`, 1)
	pae := base64Of(bundle.PAE(bundle.PayloadTypeInToto, []byte(otherStatement)))
	for name, test := range map[string]struct {
		q     *Request
		path  string
		value any
		want  string // "" if only a label is edited
	}{
		"media-type":             {message, "mediaType", "application/vnd.bundler.signingrequest.v2+json", "at /mediaType"},
		"media-type-absent":      {message, "mediaType", nil, "at /mediaType"},
		"unknown-member":         {message, "comment", "x", `unknown member "comment"`},
		"case-variant":           {message, "Digest", "x", `unknown member "Digest"`},
		"name":                   {message, "name", "other.tar", ""},
		"name-absent":            {message, "name", nil, "expected the name of a file"},
		"name-with-directory":    {message, "name", "../app.tar", "without directories"},
		"name-dots":              {message, "name", "..", "expected the name of a file"},
		"name-backslash":         {message, "name", `..\app`, "without directories"},
		"C14-name-escape":        {message, "name", "a\x1b[2Jb", "printable"},
		"C14-name-right-to-left": {message, "name", "a\u202etxt.exe", "printable"},
		"name-long":              {message, "name", strings.Repeat("a", 256), "at most 255 bytes"},
		"algorithm":              {message, "algorithm", "PKIX_ECDSA_P256_SHA_256", "at /digest"},
		"algorithm-old":          {message, "algorithm", "PKIX_ECDSA_P384_SHA_256", "expected one of the algorithms"},
		"algorithm-unknown":      {message, "algorithm", "NONE", "expected one of the algorithms"},
		"algorithm-pure":         {message, "algorithm", "PKIX_ED25519", "not a digest"},
		"algorithm-same-hash":    {statement, "algorithm", "PKIX_RSA_PKCS1V15_2048_SHA256", "the request is for another kind of key"},
		"digest":                 {message, "digest", other.String(), "at /digest"},
		"digest-upper":           {message, "digest", strings.ToUpper(message.Digest().String()), "at /digest"},
		"digest-absent":          {message, "digest", nil, "at /digest"},
		"digests":                {message, "messageSignature/digests", []string{other.String()}, "at /digest"},
		"digests-empty":          {message, "messageSignature/digests", []string{}, "signs sha384 digests: expected one"},
		"digests-twice":          {message, "messageSignature/digests", []string{message.Digest().String(), other.String()}, "different algorithms"},
		"digests-upper":          {message, "messageSignature/digests", []string{"sha384:" + strings.ToUpper(message.Digest().Hex())}, "lower-case"},
		"digests-short":          {message, "messageSignature/digests", []string{"sha384:00"}, "not a digest"},
		"digests-second":         {message, "messageSignature/digests", []string{message.Digest().String()}, ""},
		"size":                   {message, "messageSignature/size", "99", ""},
		"size-negative":          {message, "messageSignature/size", "-1", "expected 0 or more"},
		"size-text":              {message, "messageSignature/size", "many", "64-bit integer"},
		"to-sign-added":          {message, "toSign", base64Of(artifact), "at /toSign: expected nothing"},
		"both-contents":          {message, "dsse/payload", base64Of([]byte(statementText)), "exactly one of"},
		"no-content":             {message, "messageSignature", nil, "exactly one of"},

		"dsse-payload":           {statement, "dsse/payload", base64Of([]byte(otherStatement)), "at /toSign: expected the PAE"},
		"dsse-payload-respaced":  {statement, "dsse/payload", base64Of([]byte(respaced)), "at /toSign: expected the PAE"},
		"dsse-payload-no-json":   {statement, "dsse/payload", base64Of([]byte("hello")), "statement: "},
		"B16-dsse-payload-type":  {statement, "dsse/payload", base64Of([]byte(`{"_type":"x"}`)), "at /_type"},
		"dsse-payload-absent":    {statement, "dsse/payload", nil, "at /dsse/payload: missing"},
		"dsse-payload-base64":    {statement, "dsse/payload", "%%", "base64"},
		"B15-dsse-type":          {statement, "dsse/payloadType", "text/plain", "at /dsse/payloadType"},
		"dsse-to-sign":           {statement, "toSign", pae, "at /toSign: expected the PAE"},
		"dsse-to-sign-absent":    {statement, "toSign", nil, "at /toSign: missing"},
		"dsse-digest":            {statement, "digest", bundle.Sum(bundle.SHA256, []byte("other")).String(), "at /digest"},
		"dsse-digest-of-payload": {statement, "digest", bundle.Sum(bundle.SHA256, []byte(statementText)).String(), "at /digest"},

		"pure-to-sign":        {pure, "toSign", base64Of([]byte("best artifact\n")), "digest of the bytes to sign"},
		"pure-to-sign-longer": {pure, "toSign", base64Of(append(artifact, '!')), "expected the size and digest"},
		"pure-to-sign-absent": {pure, "toSign", nil, "expected the artifact"},
		"pure-digest-added":   {pure, "digest", bundle.Sum(bundle.SHA256, artifact).String(), `expected ""`},
		"pure-size":           {pure, "messageSignature/size", "1", "expected the size and digest"},
		"pure-size-absent":    {pure, "messageSignature/size", nil, "expected the size and digest"},
		"pure-digests-empty":  {pure, "messageSignature/digests", []string{}, "expected the size and digest"},
		"pure-digests":        {pure, "messageSignature/digests", []string{bundle.Sum(bundle.SHA512, []byte("x")).String()}, "sha512 digest of the bytes to sign"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := algorithms[test.q.Algorithm()]
			signed := artifact
			if test.q.IsEnvelope() {
				signed = test.q.ToSign()
			}
			sig := m.sign(t, signed)
			want, err := Assemble(again(t, test.q), sig, keyOf(t, m.key)) // the accepted twin
			if err != nil {
				t.Fatal(err)
			}
			var got *bundle.Bundle
			edited, err := ParseRequest(edit(t, test.q, test.path, test.value))
			if err == nil {
				got, err = Assemble(edited, sig, keyOf(t, m.key))
			} else if edited != nil {
				t.Error("got a request with the error")
			}
			if test.want != "" {
				wantError(t, err, test.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if a, b := marshal(t, got), marshal(t, want); !bytes.Equal(a, b) {
				t.Errorf("a label changed the bundle:\n%s%s", a, b)
			}
		})
	}
}

func marshal(t *testing.T, b *bundle.Bundle) []byte {
	t.Helper()
	text, err := b.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestConsistentForgery: a request that was made into another one, with all
// that is derived derived again, is a good request; but nobody signed it.
func TestConsistentForgery(t *testing.T) {
	t.Parallel()
	sig := algorithms[keyspec.ECDSAP256SHA256].sign(t, artifact)
	forged, err := NewDigestRequest("app.tar", bundle.Sum(bundle.SHA256, []byte("other")), keyspec.ECDSAP256SHA256)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Assemble(again(t, forged), sig, keyOf(t, "P-256"))
	wantError(t, err, "not made by this key over these bytes")
}

func TestRequestTextIsStrict(t *testing.T) {
	t.Parallel()
	text, err := messageRequest(t, keyspec.ECDSAP256SHA256).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	good := string(text)
	if _, err := ParseRequest([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"J01-duplicate":     strings.Replace(good, `"name"`, `"name": "x", "name"`, 1),
		"J05-trailing":      good + "{}",
		"J05-mark":          "\ufeff" + good,
		"J06-null":          strings.Replace(good, `"app.tar"`, "null", 1),
		"J09-invalid-UTF-8": strings.Replace(good, "app.tar", "app\xff", 1),
		"truncated":         good[:len(good)/2],
		"empty":             "",
		"R04-depth":         strings.Repeat("[", 100_000),
		"array":             "[]",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := ParseRequest([]byte(text)); err == nil {
				t.Error("accepted")
			}
		})
	}
}

func TestRequestLimits(t *testing.T) {
	t.Parallel()
	if _, err := NewMessageRequest("a", io.LimitReader(zeros{}, MaxMessage), keyspec.Ed25519); err != nil {
		t.Errorf("the largest message: %v", err)
	}
	_, err := NewMessageRequest("a", io.LimitReader(zeros{}, MaxMessage+1), keyspec.Ed25519)
	wantError(t, err, "at most 16777216 bytes")
	if q, err := NewMessageRequest("a", io.LimitReader(zeros{}, 2*MaxMessage), keyspec.Ed25519ph); err != nil || q.ToSign() != nil {
		t.Errorf("an algorithm that hashes first: %v", err)
	}
	_, err = NewStatementRequest("a", make([]byte, MaxMessage+1), keyspec.Ed25519)
	wantError(t, err, "statement of at most")
	_, err = NewStatementRequest("a", nil, keyspec.Ed25519)
	wantError(t, err, "statement")
	_, err = ParseRequest(make([]byte, MaxRequest+1))
	if _, ok := errors.AsType[*strictjson.Error](err); !ok {
		t.Errorf("got %v for a request that is too large", err)
	}
}

// TestLargestRequestIsWithinTheLimits: what may be made may be read.
func TestLargestRequestIsWithinTheLimits(t *testing.T) {
	t.Parallel()
	filler := MaxMessage - len(statementText)
	q, err := NewStatementRequest("a", []byte(strings.Replace(statementText, `{"n":1}`, `{"n":"`+strings.Repeat("x", filler-1)+`"}`, 1)), keyspec.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	q = again(t, q)
	b, err := Assemble(q, algorithms[keyspec.Ed25519].sign(t, q.ToSign()), keyOf(t, "Ed25519"))
	if err != nil {
		t.Fatal(err)
	}
	marshal(t, b)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestEmptyArtifact(t *testing.T) {
	t.Parallel()
	for _, alg := range []keyspec.Details{keyspec.Ed25519, keyspec.ECDSAP256SHA256} {
		q, err := NewMessageRequest("empty", strings.NewReader(""), alg)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Assemble(again(t, q), algorithms[alg].sign(t, nil), keyOf(t, algorithms[alg].key)); err != nil {
			t.Errorf("%v: %v", alg, err)
		}
	}
}

func TestReadErrorsAreNoVerdict(t *testing.T) {
	t.Parallel()
	broken := iotest.ErrReader(errors.New("disk"))
	for _, alg := range []keyspec.Details{keyspec.Ed25519, keyspec.ECDSAP256SHA256} {
		if _, err := NewMessageRequest("a", broken, alg); !errors.Is(err, ErrRead) {
			t.Errorf("%v: got %v, want ErrRead", alg, err)
		}
	}
	if _, err := NewSubject("a", broken); !errors.Is(err, ErrRead) {
		t.Errorf("subject: got %v, want ErrRead", err)
	}
	if _, err := NewMessageRequest("a", broken, 0); errors.Is(err, ErrRead) || err == nil {
		t.Errorf("no algorithm: got %v", err)
	}
}

func TestDigestRequests(t *testing.T) {
	t.Parallel()
	sum := bundle.Sum(bundle.SHA256, artifact)
	q, err := NewDigestRequest("app.tar", sum, keyspec.ECDSAP256SHA256)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Assemble(again(t, q), algorithms[keyspec.ECDSAP256SHA256].sign(t, artifact), keyOf(t, "P-256")); err != nil {
		t.Error(err)
	}
	_, err = NewDigestRequest("app.tar", sum, keyspec.ECDSAP384SHA384)
	wantError(t, err, "signs sha384 digests")
	_, err = NewDigestRequest("app.tar", sum, keyspec.Ed25519)
	wantError(t, err, "signs the artifact itself")
	_, err = NewDigestRequest("app.tar", bundle.Digest{}, keyspec.ECDSAP256SHA256)
	wantError(t, err, "expected digests")
	_, err = NewDigestRequest("", sum, keyspec.ECDSAP256SHA256)
	wantError(t, err, "name of a file")
}

// FuzzParseRequest: what is accepted has one text, which reads as the same
// request again, and no part of it disagrees with another.
func FuzzParseRequest(f *testing.F) {
	seeds := 0
	for alg := range algorithms {
		for _, q := range []*Request{messageRequest(f, alg), statementRequest(f, alg)} {
			text, err := q.Marshal()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
			seeds++
		}
	}
	if seeds == 0 {
		f.Fatal("no seeds")
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		q, err := ParseRequest(data)
		if err != nil {
			if q != nil {
				t.Fatalf("a request with the error %v", err)
			}
			return
		}
		text, err := q.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		same, err := ParseRequest(text)
		if err != nil {
			t.Fatalf("what was written is refused: %v\n%s", err, text)
		}
		second, err := same.Marshal()
		if err != nil || !bytes.Equal(text, second) {
			t.Fatalf("got %s then %s, %v", text, second, err)
		}
		if toSign, d := q.ToSign(), q.Digest(); toSign != nil && !d.IsZero() && bundle.Sum(d.Algorithm(), toSign) != d {
			t.Fatalf("the digest is not that of the bytes to sign:\n%s", text)
		}
		if strings.ContainsAny(q.Name(), "/\\\x00\n") {
			t.Fatalf("name %q leads elsewhere", q.Name())
		}
	})
}

func TestWriteFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	input := filepath.Join(dir, "sig")
	if err := os.WriteFile(input, []byte("sig"), 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out.json")
	if err := WriteFile(out, []byte("x"), input); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(out); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("got %v, %v, want a file of mode 0644", info, err)
	}
	for name, path := range map[string]string{"F07-output-is-input": input, "F07-no-directory": filepath.Join(dir, "no", "out.json"), "F07-device": "/dev/full"} {
		if err := WriteFile(path, []byte("x"), input); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if got, err := os.ReadFile(input); err != nil || string(got) != "sig" {
		t.Errorf("the input is now %q, %v", got, err)
	}
}
