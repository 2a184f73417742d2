package main

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/json/jsontext"
	"fmt"
	"math/big"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"google.golang.org/protobuf/proto"

	"github.com/bundler-sign/bundler/pkg/sandbox"
)

// cmdSandbox writes what a private Sigstore signed, always the same, as of
// 2026-01-02T03:04:05Z:
//
//	trust.json, acme.json       trusted roots: of Sigstore's shape, and of a CA with a timestamp authority
//	hello.txt, other.txt        with hello.txt.sigstore.json (Rekor v2) and other.txt.sigstore (Rekor v1), by alice@example.com
//	bad.txt                     with bad.txt.sigstore.json, which is about other bytes
//	review.sigstore.json        attests a review of hello.txt and other.txt
//	two.jsonl, one-bad.jsonl    a review and a provenance of hello.txt; a review of hello.txt and one of other.txt
//	alice.json                  options: alice@example.com may have signed
//	release.pub, stranger.pub   keys
//	release.sigstore.json       hello.txt by the key release; named.sigstore.json calls it "release-2026"
//	acme.sigstore.json          hello.txt by CN=build,O=Acme under acme.json's CA
//	escape.sigstore.json        the same, by a name that would write to a terminal
//	acme.crl, acme-root.crl, revoked.crl, stale.crl
//	                            by acme.json's issuing CA and root; the last two instead of the first
func cmdSandbox(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: sandbox")
	}
	s, err := sandbox.New(&sandbox.Options{Seed: "script"})
	ts.Check(err)
	w := &scriptSandbox{ts: ts, Sandbox: s}
	w.sigstore()
	w.statements()
	w.keys()
	w.acme()
}

type scriptSandbox struct {
	*sandbox.Sandbox
	ts *testscript.TestScript
}

var scriptHello, scriptOther = []byte("hello, world\n"), []byte("another artifact\n")

func (w *scriptSandbox) write(name string, data []byte) { writeScriptFile(w.ts, name, data) }

func (w *scriptSandbox) writeMessage(name string, m proto.Message) { w.write(name, sandbox.JSON(m)) }

func (w *scriptSandbox) sign(o sandbox.SignOptions) []byte {
	b, err := w.Sign(o)
	w.ts.Check(err)
	return sandbox.JSON(b)
}

func (w *scriptSandbox) sigstore() {
	w.writeMessage("trust.json", w.TrustedRoot())
	w.write("alice.json", fmt.Appendf(nil, `{"certificateIdentities":{"identities":[{"issuer":%q,"san":{"type":"EMAIL","value":%q}}]}}`,
		sandbox.DefaultIssuer, sandbox.DefaultIdentity))
	w.write("hello.txt", scriptHello)
	w.write("other.txt", scriptOther)
	w.write("bad.txt", []byte("not what was signed\n"))
	w.write("hello.txt.sigstore.json", w.sign(sandbox.SignOptions{Artifact: scriptHello}))
	w.write("other.txt.sigstore", w.sign(sandbox.SignOptions{Artifact: scriptOther, Logs: []*sandbox.Log{w.RekorV1}}))
	w.write("bad.txt.sigstore.json", w.sign(sandbox.SignOptions{Artifact: []byte("what was signed\n")}))
}

func (w *scriptSandbox) statements() {
	hello := sandbox.Subject{Name: "hello.txt", Content: scriptHello}
	other := sandbox.Subject{Name: "other.txt", Content: scriptOther}
	attest := func(predicateType string, subjects ...sandbox.Subject) []byte {
		statement, err := sandbox.Statement(predicateType, nil, subjects...)
		w.ts.Check(err)
		return append(w.sign(sandbox.SignOptions{Statement: statement}), '\n')
	}
	const review, provenance = "https://example.com/review/v1", "https://slsa.dev/provenance/v1"
	w.write("review.sigstore.json", attest(review, hello, other))
	w.write("two.jsonl", append(attest(review, hello), attest(provenance, hello)...))
	w.write("one-bad.jsonl", append(attest(review, hello), attest(review, other)...))
	w.write("empty.jsonl", nil)
}

func (w *scriptSandbox) keys() {
	key, none := w.Key("release", sandbox.P256), []*sandbox.TSA{}
	w.write("release.pub", key.PEM())
	w.write("stranger.pub", w.Key("stranger", sandbox.P256).PEM())
	w.write("release.sigstore.json", w.sign(sandbox.SignOptions{Artifact: scriptHello, Key: key, Logs: []*sandbox.Log{}, TSAs: none}))
	w.write("named.sigstore.json", w.sign(sandbox.SignOptions{Artifact: scriptHello, Key: key, Hint: "release-2026", Logs: []*sandbox.Log{}, TSAs: none}))
}

func (w *scriptSandbox) acme() {
	root, err := w.NewRoot("acme-root", nil)
	w.ts.Check(err)
	ca, err := root.Sub("acme", nil)
	w.ts.Check(err)
	trust := w.PrivateRoot()
	trust.CertificateAuthorities[0] = ca.Authority()
	w.writeMessage("acme.json", trust)
	leaf, err := ca.Issue(sandbox.Request{Subject: pkix.Name{CommonName: "build", Organization: []string{"Acme"}}})
	w.ts.Check(err)
	o := sandbox.SignOptions{Artifact: scriptHello, Leaf: leaf, Chain: true, Logs: []*sandbox.Log{}}
	w.write("acme.sigstore.json", w.sign(o))
	o.Leaf, err = ca.Issue(sandbox.Request{Subject: pkix.Name{CommonName: "build\x1b[31m\nVERIFIED \u202eevil"}})
	w.ts.Check(err)
	w.write("escape.sigstore.json", w.sign(o))

	day, now := 24*time.Hour, w.Now()
	for _, list := range []struct {
		name    string
		by      *sandbox.CA
		until   time.Time
		revoked []*big.Int
	}{
		{"acme.crl", ca, now.Add(day), nil},
		{"acme-root.crl", root, now.Add(day), nil},
		{"revoked.crl", ca, now.Add(day), []*big.Int{leaf.Cert.SerialNumber}},
		{"stale.crl", ca, now.Add(-time.Minute), nil},
	} {
		der, err := list.by.CRL(now.Add(-day), list.until, list.revoked...)
		w.ts.Check(err)
		w.write(list.name, der)
	}
}

// scriptNow is a minute after the sandbox signed.
const scriptNow = "2026-01-02T03:05:00Z"

// cmdVerify runs bundler verify as of scriptNow.
func cmdVerify(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: verify N ARGS…")
	}
	cmdStatus(ts, false, append([]string{args[0], "bundler", "verify", "--now", scriptNow}, args[1:]...))
}

// cmdOneJSON checks that standard output is exactly one JSON document, strict
// and on one line, and writes it to a file, indented for people.
func cmdOneJSON(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: onejson FILE")
	}
	text := []byte(ts.ReadFile("stdout"))
	if !jsontext.Value(text).IsValid() || bytes.Count(text, []byte("\n")) != 1 || !bytes.HasSuffix(text, []byte("\n")) {
		ts.Fatalf("standard output is not one JSON document on one line:\n%s", text)
	}
	var indented bytes.Buffer
	ts.Check(json.Indent(&indented, text, "", "  "))
	writeScriptFile(ts, args[0], indented.Bytes())
}
