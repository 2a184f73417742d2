package main

import (
	"context"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/policy"
	"github.com/bundler-sign/bundler/pkg/verify"
)

// policyFlags say which policies judge, and what they are told.
type policyFlags struct {
	policies []string
	params   []string
	data     []string
	pkg      string
}

func (f *policyFlags) register(fs *pflag.FlagSet) {
	fs.StringArrayVar(&f.policies, "policy", nil, "a policy `file` (.rego) or directory, which must accept what was proved; may be repeated")
	f.registerParams(fs)
}

func (f *policyFlags) registerParams(fs *pflag.FlagSet) {
	fs.StringArrayVar(&f.params, "policy-param", nil, "a parameter of the policies, `name=value`, which they see as input.params; may be repeated")
	fs.StringArrayVar(&f.data, "policy-data", nil, "a `file` with a JSON object, which policies see as data.params; may be repeated")
	fs.StringVar(&f.pkg, "policy-package", policy.DefaultPackage, "the `package` whose rules decide, or with .set after it")
}

// judges are the policies, compiled once.
type judges struct {
	each, sets []*policy.Policy
	params     map[string]string
}

func (f *policyFlags) load() (*judges, error) {
	if len(f.policies) == 0 && (len(f.params) > 0 || len(f.data) > 0 || f.pkg != policy.DefaultPackage) {
		return nil, usagef("--policy-param, --policy-data and --policy-package are for policies: expected --policy")
	}
	params, data, err := f.parameters()
	if err != nil {
		return nil, err
	}
	js := &judges{params: params}
	for _, path := range f.policies {
		p, err := loadPolicy(path, &policy.Options{Package: f.pkg, Data: data})
		if err != nil {
			return nil, err
		}
		if p.Set() {
			js.sets = append(js.sets, p)
		} else {
			js.each = append(js.each, p)
		}
	}
	return js, nil
}

func loadPolicy(path string, o *policy.Options) (*policy.Policy, error) {
	source, err := policy.ReadSource(path)
	if err != nil {
		return nil, noVerdictf("%w", err)
	}
	p, err := policy.New(source, o)
	if err != nil {
		return nil, withHint(noVerdictf("%s", clean(err.Error())), "bundler policy check %s says more", path)
	}
	return p, nil
}

// parameters reads input.params and data.params.
func (f *policyFlags) parameters() (map[string]string, map[string]any, error) {
	params, data := make(map[string]string), make(map[string]any)
	for _, p := range f.params {
		name, value, ok := strings.Cut(p, "=")
		if _, twice := params[name]; !ok || name == "" || twice {
			return nil, nil, usagef("--policy-param %q: expected name=value, and each name once", p)
		}
		params[name] = value
	}
	for _, path := range f.data {
		text, err := readInput(path, policy.MaxData)
		if err != nil {
			return nil, nil, err
		}
		some, err := policy.ParseData(text)
		if err != nil {
			return nil, nil, usagef("--policy-data %s: %w", path, err)
		}
		for name, value := range some {
			if _, twice := data[name]; twice {
				return nil, nil, usagef("--policy-data %s: %q is in another file too: expected each name once", path, name)
			}
			data[name] = value
		}
	}
	return params, data, nil
}

// judge has the policies for one bundle decide on a result that awaits it.
// Where policies for sets decide too, the result still awaits those.
func (js *judges) judge(ctx context.Context, r *result, showInput bool) {
	if r.report == nil || !r.report.Proved() || !showInput && r.err != verify.ErrUndecided {
		return
	}
	in, err := policy.NewInput(r.report, js.params)
	if err != nil {
		r.err = err
		return
	}
	r.input = in
	if r.err != verify.ErrUndecided {
		return // it passed: there is no policy
	}
	for _, p := range js.each {
		v, err := p.Eval(ctx, in)
		if err != nil {
			r.err = err
			return
		}
		r.judgements = append(r.judgements, p.Judgement(v))
	}
	if len(js.sets) == 0 {
		r.decide()
	}
}

// decide draws the verdict from the judgements.
func (r *result) decide() {
	r.err = notJudged(r.report.Decide(r.judgements...))
}

// judgeSets has the policies for sets decide, on all bundles of the same
// artifacts together.
func (js *judges) judgeSets(ctx context.Context, results []result) {
	groups := make(map[string][]*result)
	for i := range results {
		if r := &results[i]; r.err == verify.ErrUndecided {
			groups[r.name] = append(groups[r.name], r)
		}
	}
	for _, group := range groups {
		js.judgeSet(ctx, group)
	}
}

func (js *judges) judgeSet(ctx context.Context, group []*result) {
	var members []*policy.Input
	for _, r := range group {
		if r.accepted() {
			members = append(members, r.input)
		}
	}
	err := sameArtifacts(group)
	var judgements []verify.Judgement
	for _, p := range js.sets {
		var v *policy.Verdict
		if err == nil {
			v, err = p.EvalSet(ctx, members, js.params)
		}
		if err == nil {
			judgements = append(judgements, p.Judgement(v))
		}
	}
	for _, r := range group {
		if err != nil {
			r.err = err
			continue
		}
		r.judgements = append(r.judgements, judgements...)
		r.decide()
	}
}

// accepted reports whether every policy for one bundle accepts.
func (r *result) accepted() bool {
	for _, j := range r.judgements {
		if !j.Accepted {
			return false
		}
	}
	return true
}

// sameArtifacts checks that an artifact did not change between two readings:
// signers of different things are no set.
func sameArtifacts(group []*result) error {
	type slot struct {
		artifact  int
		algorithm bundle.Algorithm
	}
	seen := make(map[slot]bundle.Digest)
	for _, r := range group {
		for i, a := range r.report.Artifacts {
			for _, d := range a.Digests {
				at := slot{i, d.Algorithm()}
				if other, ok := seen[at]; ok && other != d {
					return fmt.Errorf("%s: changed while it was verified", a.Name)
				}
				seen[at] = d
			}
		}
	}
	return nil
}

// renderInputs prints what policies see: of one bundle its input, of several
// what a policy for sets sees. That a bundle has none is said beside it.
func renderInputs(out, stderr io.Writer, results []result) error {
	var inputs []*policy.Input
	for _, r := range results {
		switch {
		case r.input != nil:
			inputs = append(inputs, r.input)
		case r.err != nil:
			fmt.Fprintf(stderr, "bundler: warning: %s: no verdict: %s\n", clean(r.bundle), clean(r.err.Error()))
		default:
			c := r.report.FirstFailure()
			fmt.Fprintf(stderr, "bundler: warning: %s: rejected, so that no policy sees it: %s: %s\n", clean(r.bundle), c.ID, clean(c.Detail))
		}
	}
	var doc any
	switch {
	case len(inputs) == 0:
		return nil
	case len(results) == 1:
		doc = inputs[0]
	default:
		doc = policy.SetInput{SchemaVersion: policy.SchemaVersion, Results: policy.Distinct(inputs), Params: inputs[0].Params}
	}
	text, err := json.Marshal(doc, json.Deterministic(true), jsontext.WithIndent("  "), jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return noVerdictf("rendering the input: %w", err)
	}
	fmt.Fprintf(out, "%s\n", cleanJSON(text))
	return nil
}
