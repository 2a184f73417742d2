package main

import (
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json/jsontext"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/sandbox"
)

// A bundleCase is a mkbundle command: what to sign, and as whom.
type bundleCase struct {
	s         *sandbox.Sandbox
	ca        *sandbox.CA
	request   sandbox.Request
	sign      sandbox.SignOptions
	out       string
	predicate string // TYPE:FILE
	keyFile   string
}

// cmdMkBundle writes a bundle of a sandbox whose keys are the same in every
// script. root.json is its trusted root, with the sandbox's private CA too; a
// key's bundle comes with KEY.pub for a keyring.
func cmdMkBundle(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: mkbundle ARTIFACT [PROPERTY…]")
	}
	s, err := sandbox.New(&sandbox.Options{Seed: "script"})
	ts.Check(err)
	c := &bundleCase{s: s, ca: s.Fulcio, out: args[0] + ".sigstore.json"}
	c.request.Extensions = make(map[int]string)
	for _, property := range args[1:] {
		ts.Check(c.set(property))
	}
	artifact := []byte(ts.ReadFile(args[0]))
	c.sign.Artifact = artifact
	if c.predicate != "" {
		kind, file, _ := strings.Cut(c.predicate, ",")
		text, err := bundle.NewStatement([]bundle.Subject{{Name: args[0], Digests: []bundle.Digest{bundle.Sum(bundle.SHA256, artifact)}}}, kind, []byte(ts.ReadFile(file)))
		ts.Check(err)
		c.sign.Artifact, c.sign.Statement = nil, text
	}
	if c.sign.Key == nil {
		c.request.Key = s.Key("leaf "+strings.Join(args[1:], " "), sandbox.P256) // a key of the signer's own
		c.sign.Leaf, err = c.ca.Issue(c.request)
		ts.Check(err)
	} else {
		spki := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: c.sign.Key.SPKI()})
		writeScriptFile(ts, c.keyFile, spki)
	}
	signed, err := s.Sign(c.sign)
	ts.Check(err)
	writeScriptFile(ts, c.out, sandbox.JSON(signed))
	root := s.TrustedRoot()
	root.CertificateAuthorities = append(root.CertificateAuthorities, s.PrivateCA.Authority())
	if _, err := os.Stat(ts.MkAbs("root.json")); errors.Is(err, os.ErrNotExist) {
		writeScriptFile(ts, "root.json", sandbox.JSON(root))
	}
}

func (c *bundleCase) set(property string) error {
	name, value, _ := strings.Cut(property, "=")
	if number, ok := strings.CutPrefix(name, "ext"); ok {
		n, err := strconv.Atoi(number)
		c.request.Extensions[n] = value
		return err
	}
	switch name {
	case "private":
		c.ca = c.s.PrivateCA
		c.request.SANs = []sandbox.SAN{}
	case "email":
		c.request.SANs = append(c.request.SANs, sandbox.Email(value))
	case "uri":
		c.request.SANs = append(c.request.SANs, sandbox.URI(value))
	case "dns":
		c.request.SANs = append(c.request.SANs, sandbox.DNS(value))
	case "ip":
		c.request.SANs = append(c.request.SANs, sandbox.IP(value))
	case "other":
		c.request.SANs = append(c.request.SANs, sandbox.OtherName(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 7}, value))
	case "issuer":
		c.request.Issuer = value
	case "subject": // CN,O,OU
		parts := append(strings.Split(value, ","), "", "")
		c.request.Subject = pkix.Name{CommonName: parts[0], Organization: some(parts[1]), OrganizationalUnit: some(parts[2])}
	case "predicate":
		c.predicate = value
	case "key":
		c.sign.Key, c.keyFile = c.s.Key(value, sandbox.P256), value+".pub"
	case "out":
		c.out = value
	default:
		return errors.New("unknown property " + property)
	}
	return nil
}

func some(value string) []string {
	if value == "" {
		return nil
	}
	return []string{value}
}

// cmdMkKeys writes FILE from a format and the fingerprints of public keys.
func cmdMkKeys(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: mkkeys FILE FORMAT KEY…")
	}
	var sums []any
	for _, name := range args[2:] {
		block, _ := pem.Decode([]byte(ts.ReadFile(name)))
		if block == nil {
			ts.Fatalf("%s is not PEM", name)
		}
		sums = append(sums, fmt.Sprintf("%x", sha256.Sum256(block.Bytes)))
	}
	writeScriptFile(ts, args[0], []byte(fmt.Sprintf(args[1], sums...)))
}

// cmdJoin writes FILE with each of the other files as a line.
func cmdJoin(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: join FILE PART…")
	}
	var lines strings.Builder
	for _, name := range args[1:] {
		value := jsontext.Value(ts.ReadFile(name))
		ts.Check(value.Compact())
		lines.WriteString(string(value) + "\n")
	}
	writeScriptFile(ts, args[0], []byte(lines.String()))
}
