package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"flag"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bundler-sign/bundler/policies"
)

func TestMain(m *testing.M) {
	// A program built with the race detector waits a second when it ends, and
	// the manual runs hundreds.
	if os.Getenv("GORACE") == "" {
		os.Setenv("GORACE", "atexit_sleep_ms=0")
	}
	testscript.Main(m, map[string]func(){"bundler": main, "create-loop": createLoop})
}

var update = flag.Bool("update", false, "write what the scripts' cmp commands find into the scripts")

// TestScript runs the manual: every testdata/script/*.txtar in a directory of
// its own, which has the shipped policies in policies/. Beyond testscript's own commands there are
//
//	status N PROGRAM ARGS…  run it, and expect exit status N; stdout and stderr match as after exec
//	mkkey NAME [TYPE]       write NAME.key and NAME.pub, a new key: p256 (default), p384, ed25519, rsa
//	mkcert NAME [PROPERTY…]
//	                        write NAME.pem (and NAME.key): a CA certificate valid from 2026-01-01 until
//	                        2036-01-01, issued by itself; properties: issuer=NAME, leaf (code
//	                        signing, no CA), tsa (time stamping, no CA), eku=serverAuth, until=DATE, email=…
//	mkbundle FILE [PROPERTY…]
//	                        sign FILE in a sandbox whose keys are always the same, at 2026-01-02T03:04:05Z, and
//	                        write FILE.sigstore.json (out=…) and root.json; properties: private (the private CA in
//	                        place of Fulcio), email=, uri=, dns=, ip=, other=, issuer=, subject=CN,O,OU, extN=
//	                        (of Fulcio's), predicate=TYPE,FILE, key=NAME (in place of a certificate; NAME.pub)
//	mkkeys FILE FORMAT KEY…
//	                        write FILE: FORMAT, with the fingerprint of each public key in place of a %s
//	join FILE PART…         write FILE: each JSON text on a line
//	strict FORMAT FILE      hold FILE to its format: junit, sarif, vsa
//	replace FILE OLD NEW    replace the one occurrence of OLD in FILE
//	verify N ARGS…          run bundler verify a minute after the sandbox signed, and expect exit status N
//	sandbox                 write trust configs, artifacts and bundles: see cmdSandbox
//	serve DIR               serve a sandbox of that directory, with its addresses in ISSUER, REKOR1, REKOR2, TSA
//	misbehave [FAULT…]      have it misbehave from now on, by bundler sandbox's --misbehave
//	onejson FILE            check that standard output is one JSON document, and write it to FILE
func TestScript(t *testing.T) {
	t.Parallel()
	params := scriptParams()
	params.Dir = "testdata/script"
	testscript.Run(t, params)
}

func scriptParams() testscript.Params {
	return testscript.Params{
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       *update,
		Setup: func(env *testscript.Env) error {
			env.Setenv("NO_COLOR", "1")
			return os.CopyFS(filepath.Join(env.WorkDir, "policies"), policies.FS)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"status":  cmdStatus,
			"mkkey":   cmdMkKey,
			"mkcert":  cmdMkCert,
			"replace": cmdReplace,
			"verify":  cmdVerify,
			"sandbox": cmdSandbox,
			"onejson": cmdOneJSON,

			"serve":     cmdServe,
			"misbehave": cmdMisbehave,
			"mkbundle":  cmdMkBundle,
			"mkkeys":    cmdMkKeys,
			"join":      cmdJoin,
			"strict":    cmdStrict,
		},
	}
}

func cmdStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N PROGRAM ARGS…")
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%s: %v", args[1], err)
		}
		got = exit.ExitCode()
	}
	if args[0] != strconv.Itoa(got) {
		ts.Fatalf("got exit status %d, want %s", got, args[0])
	}
}

func cmdReplace(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: replace FILE OLD NEW")
	}
	text := ts.ReadFile(args[0])
	if n := strings.Count(text, args[1]); n != 1 {
		ts.Fatalf("%s has %q %d times, want once", args[0], args[1], n)
	}
	writeScriptFile(ts, args[0], []byte(strings.Replace(text, args[1], args[2], 1)))
}

func cmdMkKey(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: mkkey NAME [TYPE]")
	}
	kind := "p256"
	if len(args) == 2 {
		kind = args[1]
	}
	key, err := newScriptKey(kind)
	ts.Check(err)
	writeKey(ts, args[0], key)
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	ts.Check(err)
	writePEM(ts, args[0]+".pub", "PUBLIC KEY", spki)
}

func newScriptKey(kind string) (crypto.Signer, error) {
	switch kind {
	case "p256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "p384":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "ed25519":
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	case "rsa":
		return rsa.GenerateKey(rand.Reader, 2048)
	}
	return nil, errors.New("unknown kind of key " + kind)
}

func cmdMkCert(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: mkcert NAME [PROPERTY…]")
	}
	name := args[0]
	tmpl := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: name, Organization: []string{"Example"}},
		NotBefore:             time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:              time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	key, err := newScriptKey("p256")
	ts.Check(err)
	parent, signer := tmpl, key
	for _, prop := range args[1:] {
		if issuer, ok := strings.CutPrefix(prop, "issuer="); ok {
			parent, signer = readPair(ts, issuer)
			continue
		}
		ts.Check(setCertProperty(tmpl, prop))
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, key.Public(), signer)
	ts.Check(err)
	writePEM(ts, name+".pem", "CERTIFICATE", der)
	writeKey(ts, name, key)
}

func setCertProperty(c *x509.Certificate, prop string) (err error) {
	name, value, _ := strings.Cut(prop, "=")
	switch name {
	case "leaf":
		c.IsCA, c.KeyUsage = false, x509.KeyUsageDigitalSignature
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}
	case "tsa":
		c.IsCA, c.KeyUsage = false, x509.KeyUsageDigitalSignature
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping}
	case "eku":
		if value != "serverAuth" {
			return errors.New("unknown extended key usage " + value)
		}
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	case "until":
		c.NotAfter, err = time.Parse(time.DateOnly, value)
	case "email":
		c.EmailAddresses = []string{value}
	default:
		return errors.New("unknown property " + prop)
	}
	return err
}

func readPair(ts *testscript.TestScript, name string) (*x509.Certificate, crypto.Signer) {
	certBlock, _ := pem.Decode([]byte(ts.ReadFile(name + ".pem")))
	keyBlock, _ := pem.Decode([]byte(ts.ReadFile(name + ".key")))
	if certBlock == nil || keyBlock == nil {
		ts.Fatalf("%s.pem or %s.key is not PEM", name, name)
	}
	cert, err := x509.ParseCertificate(certBlock.Bytes)
	ts.Check(err)
	key, err := x509.ParsePKCS8PrivateKey(keyBlock.Bytes)
	ts.Check(err)
	return cert, key.(crypto.Signer)
}

func writeKey(ts *testscript.TestScript, name string, key crypto.Signer) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	writePEM(ts, name+".key", "PRIVATE KEY", der)
}

func writePEM(ts *testscript.TestScript, name, kind string, der []byte) {
	writeScriptFile(ts, name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func writeScriptFile(ts *testscript.TestScript, name string, data []byte) {
	path := ts.MkAbs(name)
	ts.Check(os.MkdirAll(filepath.Dir(path), 0o700))
	ts.Check(os.WriteFile(path, data, 0o600))
}
