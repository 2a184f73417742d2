package policy

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"

	"github.com/bundler-sign/bundler/pkg/verify"
	"github.com/bundler-sign/bundler/policies"
)

// Options change how a policy is loaded; nil is the default.
type Options struct {
	Package string         // whose rules decide; DefaultPackage if empty
	Data    map[string]any // data.params: values of JSON, numbers as json.Number
	Limits  Limits
}

// A Policy is a compiled policy. It is safe for concurrent use.
type Policy struct {
	source  *Source
	sum     string // of the source
	pkg     string
	set     bool
	limits  Limits
	modules map[string]*ast.Module
	query   rego.PreparedEvalQuery
}

// New compiles a policy. Any error is a *BrokenError.
func New(source *Source, o *Options) (*Policy, error) {
	if o == nil {
		o = &Options{}
	}
	p, err := compile(source, o)
	if err != nil {
		return nil, &BrokenError{Policy: source.Name, Err: err}
	}
	return p, nil
}

// Set reports whether the policy judges sets of signers, by EvalSet, and not
// one bundle at a time, by Eval.
func (p *Policy) Set() bool { return p.set }

// Judgement returns the verdict as a report records it.
func (p *Policy) Judgement(v *Verdict) verify.Judgement {
	j := verify.Judgement{Policy: p.source.Name, SHA256: p.sum, Package: p.pkg, Accepted: v.Accepted()}
	if v != nil {
		j.Deny, j.Warn = v.Deny, v.Warn
	}
	return j
}

func compile(source *Source, o *Options) (*Policy, error) {
	p := &Policy{source: source, sum: source.SHA256(), pkg: o.Package, limits: o.Limits.orDefault()}
	if p.pkg == "" {
		p.pkg = DefaultPackage
	}
	modules, err := parse(source.Files, false)
	if err != nil {
		return nil, err
	}
	if err := p.findEntry(modules); err != nil {
		return nil, err
	}
	if err := checkRules(modules, p.pkg); err != nil {
		return nil, err
	}
	if p.modules, err = withLibrary(modules); err != nil {
		return nil, err
	}
	compiler := newCompiler(p.set, false)
	if compiler.Compile(p.modules); compiler.Failed() {
		return nil, fewer(compiler.Errors)
	}
	return p, p.prepare(compiler, o.Data)
}

func newCompiler(set, tests bool) *ast.Compiler {
	schemas := ast.NewSchemaSet()
	schemas.Put(ast.SchemaRootRef, compileSchema(set))
	return ast.NewCompiler().WithCapabilities(capabilities(tests)).WithStrict(true).WithSchemas(schemas).
		WithDefaultRegoVersion(ast.RegoV1).WithEnablePrintStatements(tests)
}

// parse parses modules. Comments are never read as annotations: those could
// name schemas elsewhere.
func parse(files []File, tests bool) (map[string]*ast.Module, error) {
	modules := make(map[string]*ast.Module, len(files))
	defined := make(map[string]string)
	for _, f := range files {
		m, err := ast.ParseModuleWithOpts(f.Name, f.Text, ast.ParserOptions{RegoVersion: ast.RegoV1, Capabilities: capabilities(tests)})
		if err != nil {
			return nil, err
		}
		if m == nil {
			return nil, fmt.Errorf("%s: expected a module, found nothing", f.Name)
		}
		name := packageName(m)
		if other := defined[name]; other != "" && !tests {
			return nil, fmt.Errorf("%s and %s both define package %s: expected one file for each package, so that no file changes what another one says", other, f.Name, name)
		}
		switch first, _, _ := strings.Cut(name, "."); first {
		case "params":
			return nil, fmt.Errorf("%s: package %s is where --policy-data goes: choose another name", f.Name, name)
		case "lib":
			return nil, fmt.Errorf("%s: package %s is in bundler's own library: choose another name", f.Name, name)
		}
		defined[name], modules[f.Name] = f.Name, m
	}
	return modules, nil
}

// packageName returns a module's package without "data.".
func packageName(m *ast.Module) string {
	return strings.TrimPrefix(m.Package.Path.String(), ast.DefaultRootDocument.String()+".")
}

var packagePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$`)

// findEntry finds out which package decides: the one asked for, or its set.
func (p *Policy) findEntry(modules map[string]*ast.Module) error {
	if !packagePattern.MatchString(p.pkg) {
		return fmt.Errorf("package %q: expected names with dots between them", p.pkg)
	}
	var found []string
	for _, m := range modules {
		found = append(found, packageName(m))
	}
	one, set := slices.Contains(found, p.pkg), slices.Contains(found, p.pkg+SetSuffix)
	switch {
	case one && set:
		return fmt.Errorf("it defines both %s, for one bundle, and %s, for sets: expected one of them; give two policies", p.pkg, p.pkg+SetSuffix)
	case !one && !set:
		slices.Sort(found)
		return fmt.Errorf("no module defines package %s, or %s; found %s", p.pkg, p.pkg+SetSuffix, strings.Join(found, ", "))
	case set:
		p.pkg, p.set = p.pkg+SetSuffix, true
	}
	return nil
}

// checkRules checks the form of the rules that decide, so that none of them is
// something else than it seems: allow has one value, deny and warn are sets.
func checkRules(modules map[string]*ast.Module, pkg string) error {
	allows := false
	for _, m := range modules {
		for _, rule := range m.Rules {
			name, whole, ours := entryRule(rule, pkg)
			switch {
			case !ours:
			case name == "allow":
				if !whole || len(rule.Head.Args) > 0 || rule.Head.RuleKind() != ast.SingleValue {
					return fmt.Errorf("%v: expected allow to be true or false: allow if { … }", rule.Loc())
				}
				allows = true
			case name == "deny" || name == "warn":
				if !whole || len(rule.Head.Args) > 0 || rule.Head.RuleKind() != ast.MultiValue {
					return fmt.Errorf("%v: expected %s to be a set: %s contains {\"code\": …, \"msg\": …} if { … }", rule.Loc(), name, name)
				}
			}
		}
	}
	if !allows {
		return fmt.Errorf("package %s has no rule allow: a policy that only denies accepts by accident", pkg)
	}
	return nil
}

// entryRule returns the name that a rule, of whatever package, has in the one
// that decides, and whether that is all of its reference.
func entryRule(rule *ast.Rule, pkg string) (name string, whole, ours bool) {
	ref := rule.Ref()
	prefix := len(strings.Split(pkg, ".")) + 1
	if len(ref) <= prefix || ref[:prefix].String() != "data."+pkg {
		return "", false, false
	}
	s, ok := ref[prefix].Value.(ast.String)
	return string(s), len(ref) == prefix+1, ok
}

// withLibrary adds those of the library's modules that are referred to.
func withLibrary(modules map[string]*ast.Module) (map[string]*ast.Module, error) {
	all := make(map[string]*ast.Module, len(modules)+4)
	var queue []*ast.Module
	for name, m := range modules {
		all[name] = m
		queue = append(queue, m)
	}
	for len(queue) > 0 {
		m := queue[0]
		queue = queue[1:]
		for _, name := range libraryRefs(m) {
			file := "lib/" + name + ".rego"
			if all[file] != nil {
				continue
			}
			text, err := policies.FS.ReadFile(file)
			if err != nil {
				return nil, fmt.Errorf("data.lib.%s: the library has no such package", name)
			}
			lib, err := ast.ParseModuleWithOpts(file, string(text), ast.ParserOptions{RegoVersion: ast.RegoV1})
			if err != nil {
				return nil, err
			}
			all[file] = lib
			queue = append(queue, lib)
		}
	}
	return all, nil
}

// libraryRefs returns the names of the library's packages that m mentions.
func libraryRefs(m *ast.Module) []string {
	var names []string
	ast.WalkRefs(m, func(ref ast.Ref) bool {
		if len(ref) > 2 && ref[0].Equal(ast.DefaultRootDocument) && ref[1].Equal(libTerm) {
			if name, ok := ref[2].Value.(ast.String); ok && ref.String() != m.Package.Path.String() {
				names = append(names, string(name))
			}
		}
		return false
	})
	return names
}

var libTerm = ast.StringTerm("lib")

// prepare makes the query that is evaluated. Each part is a list of no or one
// value, so that one that is undefined does not hide the others.
func (p *Policy) prepare(compiler *ast.Compiler, data map[string]any) error {
	if data == nil {
		data = map[string]any{}
	}
	query, err := ast.ParseBody(fmt.Sprintf(
		"allow := [v | v := data.%[1]s.allow]; deny := [v | v := data.%[1]s.deny]; warn := [v | v := data.%[1]s.warn]", p.pkg))
	if err != nil {
		return err
	}
	p.query, err = rego.New(
		rego.ParsedQuery(query),
		rego.Compiler(compiler),
		rego.Store(newStore(data)),
		rego.StrictBuiltinErrors(true),
	).PrepareForEval(context.Background())
	return err
}

func newStore(data map[string]any) storage.Store {
	return inmem.NewFromObjectWithOpts(map[string]any{"params": data}, inmem.OptRoundTripOnWrite(false), inmem.OptReturnASTValuesOnRead(true))
}

// fewer bounds a list of compile errors.
func fewer(errs ast.Errors) error {
	const most = 8
	if len(errs) <= most {
		return errs
	}
	return errors.Join(errs[:most], fmt.Errorf("and %d more errors", len(errs)-most))
}
