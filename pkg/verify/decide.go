package verify

import (
	"errors"
	"fmt"
	"slices"
)

// ErrUndecided is returned by Verify for a bundle that passed every check,
// where the requirements leave the decision to a policy: there is no verdict
// until Report.Decide has recorded one.
var ErrUndecided = errors.New("every check passed, but no policy has decided")

// A Judgement is what one policy said about a report, or about the set of
// reports that it is one of. The zero Judgement rejects.
type Judgement struct {
	Policy   string    `json:"policy"` // the file or directory it was read from
	SHA256   string    `json:"sha256"` // of its sources, hex
	Package  string    `json:"package"`
	Accepted bool      `json:"accepted"`
	Deny     []Finding `json:"deny"`
	Warn     []Finding `json:"warn"`
}

// A Finding is a reason that a policy gives. It is text from outside.
type Finding struct {
	Code    string `json:"code"`
	Message string `json:"msg"`
}

// Proved reports whether every required check passed, so that what the report
// says was proved. Where a policy decides, that is less than a verdict.
func (r *Report) Proved() bool { return r.Verdict == Passed || r.awaiting }

// Decide records the judgements of policies on a report that awaits them, and
// draws the verdict: Passed if there are judgements and all of them accept,
// else Failed. It returns what Verify would: nil, an *Error, or another error,
// with which there is no verdict. A report that does not await a policy is one
// that failed, or that was decided before: it is never made to pass.
func (r *Report) Decide(judgements ...Judgement) error {
	if !r.awaiting || len(judgements) == 0 {
		if r.Verdict == Passed {
			r.Verdict = None
		}
		return errors.New("no report that awaits a policy, or no judgement on it")
	}
	r.awaiting = false
	r.Policies = slices.Clone(judgements)
	r.Verdict = Passed
	for i := range judgements {
		c := judgements[i].check()
		if c.Status != Pass {
			r.Verdict = Failed
		}
		r.Checks = append(r.Checks, c)
	}
	if r.Verdict != Passed {
		return &Error{Report: r}
	}
	return nil
}

func (j *Judgement) check() Check {
	c := Check{ID: CheckPolicy, Required: true}
	switch {
	case len(j.Deny) > 0:
		c.Detail = fmt.Sprintf("%s denies: %s", j.Policy, j.Deny[0])
		if n := len(j.Deny) - 1; n > 0 {
			c.Detail += fmt.Sprintf(", and %d more", n)
		}
	case !j.Accepted:
		c.Detail = j.Policy + " does not allow it"
		c.Expected, c.Got = "allow is true", "no rule for allow holds"
		c.Hint = "bundler policy eval --explain shows which expression does not hold"
	default:
		c.Status, c.Detail = Pass, j.Policy+" accepts"
	}
	return c
}

// String returns the finding on one line.
func (f Finding) String() string {
	if f.Code == "" {
		return f.Message
	}
	return f.Code + ": " + f.Message
}
