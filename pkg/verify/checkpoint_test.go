package verify_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"

	rekorv1 "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	prototrustroot "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"

	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/verify"
)

// proof is the first entry's.
func (c *trial) proof() *rekorv1.InclusionProof { return c.firstEntry().InclusionProof }

// checkpoint puts another checkpoint under the first entry's proof.
func (c *trial) checkpoint(note string) { c.proof().Checkpoint.Envelope = note }

// headText is a checkpoint's text, before it is signed.
func headText(origin string, size int64, root []byte) string {
	return fmt.Sprintf("%s\n%d\n%s\n", origin, size, base64.StdEncoding.EncodeToString(root))
}

// text is that of the first entry's checkpoint.
func (c *trial) headText() string {
	return headText(c.log().Origin(), c.proof().TreeSize, c.proof().RootHash)
}

// TestCheckpointIsOfTheProof signs, with the log's own key, checkpoints that
// say something else than the proof above them.
func TestCheckpointIsOfTheProof(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	var faults []fault
	for name, o := range map[string]sandbox.SignOptions{
		"v1-promised":    {Logs: []*sandbox.Log{s.RekorV1}},
		"v1-proof-alone": {Logs: []*sandbox.Log{s.RekorV1}, NoPromise: true},
		"v2":             {Logs: []*sandbox.Log{s.RekorV2}},
	} {
		add := func(id, detail string, text func(c *trial) string) {
			faults = append(faults, fault{id + "/" + name, o, func(t *testing.T, c *trial) {
				c.checkpoint(c.log().SignNote(c.headText()))
				c.accepted(t)
				c.checkpoint(c.log().SignNote(text(c)))
			}, verify.CheckLogCheckpoint, detail})
		}
		sized := func(format string) func(*trial) string {
			return func(c *trial) string {
				lines := strings.SplitN(c.headText(), "\n", 3)
				return lines[0] + "\n" + fmt.Sprintf(format, c.proof().TreeSize) + "\n" + lines[2]
			}
		}
		add("B06-checkpoint-size-one-more", "expected the tree size of the proof", func(c *trial) string {
			return headText(c.log().Origin(), c.proof().TreeSize+1, c.proof().RootHash)
		})
		add("B06-checkpoint-size-one-less", "expected the tree size of the proof", func(c *trial) string {
			return headText(c.log().Origin(), c.proof().TreeSize-1, c.proof().RootHash)
		})
		for id, format := range map[string]string{"leading-zero": "0%d", "plus": "+%d", "space": " %d", "exponent": "%de0", "hexadecimal": "%#x", "beyond-int64": "9223372036854775808%.0d", "negative": "-%d", "zero": "0%.0d", "fraction": "%d.0"} {
			add("B06-checkpoint-size-with-"+id, "tree size", sized(format))
		}
		root := func(change func(string) string) func(*trial) string {
			return func(c *trial) string {
				lines := strings.SplitN(c.headText(), "\n", 3)
				return lines[0] + "\n" + lines[1] + "\n" + change(strings.TrimSpace(lines[2])) + "\n"
			}
		}
		add("B08-root-in-another-case", "root hash", root(func(s string) string { return swapOneCase(s) }))
		add("B08-root-in-upper-case", "root hash", root(strings.ToUpper))
		add("B08-root-with-folding-letter", "root hash", root(func(s string) string { return "\u212a" + s[1:] }))
		add("B08-root-with-loose-bits", "root hash", root(looseBits))
		add("B08-root-in-URL-safe-base64", "root hash", func(c *trial) string {
			return strings.NewReplacer("+", "-", "/", "_", "=", "").Replace(c.headText())
		})
		add("B08-root-in-hexadecimal", "root hash", root(func(s string) string {
			raw, _ := base64.StdEncoding.DecodeString(s)
			return fmt.Sprintf("%x", raw)
		}))
		add("B08-root-of-other-entries", "expected the root hash of the proof", func(c *trial) string {
			return headText(c.log().Origin(), c.proof().TreeSize, c.log().Root(c.proof().TreeSize-1))
		})
		add("B08-two-heads-in-one", "no empty line", func(c *trial) string {
			return c.headText() + "\n" + headText(c.log().Origin(), c.proof().TreeSize-1, c.log().Root(c.proof().TreeSize-1))
		})
	}
	rejectsEach(t, s, faults)
}

// swapOneCase changes the case of the first letter.
func swapOneCase(s string) string {
	i := strings.IndexFunc(s, unicode.IsLetter)
	c := s[i : i+1]
	if swapped := strings.ToUpper(c); swapped != c {
		return s[:i] + swapped + s[i+1:]
	}
	return s[:i] + strings.ToLower(c) + s[i+1:]
}

// looseBits returns another base64 text of the same 32 bytes, which sets bits
// that a decoder may ignore.
func looseBits(s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	last := len(s) - 2 // before the padding
	return s[:last] + string(alphabet[strings.IndexByte(alphabet, s[last])|1]) + "="
}

// TestCheckpointIsNamedAfterItsLog: the first line names the log that the trust
// lists, and the log signed under that name.
func TestCheckpointIsNamedAfterItsLog(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	v1, v2 := sandbox.SignOptions{Logs: []*sandbox.Log{s.RekorV1}}, sandbox.SignOptions{Logs: []*sandbox.Log{s.RekorV2}}
	alone := sandbox.SignOptions{Logs: []*sandbox.Log{s.RekorV1}, NoPromise: true}
	// named signs the right head under another origin and name.
	named := func(origin, name string) func(*testing.T, *trial) {
		return func(_ *testing.T, c *trial) {
			text := headText(origin, c.proof().TreeSize, c.proof().RootHash)
			c.checkpoint(text + "\n" + c.log().SignatureLine(name, text))
		}
	}
	host, tree := s.RekorV1.Host, fmt.Sprintf(" - %d", s.RekorV1.TreeID)
	const id = verify.CheckLogCheckpoint
	rejectsEach(t, s, []fault{
		{"B07-origin-of-another-trusted-log-promised", v1, named(s.RekorV2.Host+tree, s.RekorV2.Host), id, "expected origin"},
		{"B07-origin-of-another-trusted-log", alone, named(s.RekorV2.Host+tree, s.RekorV2.Host), id, "expected origin"},
		{"B07-origin-of-another-log", alone, named("other.example"+tree, "other.example"), id, "expected origin"},
		{"B07-origin-of-another-log-signed-as-this", v1, named("other.example"+tree, host), id, "it is signed as"},
		{"B07-origin-of-this-log-signed-as-another", v1, named(host+tree, "other.example"), id, "it is signed as"},
		{"B07-origin-in-another-case", alone, named(strings.ToUpper(host)+tree, strings.ToUpper(host)), id, "expected origin"},
		{"B07-origin-longer", alone, named(host+".example"+tree, host+".example"), id, "expected origin"},
		{"B07-origin-with-port", alone, named(host+":443"+tree, host+":443"), id, "expected origin"},
		{"B07-no-tree", v1, named(host, host), id, "has a checkpoint of Rekor v2"},
		{"B07-tree-in-hexadecimal", v1, named(host+" - 0x12", host), id, "is not the name of a log"},
		{"B07-empty-tree", v1, named(host+" - ", host), id, "is not the name of a log"},
		{"B07-two-trees", v1, named(host+" - 1 - 2", host), id, "is not the name of a log"},
		{"B07-tree-in-other-digits", v1, named(host+" - \u0661", host), id, "is not the name of a log"},
		{"B07-empty-origin", v1, named("", host), id, "expected lines with origin"},
		{"B07-v2-origin-of-another-log", v2, named("other.example", "other.example"), id, "key id"},
		{"B07-v2-origin-of-another-log-signed-as-this", v2, named("other.example", s.RekorV2.Host), id, "it is signed as"},
		{"B07-v2-origin-with-scheme", v2, named(s.RekorV2.URL, s.RekorV2.Host), id, "it is signed as"},
		{"B07-v2-origin-with-slash", v2, named(s.RekorV2.Host+"/", s.RekorV2.Host), id, "it is signed as"},
	})
}

// TestCheckpointIsSignedByItsLog plays tricks with the lines of signatures.
func TestCheckpointIsSignedByItsLog(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	v1, v2 := sandbox.SignOptions{Logs: []*sandbox.Log{s.RekorV1}}, sandbox.SignOptions{Logs: []*sandbox.Log{s.RekorV2}}
	witness := s.NewWitness("w")
	impostor := s.NewLog("impostor", &sandbox.LogOptions{Version: 1})
	impostor2 := s.NewLog("impostor2", nil)
	// lines replaces the signatures by those that f returns.
	lines := func(f func(c *trial, text, honest string) string) func(*testing.T, *trial) {
		return func(_ *testing.T, c *trial) {
			text := c.headText()
			c.checkpoint(text + "\n" + f(c, text, c.log().SignatureLine(c.log().Host, text)))
		}
	}
	broken := func(line string) string { // the same key id, another signature
		name, b64, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "example ")
		raw, _ := base64.StdEncoding.DecodeString(b64)
		raw[20] ^= 1
		return name + "example " + base64.StdEncoding.EncodeToString(raw) + "\n"
	}
	const id = verify.CheckLogCheckpoint
	rejectsEach(t, s, []fault{
		{"B07-signed-by-another-key-under-this-name", v1, lines(func(c *trial, text, _ string) string {
			return impostor.SignatureLine(c.log().Host, text)
		}), id, "expected a signature with key id"},
		{"B07-v2-signed-by-another-key-under-this-name", v2, lines(func(c *trial, text, _ string) string {
			return impostor2.SignatureLine(c.log().Host, text)
		}), id, "expected a signature with key id"},
		{"B07-key-id-of-this-log-signature-of-another", v2, lines(func(c *trial, text, honest string) string {
			line := impostor2.SignatureLine(c.log().Host, text)
			raw, _ := base64.StdEncoding.DecodeString(strings.Fields(line)[2])
			own, _ := base64.StdEncoding.DecodeString(strings.Fields(honest)[2])
			return fmt.Sprintf("— %s %s\n", c.log().Host, base64.StdEncoding.EncodeToString(append(own[:4:4], raw[4:]...)))
		}), id, "was not made by the key of"},
		{"B07-cosigned-by-witness-alone", v2, lines(func(_ *trial, text, _ string) string { return witness.SignatureLine(text, s.Now()) }), id, "expected a signature with key id"},
		{"B07-broken-signature", v1, lines(func(_ *trial, _, honest string) string { return broken(honest) }), id, "was not made by the key of"},
		{"B07-broken-signature-before-the-right-one", v2, lines(func(_ *trial, _, honest string) string { return broken(honest) + honest }), id, "was not made by the key of"},
		{"B07-v1-cosigned", v1, lines(func(_ *trial, text, honest string) string { return honest + witness.SignatureLine(text, s.Now()) }), id, "expected the log's signature alone"},
		{"B07-v1-signed-under-two-names", v1, lines(func(c *trial, text, honest string) string {
			return honest + c.log().SignatureLine("other.example", text)
		}), id, "it is signed as"},
		{"B07-signature-of-another-text", v2, lines(func(c *trial, text, _ string) string {
			return c.log().SignatureLine(c.log().Host, strings.TrimSuffix(text, "\n"))
		}), id, "was not made by the key of"},
		{"B07-no-signature", v1, lines(func(*trial, string, string) string { return "" }), id, "expected a signed note"},
		{"B07-hyphen-for-dash", v1, lines(func(_ *trial, _, honest string) string { return strings.Replace(honest, "—", "-", 1) }), id, "expected a signed note"},
		{"B07-carriage-returns", v1, lines(func(_ *trial, _, honest string) string { return strings.Replace(honest, "\n", "\r\n", 1) }), id, "expected a signed note"},
		{"B07-text-after-the-signatures", v1, lines(func(_ *trial, _, honest string) string { return honest + "more" }), id, "expected a signed note"},
		{"B07-checkpoint-of-the-other-log", v1, func(t *testing.T, c *trial) {
			c.checkpoint(honest(t, s, v2).proof().Checkpoint.Envelope)
		}, id, "expected a signature with key id"},
	})
	t.Run("B07-v2-cosigned-is-accepted", func(t *testing.T) {
		c := honest(t, s, v2)
		lines(func(_ *trial, text, honest string) string { return witness.SignatureLine(text, s.Now()) + honest })(t, c)
		if got := c.accepted(t).Entries[0].Witnesses; len(got) != 1 || got[0] != witness.Name {
			t.Errorf("got witnesses %q", got)
		}
	})
}

// TestInclusionAtTheEdges: the proof is of this body, at this index, in a tree
// of this size, and of no more and no fewer hashes.
func TestInclusionAtTheEdges(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	for _, prior := range []int{-1, 1, 2, 3, 7, 8} {
		log := s.NewLog(fmt.Sprintf("edge%d", prior), &sandbox.LogOptions{Prior: prior})
		o := sandbox.SignOptions{Logs: []*sandbox.Log{log}}
		trialOf := func(t *testing.T) *trial {
			c := honest(t, s, o)
			c.Root.Tlogs = []*prototrustroot.TransparencyLogInstance{log.Instance()}
			c.accepted(t)
			return c
		}
		resigned := func(c *trial) { // as the log signs what it is told
			c.checkpoint(log.SignCheckpoint(log.Origin(), uint64(c.proof().TreeSize), c.proof().RootHash))
		}
		for name, bend := range map[string]func(c *trial){
			"size-one-more": func(c *trial) { c.proof().TreeSize++; resigned(c) },
			"size-twice":    func(c *trial) { c.proof().TreeSize *= 4; resigned(c) },
			"index-of-its-neighbour": func(c *trial) {
				c.proof().LogIndex ^= 1
				c.firstEntry().LogIndex = c.proof().LogIndex
				c.proof().TreeSize = max(c.proof().TreeSize, c.proof().LogIndex+1)
				resigned(c)
			},
			"hash-too-many":      func(c *trial) { c.proof().Hashes = append(c.proof().Hashes, bytes.Repeat([]byte{1}, 32)) },
			"root-of-no-entries": func(c *trial) { c.proof().RootHash = sum256(nil); resigned(c) },
			"root-is-the-leaf-without-its-prefix": func(c *trial) {
				c.proof().RootHash, c.proof().Hashes = sum256(c.firstEntry().CanonicalizedBody), nil
				c.proof().LogIndex, c.firstEntry().LogIndex, c.proof().TreeSize = 0, 0, 1
				resigned(c)
			},
			"body-is-a-node": func(c *trial) { // a second preimage: a node's two hashes as a leaf
				c.firstEntry().CanonicalizedBody = append(bytes.Repeat([]byte{2}, 32), c.proof().RootHash...)
			},
		} {
			t.Run(fmt.Sprintf("B01-%s/%d-before", name, max(prior, 0)), func(t *testing.T) {
				c := trialOf(t)
				bend(c)
				if rep, err := c.verify(t); err == nil || rep.Verdict != verify.Failed {
					t.Errorf("got %v, %v, want a rejection\n%s", rep.Verdict, err, dump(rep))
				}
			})
		}
	}
}

// TestOneLogSeveralEntries: what is wrong in one entry is not made good by
// another, and one log is one witness.
func TestOneLogSeveralEntries(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	both := sandbox.SignOptions{Logs: []*sandbox.Log{s.RekorV2, s.RekorV1}}
	rejectsEach(t, s, []fault{
		{"B01-second-entry-of-another-bundle", both, func(t *testing.T, c *trial) {
			c.material().TlogEntries[1] = honest(t, s, both).material().TlogEntries[1]
		}, verify.CheckLogBinding, "about another signature"},
		{"B01-promise-of-another-entry", both, func(t *testing.T, c *trial) {
			c.material().TlogEntries[1].InclusionPromise = honest(t, s, both).material().TlogEntries[1].InclusionPromise
		}, verify.CheckLogPromise, "not the log's"},
		{"B01-promise-signed-by-the-other-log", both, func(_ *testing.T, c *trial) {
			e := c.material().TlogEntries[1]
			e.InclusionPromise.SignedEntryTimestamp = s.RekorV2.SignSET(e.CanonicalizedBody, e.IntegratedTime, e.LogIndex)
		}, verify.CheckLogPromise, "not the log's"},
		{"B01-entry-under-the-other-logs-id", both, func(_ *testing.T, c *trial) {
			c.firstEntry().LogId.KeyId = s.RekorV1.ID()
		}, verify.CheckLogCheckpoint, "expected a signature with key id"},
	})
	t.Run("B01-two-logs-with-one-key", func(t *testing.T) {
		c := honest(t, s, both)
		c.accepted(t)
		twin := s.RekorV1.Instance()
		twin.BaseUrl, twin.Operator = "https://twin.example", "twin"
		c.Root.Tlogs = append(c.Root.Tlogs, twin)
		c.misconfigured(t, "expected one operator for one key")
	})
	t.Run("B01-one-log-in-two-windows-is-one-witness", func(t *testing.T) {
		c := honest(t, s, sandbox.SignOptions{Logs: []*sandbox.Log{s.RekorV1, s.RekorV1}})
		first, second := s.RekorV1.Instance(), s.RekorV1.Instance()
		first.PublicKey.ValidFor = sandbox.Window(s.RekorV1.Start, s.Now().Add(-time.Second))
		second.PublicKey.ValidFor = sandbox.Window(s.Now(), time.Time{})
		c.Root.Tlogs = []*prototrustroot.TransparencyLogInstance{first, second}
		c.accepted(t)
		c.Require.Logs = 2
		c.rejected(t, verify.CheckLogThreshold, "transparency logs: 1 found, 2 required")
	})
}
