package policy

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// A Failure is an expression of a policy that does not hold, and what the parts
// of the input that it names are.
type Failure struct {
	At         string   `json:"at"`         // file:line
	Rule       string   `json:"rule"`       // the rule it stands in
	Expression string   `json:"expression"` // as written
	Values     []string `json:"values"`     // "input.signer.kind is "publicKey""
}

// Evaluate judges a document, and says which expressions of the rules for allow
// did not hold. Errors are as those of Eval.
func (p *Policy) Evaluate(ctx context.Context, d *Document) (*Verdict, []Failure, error) {
	in, err := p.document(d)
	if err != nil {
		return nil, nil, p.broken(err)
	}
	trace := topdown.NewBufferTracer()
	verdict, err := p.eval(ctx, reflect.ValueOf(in), rego.EvalQueryTracer(trace), rego.EvalRuleIndexing(false), rego.EvalEarlyExit(false))
	if err != nil {
		return nil, nil, err
	}
	input, err := toValue(reflect.ValueOf(in))
	if err != nil {
		return nil, nil, p.broken(err)
	}
	return verdict, p.failures(*trace, input), nil
}

func (p *Policy) document(d *Document) (any, error) {
	switch {
	case p.set && d.Set != nil:
		return &SetInput{d.Set.SchemaVersion, Distinct(d.Set.Results), d.Set.Params}, nil
	case p.set:
		return nil, fmt.Errorf("package %s judges sets of bundles, and the input is of one", p.pkg)
	case d.One != nil:
		return d.One, nil
	}
	return nil, fmt.Errorf("package %s judges one bundle at a time, and the input is of a set", p.pkg)
}

// failures returns each expression that failed in a rule for allow, once.
func (p *Policy) failures(events []*topdown.Event, input ast.Value) []Failure {
	var out []Failure
	seen := make(map[string]bool)
	for _, e := range events {
		x, ok := e.Node.(*ast.Expr)
		if !ok || e.Op != topdown.FailOp || x.Location == nil {
			continue
		}
		rule, ours := p.ruleAt(x.Location)
		key := fmt.Sprintf("%s:%d", at(x.Location), x.Location.Col)
		if !ours || seen[key] {
			continue
		}
		seen[key] = true
		out = append(out, Failure{at(x.Location), rule, strings.TrimSpace(string(x.Location.Text)), p.values(x, input)})
	}
	return out
}

// ruleAt returns the name of the rule that a place is in. Those for deny and
// warn are not ours: that they do not hold is as it should be.
func (p *Policy) ruleAt(l *ast.Location) (string, bool) {
	m := p.modules[l.File]
	if m == nil || strings.HasPrefix(l.File, "lib/") {
		return "", false
	}
	var last *ast.Rule
	for _, rule := range m.Rules {
		if rule.Loc() != nil && rule.Loc().Row <= l.Row && (last == nil || rule.Loc().Row >= last.Loc().Row) {
			last = rule
		}
	}
	if last == nil {
		return "", false
	}
	name := last.Head.Ref().String()
	return name, name != "deny" && name != "warn" && !strings.HasPrefix(name, "deny.") && !strings.HasPrefix(name, "warn.")
}

// values says what the input has where an expression looks, or in what is the
// nearest to it. The compiler has put variables for some parts, so that the
// text is read once more.
func (p *Policy) values(x *ast.Expr, input ast.Value) []string {
	body, err := ast.ParseBodyWithOpts(string(x.Location.Text), ast.ParserOptions{RegoVersion: ast.RegoV1})
	if err != nil {
		return nil
	}
	var out []string
	ast.WalkRefs(body, func(ref ast.Ref) bool {
		if !ref[0].Equal(ast.InputRootDocument) {
			return false
		}
		if line := look(ref, input); !slices.Contains(out, line) {
			out = append(out, line)
		}
		return false
	})
	return out
}

func look(ref ast.Ref, value ast.Value) string {
	path := ref[:1]
	for _, part := range ref[1:] {
		if !part.IsGround() {
			break
		}
		next, err := value.Find(ast.Ref{part})
		if err != nil {
			return fmt.Sprintf("%v is %s, which has no %v", path, short(value), part)
		}
		path, value = append(slices.Clone(path), part), next
	}
	return fmt.Sprintf("%v is %s", path, short(value))
}

func short(v ast.Value) string {
	const most = 120
	text := v.String()
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}
