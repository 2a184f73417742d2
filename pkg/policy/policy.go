// Package policy answers: do we accept it? It weighs what package verify
// proved by rules in Rego, the language of Open Policy Agent. Whether anything
// is true is not asked here: a policy sees proved facts, and turns a pass into
// a no, never a no into a pass.
//
//	package bundler
//
//	default allow := false
//
//	allow if "Acme Release" in input.signer.certificate.subject.CN
//
//	deny contains {"code": "old", "msg": "signed before the audit"} if {
//		time.parse_rfc3339_ns(input.times.signing) < data.params.audit
//	}
//
// A report is accepted if allow is exactly true and deny is empty. A policy
// that does not load or evaluate, or whose allow is no boolean, is broken: a
// *BrokenError, which is no verdict.
//
// Policies are Rego v1. What they can call is an allow list (capabilities.go):
// no network, no clock, no chance, no environment. What they read is the Input
// and data.params. Evaluation has a deadline, and a limit on memory.
//
// Source of the language: www.openpolicyagent.org/docs/policy-language.
package policy

import (
	"fmt"

	"github.com/bundler-sign/bundler/pkg/verify"
)

// DefaultPackage is the package whose rules decide. That of policies for sets
// of signers is DefaultPackage + SetSuffix.
const (
	DefaultPackage = "bundler"
	SetSuffix      = ".set"
)

// A Verdict is what a policy says. The zero Verdict denies.
type Verdict struct {
	Allow bool             `json:"allow"`
	Deny  []verify.Finding `json:"deny"`
	Warn  []verify.Finding `json:"warn"`
}

// Accepted reports whether allow was true and deny empty.
func (v *Verdict) Accepted() bool { return v != nil && v.Allow && len(v.Deny) == 0 }

// A BrokenError says that a policy did not load or evaluate: there is no
// verdict. Every function here that takes a policy returns it.
type BrokenError struct {
	Policy string
	Err    error
}

func (e *BrokenError) Error() string { return fmt.Sprintf("policy %s is broken: %v", e.Policy, e.Err) }
func (e *BrokenError) Unwrap() error { return e.Err }
