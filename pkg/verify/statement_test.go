package verify_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"testing"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/verify"
)

type members = map[string]any

// attest returns an honest trial of a statement with these members changed; a
// nil value removes the member.
func attest(t *testing.T, s *sandbox.Sandbox, change members) *trial {
	t.Helper()
	var doc members
	if err := json.Unmarshal(statement(t), &doc); err != nil {
		t.Fatal(err)
	}
	maps.Copy(doc, change)
	for name, value := range change {
		if value == nil {
			delete(doc, name)
		}
	}
	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return honest(t, s, sandbox.SignOptions{Statement: text})
}

func digestOf(alg bundle.Algorithm, data []byte) string { return bundle.Sum(alg, data).Hex() }

// subject is hello as a statement names it, by digests of these algorithms.
func subject(name string, digests members) []members {
	return []members{{"name": name, "digest": digests}}
}

// TestStatementsAreReadOneWay: each statement is signed as it is, by the right
// signer; what it says is wrong.
func TestStatementsAreReadOneWay(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	right := members{"sha256": digestOf(bundle.SHA256, hello)}
	for _, test := range []struct {
		name   string
		change members
		id     verify.CheckID
		detail string
	}{
		{"B16-garbage-type", members{"_type": "garbage"}, verify.CheckContent, `found "garbage"`},
		{"B16-no-type", members{"_type": nil}, verify.CheckContent, "expected a string"},
		{"B16-empty-type", members{"_type": ""}, verify.CheckContent, "not empty"},
		{"B16-type-is-a-list", members{"_type": []string{bundle.StatementV1}}, verify.CheckContent, "expected a string"},
		{"B16-type-and-a-slash", members{"_type": bundle.StatementV1 + "/"}, verify.CheckContent, "expected"},
		{"B16-type-in-another-case", members{"_type": "https://in-toto.io/statement/v1"}, verify.CheckContent, "expected"},
		{"B16-type-under-another-name", members{"_type": nil, "type": bundle.StatementV1}, verify.CheckContent, "type"},

		{"B18-name-alone", members{"subject": subject("artifact", members{"sha256": digestOf(bundle.SHA256, other)})}, verify.CheckArtifact, "is not a subject"},
		{"B18-name-is-the-digest", members{"subject": subject(digestOf(bundle.SHA256, hello), members{"sha256": digestOf(bundle.SHA256, other)})}, verify.CheckArtifact, "is not a subject"},
		{"B18-digest-under-another-algorithm", members{"subject": subject("artifact", members{"sha512": digestOf(bundle.SHA512, other)})}, verify.CheckArtifact, "is not a subject"},
		{"B18-one-digest-right-one-wrong", members{"subject": subject("artifact", members{"sha256": digestOf(bundle.SHA256, hello), "sha512": digestOf(bundle.SHA512, other)})}, verify.CheckArtifact, "is not a subject"},

		{"B19-no-subjects", members{"subject": []members{}}, verify.CheckContent, "at least one subject"},
		{"B19-subject-absent", members{"subject": nil}, verify.CheckContent, "expected an array"},
		{"B19-subject-is-no-list", members{"subject": subject("a", right)[0]}, verify.CheckContent, "expected an array"},
		{"B19-no-digest", members{"subject": subject("artifact", members{})}, verify.CheckArtifact, "no subject of the statement has a digest"},
		{"B19-digest-absent", members{"subject": []members{{"name": "artifact"}}}, verify.CheckArtifact, "no subject of the statement has a digest"},
		{"B19-md5-and-sha1-alone", members{"subject": subject("artifact", members{"md5": "00", "sha1": "00", "gitCommit": "00"})}, verify.CheckArtifact, "no subject of the statement has a digest"},
		{"B19-algorithm-in-another-case", members{"subject": subject("artifact", members{"SHA256": right["sha256"]})}, verify.CheckArtifact, "no subject of the statement has a digest"},
		{"B19-digest-of-another-length", members{"subject": subject("artifact", members{"sha512": right["sha256"]})}, verify.CheckContent, "expected 64 bytes"},
		{"B19-empty-digest", members{"subject": subject("artifact", members{"sha256": ""})}, verify.CheckContent, "expected 32 bytes"},
		{"B19-digest-with-its-algorithm", members{"subject": subject("artifact", members{"sha256": fmt.Sprint("sha256:", right["sha256"])})}, verify.CheckContent, "hexadecimal"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			attest(t, s, members{"subject": subject("artifact", right)}).accepted(t)
			attest(t, s, test.change).rejected(t, test.id, test.detail)
		})
	}
}

// TestPredicateTypeIsTheOneAskedFor, whole and exact.
func TestPredicateTypeIsTheOneAskedFor(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	const want = "https://example.com/predicate/v1"
	for name, predicateType := range map[string]any{
		"another": "https://example.com/predicate/v2", "longer": want + "/", "prefix": want[:len(want)-1],
		"another-case": "HTTPS://example.com/predicate/v1", "space": want + " ", "folding": "https://example.com/predicate/\u017f1",
		"empty": "", "absent": nil, "list": []string{want},
	} {
		t.Run("B17-"+name, func(t *testing.T) {
			t.Parallel()
			require := func(c *trial) *trial {
				c.Require.PredicateType = want
				return c
			}
			require(attest(t, s, nil)).accepted(t)
			require(attest(t, s, members{"predicateType": predicateType})).rejected(t, verify.CheckContent, "")
		})
	}
}

// TestEveryArtifactMustBeASubject: of several, all match or the bundle fails.
func TestEveryArtifactMustBeASubject(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	third := []byte("a third artifact\n")
	list := func(contents ...[]byte) (subjects []members) {
		for _, content := range contents {
			subjects = append(subjects, subject("s", members{"sha256": digestOf(bundle.SHA256, content)})...)
		}
		return subjects
	}
	with := func(c *trial, contents ...[]byte) *trial {
		c.Artifacts = nil
		for _, content := range contents {
			c.Artifacts = append(c.Artifacts, artifactOf(content))
		}
		return c
	}
	all, two := members{"subject": list(hello, other, third)}, members{"subject": list(hello, other)}
	t.Run("B20-two-of-three-in-the-statement", func(t *testing.T) {
		with(attest(t, s, all), third, hello, other).accepted(t)
		rep := with(attest(t, s, two), hello, third, other).rejected(t, verify.CheckArtifact, "is not a subject")
		if n := countOf(rep, verify.CheckArtifact); n != 3 {
			t.Errorf("got %d artifacts reported, want 3", n)
		}
	})
	t.Run("B20-subset-of-the-statement", func(t *testing.T) {
		with(attest(t, s, all), third).accepted(t)
		with(attest(t, s, two), third).rejected(t, verify.CheckArtifact, "is not a subject")
	})
	t.Run("B20-no-artifacts", func(t *testing.T) {
		with(attest(t, s, all), hello).accepted(t)
		with(attest(t, s, all)).rejected(t, verify.CheckArtifact, "no artifact was given")
	})
	t.Run("B20-digests-of-two-subjects-on-one-artifact", func(t *testing.T) {
		c := attest(t, s, members{"subject": append(subject("a", members{"sha256": digestOf(bundle.SHA256, hello), "sha512": digestOf(bundle.SHA512, hello)}),
			subject("b", members{"sha256": digestOf(bundle.SHA256, other), "sha512": digestOf(bundle.SHA512, other)})...)})
		c.Artifacts = known(bundle.Sum(bundle.SHA256, hello), bundle.Sum(bundle.SHA512, hello))
		c.accepted(t)
		c.Artifacts = known(bundle.Sum(bundle.SHA256, hello), bundle.Sum(bundle.SHA512, other))
		c.rejected(t, verify.CheckArtifact, "is not a subject")
	})
	t.Run("B20-two-artifacts-of-a-message", func(t *testing.T) {
		with(honest(t, s, sandbox.SignOptions{}), hello).accepted(t)
		with(honest(t, s, sandbox.SignOptions{}), hello, hello).rejected(t, verify.CheckArtifact, "about one artifact")
	})
}

func countOf(rep *verify.Report, id verify.CheckID) int {
	n := 0
	for _, c := range rep.Checks {
		if c.ID == id {
			n++
		}
	}
	return n
}
