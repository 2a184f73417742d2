package main

import (
	"crypto/sha256"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/bundler-sign/bundler/pkg/trustroot"
	"github.com/bundler-sign/bundler/pkg/verify"
)

// identityFlags say whose certificate may have signed.
type identityFlags struct {
	name, namePattern       string
	issuer, issuerPattern   string
	subject, subjectPattern string
}

func (f *identityFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.name, "certificate-identity", "", "the `name` in the signer's certificate: email, URI, DNS name or other alternative name")
	fs.StringVar(&f.namePattern, "certificate-identity-regexp", "", "a `pattern` that the whole name must match")
	fs.StringVar(&f.issuer, "certificate-oidc-issuer", "", "the `URL` of the OIDC issuer that vouched for the name")
	fs.StringVar(&f.issuerPattern, "certificate-oidc-issuer-regexp", "", "a `pattern` that the whole URL must match")
	fs.StringVar(&f.subject, "certificate-subject", "", "the distinguished `name` of the signer's certificate, such as CN=build,O=Acme")
	fs.StringVar(&f.subjectPattern, "certificate-subject-regexp", "", "a `pattern` that the whole distinguished name must match")
}

func (f *identityFlags) given() bool { return *f != identityFlags{} }

func (f *identityFlags) identity() (verify.Identity, error) {
	id := verify.Identity{Name: f.name, Issuer: f.issuer, Subject: f.subject}
	for _, p := range []struct {
		flag, expr string
		to         **regexp.Regexp
	}{
		{"--certificate-identity-regexp", f.namePattern, &id.NamePattern},
		{"--certificate-oidc-issuer-regexp", f.issuerPattern, &id.IssuerPattern},
		{"--certificate-subject-regexp", f.subjectPattern, &id.SubjectPattern},
	} {
		if p.expr == "" {
			continue
		}
		re, err := verify.Pattern(p.expr)
		if err != nil {
			return id, usagef("%s %q: %w", p.flag, p.expr, err)
		}
		*p.to = re
	}
	return id, nil
}

// requirements turns flags and options file into Requirements, and trust into
// the trust they are held against.
func (f *verifyFlags) requirements(cmd *cobra.Command, trust *trustroot.Config) (verify.Requirements, *trustroot.Config, error) {
	q, err := f.base(trust)
	if err == nil {
		q.Now, err = f.now()
	}
	if err != nil {
		return q, nil, err
	}
	if trust, err = f.signer(cmd.Flags(), &q, trust); err != nil {
		return q, nil, err
	}
	if err := f.thresholds(cmd.Flags(), &q); err != nil {
		return q, nil, err
	}
	if err := f.certificates(&q); err != nil {
		return q, nil, err
	}
	q.Policy = len(f.policy.policies) > 0
	q.PredicateType, q.ECDSAWithSHA256 = f.predicateType, f.ecdsaSHA256
	if f.details != "" {
		d, ok := trustroot.ParseKeyDetails(f.details)
		if !ok {
			return q, nil, usagef("--key-details %q: expected a name of protobuf-specs' PublicKeyDetails, such as PKIX_ECDSA_P256_SHA_256", f.details)
		}
		q.KeyDetails = d
	}
	return q, trust, nil
}

// base returns what is required before anything else is said.
func (f *verifyFlags) base(trust *trustroot.Config) (verify.Requirements, error) {
	switch {
	case f.require != "default" && f.require != "auto":
		return verify.Requirements{}, usagef("--require %q: expected default or auto", f.require)
	case f.require == "auto", trust.Root == nil:
		// Keys without a trusted root: there are no services to ask for.
		return verify.RequirementsFor(trust), nil
	}
	return verify.DefaultRequirements(), nil
}

// signer sets who may have signed: exactly one of the ways to say it.
func (f *verifyFlags) signer(fs *pflag.FlagSet, q *verify.Requirements, trust *trustroot.Config) (*trustroot.Config, error) {
	for _, name := range []string{"certificate-identity", "certificate-identity-regexp", "certificate-oidc-issuer", "certificate-oidc-issuer-regexp", "certificate-subject", "certificate-subject-regexp"} {
		if fl := fs.Lookup(name); fl.Changed && fl.Value.String() == "" {
			return nil, usagef("--%s is empty, which would describe nobody", name)
		}
	}
	ways := 0
	for _, is := range []bool{f.identity.given(), f.key != "", f.options != "", f.any} {
		if is {
			ways++
		}
	}
	if f.keyHint != "" && f.key == "" {
		return nil, usagef("--key-hint names the key of --key, which is missing")
	}
	switch {
	case ways > 1:
		return nil, usagef("expected one way to say who may have signed, found several of --certificate-…, --key, --options and --insecure-any-identity")
	case f.identity.given():
		id, err := f.identity.identity()
		q.Identities = []verify.Identity{id}
		return trust, err
	case f.key != "":
		return f.keySigner(q, trust)
	case f.options != "":
		return f.optionsSigner(q, trust)
	case f.any:
		q.AnyIdentity = true
		return trust, nil
	case len(f.policy.policies) > 0 && trust.Root != nil:
		return trust, nil // the policy says who
	case trust.Keyring != nil:
		q.AnyKey, q.SCTs = true, 0 // the keyring says who
		return trust, nil
	}
	return nil, withHint(usagef("who may have signed? expected --certificate-identity, --certificate-subject, --key, --options or --policy"),
		"a signature by just anybody proves nothing; bundler inspect shows whom a bundle claims as signer")
}

// keySigner makes a keyring of the one key given.
func (f *verifyFlags) keySigner(q *verify.Requirements, trust *trustroot.Config) (*trustroot.Config, error) {
	data, err := readInput(f.key, 64<<10)
	if err != nil {
		return nil, err
	}
	var details trustroot.KeyDetails
	if f.details != "" {
		details, _ = trustroot.ParseKeyDetails(f.details)
	}
	ring, err := trustroot.KeyringOf(data, details)
	if err != nil {
		return nil, usagef("--key %s: %w", f.key, err)
	}
	if f.keyHint != "" {
		key := *ring.Keys[0]
		key.Hint = f.keyHint
		if ring, err = trustroot.NewKeyring([]*trustroot.Key{&key}); err != nil {
			return nil, usagef("--key-hint: %w", err)
		}
	}
	q.AnyKey, q.SCTs = true, 0
	return withKeyring(trust, ring, data), nil
}

func (f *verifyFlags) optionsSigner(q *verify.Requirements, trust *trustroot.Config) (*trustroot.Config, error) {
	data, err := readInput(f.options, 1<<20)
	if err != nil {
		return nil, err
	}
	o, err := verify.ParseOptions(data)
	if err != nil {
		return nil, usagef("--options %s: %w", f.options, err)
	}
	o.Apply(q)
	if len(o.Keys) == 0 {
		return trust, nil
	}
	q.SCTs = 0
	ring, err := trustroot.NewKeyring(o.Keys)
	if err != nil {
		return nil, usagef("--options %s: %w", f.options, err)
	}
	return withKeyring(trust, ring, data), nil
}

// withKeyring returns trust with that keyring, leaving trust as it is. Where
// there was no trust config, what the keyring was read from is all the trust.
func withKeyring(trust *trustroot.Config, ring *trustroot.Keyring, source []byte) *trustroot.Config {
	c := *trust
	c.Keyring = ring
	if c.Root == nil && c.SHA256 == [32]byte{} {
		c.SHA256 = sha256.Sum256(source)
	}
	return &c
}

// thresholds lets flags that were given override.
func (f *verifyFlags) thresholds(fs *pflag.FlagSet, q *verify.Requirements) error {
	for _, t := range []struct {
		name  string
		value int
		to    *int
	}{
		{"tlog", f.log, &q.Logs}, {"sct", f.sct, &q.SCTs}, {"tsa", f.tsa, &q.Timestamps},
		{"integrated-times", f.integrated, &q.IntegratedTimes}, {"observer-times", f.seen, &q.ObserverTimes},
	} {
		if fs.Changed(t.name) {
			*t.to = t.value
		}
	}
	if f.noLog && fs.Changed("tlog") || f.noSCT && fs.Changed("sct") {
		return usagef("expected a number or none, found both (--tlog with --no-tlog, or --sct with --no-sct)")
	}
	if f.noLog {
		q.Logs = 0
	}
	if f.noSCT {
		q.SCTs = 0
	}
	return nil
}

// certificates reads what is asked of certificates.
func (f *verifyFlags) certificates(q *verify.Requirements) error {
	for _, text := range f.ekus {
		oid, err := parseOID(text)
		if err != nil {
			return usagef("--certificate-eku %q: %w", text, err)
		}
		q.EKUs = append(q.EKUs, oid)
	}
	return f.readCRLs(q)
}

func parseOID(text string) (asn1.ObjectIdentifier, error) {
	var oid asn1.ObjectIdentifier
	for part := range strings.SplitSeq(text, ".") {
		n, err := strconv.ParseUint(part, 10, 31)
		if err != nil {
			return nil, errors.New("expected numbers with dots between them, such as 1.3.6.1.5.5.7.3.3")
		}
		oid = append(oid, int(n))
	}
	if len(oid) < 2 {
		return nil, errors.New("expected at least two numbers")
	}
	return oid, nil
}

// readInput reads a small file whole, or fails without a verdict.
func readInput(path string, most int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, noVerdictf("%w", err)
	}
	defer file.Close()
	data, err := readBounded(file, most)
	if err != nil {
		return nil, noVerdictf("reading %s: %w", path, err)
	}
	return data, nil
}

func readBounded(r io.Reader, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > most {
		return nil, fmt.Errorf("expected at most %d bytes, found more", most)
	}
	return data, nil
}
