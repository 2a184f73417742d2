package policy

import (
	"context"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/bundler-sign/bundler/pkg/verify"
)

// Limits bound an evaluation; zero fields are the defaults.
type Limits struct {
	Deadline time.Duration // 5 s
	Memory   uint64        // bytes by which the process's heap may grow meanwhile; 256 MiB
}

func (l Limits) orDefault() Limits {
	if l.Deadline == 0 {
		l.Deadline = 5 * time.Second
	}
	if l.Memory == 0 {
		l.Memory = 256 << 20
	}
	return l
}

// Limits on input and result.
const (
	MaxSet      = 1024    // bundles in a set
	maxFindings = 1000    // of each kind
	maxResult   = 1 << 20 // bytes of all messages
)

// Eval judges one bundle. The error is a *BrokenError, or that of ctx.
func (p *Policy) Eval(ctx context.Context, in *Input) (*Verdict, error) {
	if p.set || in == nil {
		return nil, p.broken(fmt.Errorf("package %s judges sets of bundles, and there is one", p.pkg))
	}
	return p.eval(ctx, reflect.ValueOf(in))
}

// EvalSet judges the bundles of one artifact, of which it sees one for each
// distinct signer: see Distinct. The error is a *BrokenError, or that of ctx.
func (p *Policy) EvalSet(ctx context.Context, bundles []*Input, params map[string]string) (*Verdict, error) {
	if !p.set {
		return nil, p.broken(fmt.Errorf("package %s judges one bundle at a time, and there is a set", p.pkg))
	}
	if len(bundles) > MaxSet {
		return nil, p.broken(fmt.Errorf("expected a set of at most %d bundles, found %d", MaxSet, len(bundles)))
	}
	return p.eval(ctx, reflect.ValueOf(&SetInput{SchemaVersion, Distinct(bundles), params}))
}

func (p *Policy) broken(err error) error { return &BrokenError{Policy: p.source.Name, Err: err} }

func (p *Policy) eval(ctx context.Context, in reflect.Value, more ...rego.EvalOption) (verdict *Verdict, err error) {
	defer func() {
		if r := recover(); r != nil {
			verdict, err = nil, p.broken(fmt.Errorf("the evaluator failed: %v", r))
		}
	}()
	input, err := toValue(in)
	if err != nil {
		return nil, p.broken(err)
	}
	bounded, stop := p.limits.watch(ctx)
	defer stop()
	results, err := p.query.Eval(bounded, append(more, rego.EvalParsedInput(input))...)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case bounded.Err() != nil:
		return nil, p.broken(context.Cause(bounded))
	case err != nil:
		return nil, p.broken(err)
	}
	if verdict, err = read(results); err != nil {
		return nil, p.broken(err)
	}
	return verdict, nil
}

// read reads the verdict from the one result that the query must have.
func read(results rego.ResultSet) (*Verdict, error) {
	if len(results) != 1 {
		return nil, fmt.Errorf("expected one result, found %d", len(results))
	}
	b := results[0].Bindings
	v := &Verdict{}
	allow, err := only(b["allow"])
	if err != nil {
		return nil, fmt.Errorf("allow: %w", err)
	}
	switch allow := allow.(type) {
	case nil: // undefined: no rule for allow holds
	case bool:
		v.Allow = allow
	default:
		return nil, fmt.Errorf("allow: expected true or false, found %s", brief(allow))
	}
	if v.Deny, err = findings(b["deny"]); err != nil {
		return nil, fmt.Errorf("deny: %w", err)
	}
	if v.Warn, err = findings(b["warn"]); err != nil {
		return nil, fmt.Errorf("warn: %w", err)
	}
	return v, nil
}

// only returns the one value of a list, or nil. A value of null is an error.
func only(list any) (any, error) {
	values, ok := list.([]any)
	switch {
	case !ok || len(values) > 1:
		return nil, errors.New("expected at most one value")
	case len(values) == 0:
		return nil, nil
	case values[0] == nil:
		return nil, errors.New("expected a value, found null")
	}
	return values[0], nil
}

func findings(list any) ([]verify.Finding, error) {
	set, err := only(list)
	if set == nil || err != nil {
		return nil, err
	}
	elems, ok := set.([]any)
	if !ok {
		return nil, fmt.Errorf("expected a set, found %s", brief(set))
	}
	if len(elems) > maxFindings {
		return nil, fmt.Errorf("expected at most %d elements, found %d", maxFindings, len(elems))
	}
	var out []verify.Finding
	size := 0
	for _, elem := range elems {
		f := finding(elem)
		if size += len(f.Code) + len(f.Message); size > maxResult {
			return nil, fmt.Errorf("expected at most %d bytes of messages, found more", maxResult)
		}
		out = append(out, f)
	}
	return out, nil
}

// finding reads an element of deny or warn. One of a form of its own denies as
// well as any.
func finding(elem any) verify.Finding {
	switch e := elem.(type) {
	case string:
		return verify.Finding{Message: e}
	case map[string]any:
		if msg, ok := e["msg"].(string); ok {
			code, _ := e["code"].(string)
			return verify.Finding{Code: code, Message: msg}
		}
	}
	return verify.Finding{Message: brief(elem)}
}

// brief returns a value's JSON, or its start.
func brief(v any) string {
	const most = 200
	text, err := json.Marshal(v, json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return fmt.Sprintf("a %T", v)
	}
	if len(text) > most {
		return string(text[:most]) + "…"
	}
	return string(text)
}
