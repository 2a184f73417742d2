package verify

import (
	"errors"
	"reflect"
	"regexp"
	"regexp/syntax"
	"strings"
	"testing"

	"github.com/bundler-sign/bundler/pkg/sandbox"
)

// FuzzPattern: an accepted pattern matches exactly the names that the
// expression matches from end to end, and never every kind of name.
func FuzzPattern(f *testing.F) {
	seeds := map[string]bool{ // and whether they are accepted
		`alice@example\.com`: true, `.*@example\.com`: true, `https://github\.com/acme/.*`: true, `a|ab`: true, `(?i)ALICE@.*`: true,
		`(?m)^foo$`: true, `\Qa.b\E`: true, `(?s)a.b`: true, `[a-z0-9.-]+`: true, `a$`: true, `foo\z`: true, `a+?`: true,
		``: false, `.*`: false, `(?s).*`: false, `\S+`: false, `[^x]*`: false, `a)|(b`: false, `x\Q`: false, `^|x.*`: false, `[[:ascii:]]*`: false,
		`(?:`: false, `.*(?:)`: false, `[^\n]+`: false, `\pL.*|\pN.*`: false,
	}
	names := []string{"alice@example.com", "alice@example.com.evil.org", "a", "b", "ab", "foo", "foo\n", "foo\nbar", "a.b", "a\nb", ""}
	for expr, want := range seeds {
		if _, err := Pattern(expr); (err == nil) != want {
			f.Fatalf("seed %q: got %v, want accepted %v", expr, err, want)
		}
		for _, name := range names {
			f.Add(expr, name)
		}
	}
	f.Fuzz(func(t *testing.T, expr, name string) {
		re, err := Pattern(expr)
		if err != nil {
			if re != nil {
				t.Fatalf("got %v with error %v", re, err)
			}
			return
		}
		whole := anchored(t, expr)
		suffixed, prefixed := name+".evil.org", "evil-"+name
		for _, n := range []string{name, suffixed, prefixed, name + "\n", "\n" + name, strings.ToUpper(name)} {
			if got, want := re.MatchString(n), whole.MatchString(n); got != want {
				t.Fatalf("pattern %q: got %v for %q, want %v", expr, got, n, want)
			}
		}
		if matchesEveryKind(re) {
			t.Fatalf("pattern %q excludes nobody", expr)
		}
		id := Identity{NamePattern: re}
		if err := id.check(); err != nil {
			t.Fatalf("pattern %q is accepted, and then is not: %v", expr, err)
		}
		unanchored := Identity{NamePattern: regexp.MustCompile(expr)}
		if err := unanchored.check(); err == nil && unanchored.NamePattern.String() != re.String() && !whole.MatchString(name) && unanchored.NamePattern.MatchString(name) {
			t.Fatalf("the expression %q is taken for a pattern, and matches %q", expr, name)
		}
	})
}

// anchored compiles expr for whole names, by way of its syntax tree, where no
// text of the expression can reach the anchors.
func anchored(t *testing.T, expr string) *regexp.Regexp {
	t.Helper()
	parsed, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		t.Fatalf("pattern %q is accepted, and does not parse: %v", expr, err)
	}
	tree := &syntax.Regexp{Op: syntax.OpConcat, Sub: []*syntax.Regexp{{Op: syntax.OpBeginText}, parsed, {Op: syntax.OpEndText}}}
	re, err := regexp.Compile(tree.String())
	if err != nil {
		t.Skip("the tree has no text: ", err)
	}
	return re
}

// matchesEveryKind tries names with nothing in common but their being names:
// words, addresses and URIs of every letter and digit.
func matchesEveryKind(re *regexp.Regexp) bool {
	for _, c := range "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789" {
		x := string(c)
		for _, name := range []string{x, x + x, x + "@" + x + "." + x + x, x + x + "://" + x + "/" + x} {
			if !re.MatchString(name) {
				return false
			}
		}
	}
	for _, group := range probes {
		for _, name := range group {
			if !re.MatchString(name) {
				return false
			}
		}
	}
	return true
}

// FuzzOptions: options that parse say who may have signed, are the same when
// parsed again, and make a Verifier or an error of the question.
func FuzzOptions(f *testing.F) {
	s, err := sandbox.New(&sandbox.Options{Seed: "fuzz"})
	if err != nil {
		f.Fatal(err)
	}
	trust, err := s.Config()
	if err != nil {
		f.Fatal(err)
	}
	const who = `"certificateIdentities":{"identities":[{"issuer":"https://i","san":{"type":"EMAIL","value":"a@b"},"oids":[{"oid":{"id":[1,2]},"value":"BQA="}]}]}`
	key := string(sandbox.JSON(s.Key("k", sandbox.P256).Message(sandbox.Window(sandbox.Birth, sandbox.Birth))))
	seeds := map[string]bool{ // and whether they are accepted
		`{` + who + `}`: true,
		`{` + who + `,"tlogOptions":{"threshold":1},"ctlogOptions":{"disable":true},"tsaOptions":{"threshold":2},"integratedTsOptions":{"threshold":1},"observerOptions":{"threshold":33}}`: true,
		`{` + strings.Replace(who, `"value":"a@b"`, `"regexp":"a@.*"`, 1) + `}`:                         true,
		`{"publicKeys":{"publicKeys":[` + key + `]}}`:                                                   true,
		`{"publicKeys":{"publicKeys":[` + strings.Replace(key, `"end":"2026`, `"end":"2025`, 1) + `]}}`: false,
		`{` + who + `,"publicKeys":{}}`:                                                                 false,
		`{` + strings.Replace(who, "a@b", "", 1) + `}`:                                                  false,
		`{` + who + `,"tlogOptions":{"threshold":-1}}`:                                                  false,
		`{` + who + `,"tlogOptions":{"threshold":1e1}}`:                                                 false,
		`{}`: false, `null`: false, ``: false,
	}
	for text, want := range seeds {
		if _, err := ParseOptions([]byte(text)); (err == nil) != want {
			f.Fatalf("seed %s: got %v, want accepted %v", text, err, want)
		}
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := ParseOptions(data)
		if err != nil {
			if o != nil {
				t.Fatalf("got options with error %v", err)
			}
			return
		}
		if len(o.Identities) > 0 == (len(o.Keys) > 0) {
			t.Fatalf("got %d identities and %d keys, want one or the other", len(o.Identities), len(o.Keys))
		}
		if again, err := ParseOptions(data); err != nil || !reflect.DeepEqual(again, o) {
			t.Fatalf("parsed again it is other: %v", err)
		}
		for _, k := range o.Keys {
			if v := k.ValidFor; !v.End.IsZero() && v.End.Before(v.Start) || !k.KeyDetails.Known() {
				t.Fatalf("got a key for %v, valid %v", k.KeyDetails, v)
			}
		}
		q := DefaultRequirements()
		q.Now = sandbox.Birth
		o.Apply(&q)
		if q.AnyIdentity || q.AnyKey != (len(o.Keys) > 0) {
			t.Fatalf("got any identity %v, any key %v", q.AnyIdentity, q.AnyKey)
		}
		for i := range q.Identities {
			if err := q.Identities[i].check(); err != nil {
				t.Fatalf("identity %d: %v", i, err)
			}
		}
		if v, err := New(trust, q); (v == nil) == (err == nil) || err != nil && !errors.Is(err, ErrConfig) {
			t.Fatalf("got %v and error %v", v, err)
		}
	})
}
