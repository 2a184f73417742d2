package policy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/bundler-sign/bundler/pkg/verify"
)

// A Lint is something in a policy that compiles and is likely a mistake.
type Lint struct {
	Code    string `json:"code"`
	At      string `json:"at"` // file:line
	Message string `json:"msg"`
}

// Check compiles a policy and returns what is suspicious in it, in the order of
// files and lines. An error is a *BrokenError.
func Check(source *Source, pkg string) ([]Lint, error) {
	p, err := New(source, &Options{Package: pkg})
	if err != nil {
		return nil, err
	}
	modules, err := parse(source.Files, false) // compiling rewrites them
	if err != nil {
		return nil, &BrokenError{Policy: source.Name, Err: err}
	}
	c := &linter{pkg: p.pkg}
	for _, f := range source.Files {
		c.module(modules[f.Name])
	}
	if !c.defaulted {
		c.add("no-default", c.firstAllow, "there is no default allow := false: without it, allow is undefined where no rule holds, which other tools may take for anything")
	}
	slices.SortStableFunc(c.lints, func(a, b located) int {
		return cmp.Or(strings.Compare(a.loc.File, b.loc.File), a.loc.Row-b.loc.Row)
	})
	var lints []Lint
	for _, l := range c.lints {
		lints = append(lints, l.Lint)
	}
	return lints, nil
}

type linter struct {
	pkg        string
	lints      []located
	defaulted  bool
	firstAllow *ast.Location
}

type located struct {
	Lint
	loc *ast.Location
}

func (c *linter) add(code string, loc *ast.Location, format string, args ...any) {
	c.lints = append(c.lints, located{Lint{code, at(loc), fmt.Sprintf(format, args...)}, loc})
}

func (c *linter) module(m *ast.Module) {
	for _, rule := range m.Rules {
		if name, whole, ours := entryRule(rule, c.pkg); ours && whole && name == "allow" {
			c.allow(rule)
		}
	}
	ast.WalkExprs(m, func(x *ast.Expr) bool {
		if x.IsCall() {
			c.call(x.Operator().String(), x.Operands(), x.Location)
		}
		return false
	})
	ast.WalkTerms(m, func(t *ast.Term) bool {
		switch v := t.Value.(type) {
		case ast.Call:
			c.call(v[0].String(), v[1:], t.Location)
		case ast.Ref:
			c.ref(v, t.Location)
		}
		return false
	})
}

// allow looks for rules that hold always.
func (c *linter) allow(rule *ast.Rule) {
	if c.firstAllow == nil {
		c.firstAllow = rule.Loc()
	}
	always := rule.Head.Value != nil && rule.Head.Value.Equal(ast.BooleanTerm(true)) && (rule.Default || isTrue(rule.Body))
	if always {
		c.add("always", rule.Loc(), "allow is true whatever was proved: a policy says who may sign")
	}
	c.defaulted = c.defaulted || rule.Default
}

func isTrue(body ast.Body) bool {
	for _, x := range body {
		if t, ok := x.Terms.(*ast.Term); !ok || x.Negated || !t.Equal(ast.BooleanTerm(true)) {
			return false
		}
	}
	return true
}

// call looks at patterns.
func (c *linter) call(name string, operands []*ast.Term, loc *ast.Location) {
	whole := strings.HasSuffix(name, ".full_match")
	if name != "regex.match" && !whole || len(operands) == 0 {
		return
	}
	s, ok := operands[0].Value.(ast.String)
	if !ok {
		return
	}
	pattern := string(s)
	_, err := verify.Pattern(pattern)
	switch {
	case errors.Is(err, verify.ErrCatchAll), pattern == "":
		c.add("catch-all", loc, "the pattern %q matches every text: it excludes nobody", pattern)
	case err != nil:
		c.add("pattern", loc, "the pattern %q: %v", pattern, err)
	case !whole && !anchored(pattern):
		c.add("unanchored", loc, "the pattern %q also matches inside longer texts, such as alice@acme.example in alice@acme.example.evil.org: use text.full_match of data.lib.text", pattern)
	}
}

// anchored reports whether a pattern is plainly one for a whole text. With
// alternatives, an anchor may belong to one of them alone.
func anchored(pattern string) bool {
	starts := strings.HasPrefix(pattern, "^") || strings.HasPrefix(pattern, `\A`)
	ends := strings.HasSuffix(pattern, "$") && !strings.HasSuffix(pattern, `\$`) || strings.HasSuffix(pattern, `\z`)
	return starts && ends && !strings.Contains(pattern, "|") && !strings.Contains(pattern, "(?")
}

// ref looks at facts that are none, or not all.
func (c *linter) ref(ref ast.Ref, loc *ast.Location) {
	text := ref.String()
	switch {
	case strings.HasPrefix(text, "input.unverified"):
		c.add("unverified", loc, "%s is what the bundle claims, and nobody proved it", text)
	case strings.HasPrefix(text, "input.artifact.name"):
		c.add("name", loc, "%s is what the caller named the artifact: its digests say which it is", text)
	case strings.Contains(text, ".san.") && len(ref) > 0 && isNumber(ref[len(ref)-1]):
		c.add("first", loc, "%s is one name of several, in an order that the signer may have chosen: compare all of them", text)
	}
}

func isNumber(t *ast.Term) bool {
	_, ok := t.Value.(ast.Number)
	return ok
}
