package verify_test

import (
	"testing"

	"github.com/bundler-sign/bundler/pkg/sandbox"
)

// TestVerifyAcceptsHonestBundles is the twin of every rejection: all kinds of
// bundle that Sigstore's services make.
func TestVerifyAcceptsHonestBundles(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	for name, o := range honestKinds(t, s) {
		t.Run(name, func(t *testing.T) {
			honest(t, s, o).accepted(t)
		})
	}
}

func honestKinds(t *testing.T, s *sandbox.Sandbox) map[string]sandbox.SignOptions {
	v1, v2 := []*sandbox.Log{s.RekorV1}, []*sandbox.Log{s.RekorV2}
	key := s.Key("release", sandbox.P256)
	return map[string]sandbox.SignOptions{
		"message, Rekor v2":       {Logs: v2},
		"message, Rekor v1":       {Logs: v1},
		"message, promise alone":  {Logs: v1, NoProof: true, MediaType: sandbox.MediaTypeV01},
		"message, proof alone":    {Logs: v1, NoPromise: true},
		"message, both logs":      {Logs: []*sandbox.Log{s.RekorV1, s.RekorV2}},
		"message, no timestamp":   {Logs: v1, TSAs: []*sandbox.TSA{}},
		"statement, Rekor v2":     {Logs: v2, Statement: statement(t)},
		"statement, dsse v1":      {Logs: v1, Statement: statement(t)},
		"statement, dsse v2":      {Logs: v2, Statement: statement(t), Kind: sandbox.DSSE002},
		"statement, intoto v1":    {Logs: v1, Statement: statement(t), Kind: sandbox.Intoto002},
		"statement, version 0.2":  {Logs: v1, Statement: statement(t), MediaType: sandbox.MediaTypeV02},
		"key, message, Rekor v1":  {Logs: v1, Key: key},
		"key, message, Rekor v2":  {Logs: v2, Key: key},
		"key, statement, dsse v1": {Logs: v1, Key: key, Statement: statement(t)},
	}
}
