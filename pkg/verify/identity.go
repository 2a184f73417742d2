package verify

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
)

// An Identity describes signers by their certificate: all that is set must
// match. It must say who: a name, a pattern for names, or the subject. For
// certificates of Fulcio's it must also say who vouched for the name.
type Identity struct {
	Name        string         // a subject alternative name of any kind, exactly
	NamePattern *regexp.Regexp // compiled by Pattern
	NameType    NameType       // restricts the two above to one kind of name

	Subject        string         // the distinguished name, as RFC 4514 writes it
	SubjectPattern *regexp.Regexp // compiled by Pattern

	Issuer        string         // the OIDC issuer, exactly
	IssuerPattern *regexp.Regexp // compiled by Pattern

	Extensions []ExtensionValue // each must be there with exactly this value
}

// An ExtensionValue is a certificate extension and its DER.
type ExtensionValue struct {
	OID   asn1.ObjectIdentifier
	Value []byte
}

// NameType is a kind of subject alternative name, numbered as protobuf-specs'
// SubjectAlternativeNameType; zero is any.
type NameType int

// The kinds of names that protobuf-specs knows.
const (
	AnyName   NameType = 0
	Email     NameType = 1
	URI       NameType = 2
	OtherKind NameType = 3
)

const anchorStart, anchorEnd = `\A(?:`, `)\z`

// ErrCatchAll is returned by Pattern for an expression that excludes nobody.
var ErrCatchAll = errors.New("the pattern matches every name")

// Pattern compiles a regular expression that must match a whole name: it is
// anchored at both ends, whatever it says itself. An empty expression, or one
// that matches anything, is an error: it would be no requirement.
func Pattern(expr string) (*regexp.Regexp, error) {
	if expr == "" {
		return nil, errors.New("the pattern is empty")
	}
	if len(expr) > 1024 {
		return nil, fmt.Errorf("the pattern is longer than the limit of 1024 bytes")
	}
	parsed, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil, err
	}
	re, err := regexp.Compile(anchorStart + expr + anchorEnd)
	if err != nil {
		return nil, err
	}
	if isCatchAll(parsed.Simplify()) || matchesAnything(re) {
		return nil, ErrCatchAll
	}
	return re, nil
}

// isCatchAll reports whether the expression is some form of "anything".
func isCatchAll(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL, syntax.OpEmptyMatch,
		syntax.OpBeginText, syntax.OpEndText, syntax.OpBeginLine, syntax.OpEndLine:
		return true
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat, syntax.OpCapture:
		return isCatchAll(re.Sub[0])
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			if !isCatchAll(sub) {
				return false
			}
		}
		return true
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			if isCatchAll(sub) {
				return true
			}
		}
	}
	return false
}

// probes are groups of names that no requirement has in common: a word, an
// email address and a URI, made of other characters in each group.
var probes = [][]string{
	{"x", "a@b.example", "https://h.example/p?q#f"},
	{"7", "Q@Z.TEST", "urn:k:9"},
	{"ok", "w_w@1.invalid", "ftp://10.0.0.1"},
}

// matchesAnything finds the catch-alls that are spelt otherwise, such as "not
// a space" or "begins with a letter".
func matchesAnything(re *regexp.Regexp) bool {
	return slices.ContainsFunc(probes, func(group []string) bool {
		return !slices.ContainsFunc(group, func(name string) bool { return !re.MatchString(name) })
	})
}

// checkPattern refuses expressions that Pattern did not compile, or would not:
// they may match a part of a name, and so more names than they seem to.
func checkPattern(re *regexp.Regexp) error {
	if re == nil {
		return nil
	}
	expr, started := strings.CutPrefix(re.String(), anchorStart)
	expr, ended := strings.CutSuffix(expr, anchorEnd)
	if !started || !ended {
		return fmt.Errorf("expected a pattern compiled by Pattern, found %q", re)
	}
	if _, err := Pattern(expr); err != nil {
		return fmt.Errorf("expected a pattern compiled by Pattern, which refuses %q: %w", re, err)
	}
	return nil
}

func (id *Identity) check() error {
	if id.Name != "" && id.NamePattern != nil || id.Subject != "" && id.SubjectPattern != nil || id.Issuer != "" && id.IssuerPattern != nil {
		return errors.New("expected a value or a pattern, found both")
	}
	if id.Name == "" && id.NamePattern == nil && id.Subject == "" && id.SubjectPattern == nil {
		return errors.New("expected a name, a pattern for names or a subject, found none")
	}
	if id.NameType < AnyName || id.NameType > OtherKind {
		return fmt.Errorf("expected a kind of name from %d to %d, found %d", AnyName, OtherKind, id.NameType)
	}
	for _, re := range []*regexp.Regexp{id.NamePattern, id.SubjectPattern, id.IssuerPattern} {
		if err := checkPattern(re); err != nil {
			return err
		}
	}
	return nil
}

// identity checks that the signer is one the caller named.
func (r *run) identity() {
	q := &r.v.require
	switch {
	case q.AnyIdentity:
		r.passf(CheckIdentity, "any identity is accepted, as asked for")
	case r.key != nil && q.AnyKey:
		r.passf(CheckIdentity, "the key is in the keyring")
	case q.Policy && !q.AnyKey && len(q.Identities) == 0:
		r.passf(CheckIdentity, "who may have signed is left to the policy")
	case r.leaf == nil || len(q.Identities) == 0:
		// The signer check has failed.
	default:
		r.certificateIdentity()
	}
}

func (r *run) certificateIdentity() {
	if n := r.sans.Len(); r.fulcio != nil && n != 1 {
		r.failCheck(CheckIdentity, "Fulcio gives a certificate exactly one name", "one name", fmt.Sprint(n), "")
		return
	}
	var reasons []string
	for i := range r.v.require.Identities {
		err := r.matches(&r.v.require.Identities[i])
		if err == nil {
			r.passf(CheckIdentity, "%s", r.signerName())
			return
		}
		reasons = append(reasons, err.Error())
	}
	r.failCheck(CheckIdentity, "the signer is not one that was named: "+strings.Join(reasons, "; "),
		r.expectedNames(), r.signerName(), "check who was meant to sign; the certificate names who did")
}

// matches reports why the signer is not the one described, or nil.
func (r *run) matches(id *Identity) error {
	if id.Name != "" || id.NamePattern != nil {
		if !r.matchesName(id) {
			return errors.New("no name of the certificate matches")
		}
	}
	subject := r.leaf.Subject.String()
	if id.Subject != "" && id.Subject != subject || id.SubjectPattern != nil && !id.SubjectPattern.MatchString(subject) {
		return errors.New("the subject does not match")
	}
	if err := r.matchesIssuer(id); err != nil {
		return err
	}
	for _, want := range id.Extensions {
		if !r.hasExtension(want) {
			return fmt.Errorf("extension %v does not match", want.OID)
		}
	}
	return nil
}

func (r *run) matchesName(id *Identity) bool {
	names := r.sans.Texts()
	switch id.NameType {
	case Email:
		names = r.sans.Emails
	case URI:
		names = r.sans.URIs
	case OtherKind:
		names = nil
		for _, n := range r.sans.OtherNames {
			if n.Type.Equal(oidFulcioOtherName) && n.Value != "" {
				names = append(names, n.Value)
			}
		}
	}
	for _, name := range names {
		if id.Name != "" && id.Name == name || id.NamePattern != nil && id.NamePattern.MatchString(name) {
			return true
		}
	}
	return false
}

// matchesIssuer checks who vouched for the name. A name is only as good as
// the one who vouched for it, so Fulcio's certificates need it said.
func (r *run) matchesIssuer(id *Identity) error {
	wanted := id.Issuer != "" || id.IssuerPattern != nil
	switch {
	case r.fulcio == nil && wanted:
		return errors.New("the certificate names no OIDC issuer")
	case r.fulcio != nil && !wanted:
		return errors.New("the certificate is one of Fulcio's, for which the OIDC issuer must be given too")
	case id.Issuer != "" && r.fulcio.Issuer != id.Issuer,
		id.IssuerPattern != nil && !id.IssuerPattern.MatchString(r.fulcio.Issuer):
		return errors.New("the OIDC issuer does not match")
	}
	return nil
}

func (r *run) hasExtension(want ExtensionValue) bool {
	for _, ext := range r.leaf.Extensions {
		if ext.Id.Equal(want.OID) {
			return bytes.Equal(ext.Value, want.Value)
		}
	}
	return false
}

// signerName names the signer, for people.
func (r *run) signerName() string {
	var parts []string
	const most = 4
	texts := r.sans.Texts()
	for i, name := range texts {
		if i == most {
			parts = append(parts, fmt.Sprintf("and %d more names", len(texts)-most))
			break
		}
		parts = append(parts, fmt.Sprintf("%q", name))
	}
	if len(parts) == 0 {
		parts = append(parts, fmt.Sprintf("subject %q", r.leaf.Subject))
	}
	if r.fulcio != nil {
		parts = append(parts, fmt.Sprintf("vouched for by %q", r.fulcio.Issuer))
	}
	return strings.Join(parts, ", ")
}

func (r *run) expectedNames() string {
	var parts []string
	for i := range r.v.require.Identities {
		parts = append(parts, r.v.require.Identities[i].String())
	}
	return strings.Join(parts, " or ")
}

// String describes id, for people.
func (id *Identity) String() string {
	var parts []string
	add := func(what, value string, pattern *regexp.Regexp) {
		if value != "" {
			parts = append(parts, fmt.Sprintf("%s %q", what, value))
		}
		if pattern != nil {
			parts = append(parts, fmt.Sprintf("%s like %q", what, strings.TrimSuffix(strings.TrimPrefix(pattern.String(), anchorStart), anchorEnd)))
		}
	}
	add("name", id.Name, id.NamePattern)
	add("subject", id.Subject, id.SubjectPattern)
	add("issuer", id.Issuer, id.IssuerPattern)
	return strings.Join(parts, ", ")
}
