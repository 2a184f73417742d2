package verify

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
	"github.com/bundler-sign/bundler/pkg/trustroot"
)

// latest is the last second that a time of RFC 3339 can name.
const latest = 253402300799

// logs proves that the bundle's entries are in their logs and are about this
// bundle. An entry of a log that is not trusted is reported and counts nothing;
// an entry of a trusted log that is wrong in any part fails the bundle.
func (r *run) logs() {
	distinct := make(map[string]bool)
	promising := make(map[string]bool)
	for i := range r.b.Entries {
		e := &r.b.Entries[i]
		if r.isDuplicate(i) {
			r.failf(CheckLogEntry, "entry %d is the same as one before it", i)
			continue
		}
		candidates := r.logsWithID(e.LogID)
		if len(candidates) == 0 {
			r.skipf(CheckLogEntry, "log %s is not in the trusted root", hex.EncodeToString(e.LogID))
			continue
		}
		proved, promised := r.entry(e, candidates)
		if proved {
			distinct[candidates[0].Identity()] = true
		}
		if promised {
			promising[candidates[0].Identity()] = true
		}
	}
	q := &r.v.require
	r.rep.Thresholds = Thresholds{q.Logs, q.SCTs, q.Timestamps, q.IntegratedTimes, q.ObserverTimes}
	r.threshold(CheckLogThreshold, q.Logs, distinct, "transparency logs",
		"the bundle needs an entry in a log that the trust config lists; the signer can log the signature and attach the entry")
	r.threshold(CheckIntegrated, q.IntegratedTimes, promising, "logs that promise an integrated time",
		"the bundle needs a log entry with a signed entry timestamp, which Rekor v1 gives")
}

// isDuplicate reports whether an earlier entry is in the same place of the
// same log. No writer does that; one who does wants one witness counted twice.
func (r *run) isDuplicate(i int) bool {
	for j := range r.b.Entries[:i] {
		a, b := &r.b.Entries[i], &r.b.Entries[j]
		if bytes.Equal(a.LogID, b.LogID) && a.LogIndex == b.LogIndex {
			return true
		}
	}
	return false
}

// logsWithID returns the trusted logs with that id: one key, listed once or,
// with successive windows, several times.
func (r *run) logsWithID(id []byte) []*trustroot.Log {
	var found []*trustroot.Log
	for _, l := range r.v.root.Logs {
		if bytes.Equal(l.ID, id) {
			found = append(found, l)
		}
	}
	return found
}

// windowedLog is a log whose key must have been in use when the signature was
// made, which is known only once times are established.
type windowedLog struct {
	candidates []*trustroot.Log
	name       string
}

// entry checks one entry. proved says that all of it is right; promised that a
// promise states its time.
func (r *run) entry(e *bundle.LogEntry, candidates []*trustroot.Log) (proved, promised bool) {
	log := candidates[0]
	body, err := parseBody(e)
	if err == nil {
		err = r.bind(body)
	}
	if err != nil {
		r.failf(CheckLogBinding, "entry in %s: %v", log.BaseURL, err)
		return false, false
	}
	r.passf(CheckLogBinding, "entry in %s is about this signature, signer and content", log.BaseURL)

	out := Entry{LogURL: log.BaseURL, Operator: log.Operator, LogID: e.LogID, Kind: e.Kind, Version: e.Version, TreeIndex: -1, LogIndex: -1}
	if e.Promise != nil {
		if err := checkPromise(e, candidates, body.generation); err != nil {
			r.failf(CheckLogPromise, "entry in %s: %v", log.BaseURL, err)
			return false, false
		}
		promised = true
		out.LogIndex, out.IntegratedTime = e.LogIndex, time.Unix(e.IntegratedTime, 0).UTC()
		r.passf(CheckLogPromise, "%s promised entry %d at %s", log.BaseURL, e.LogIndex, stamp(out.IntegratedTime))
		r.times = append(r.times, VerifiedTime{Type: "integrated", Time: out.IntegratedTime, URI: log.BaseURL, Operator: log.Operator, observer: log.Identity()})
	} else if err := r.checkStatedTime(e); err != nil {
		r.failf(CheckLogBinding, "entry in %s: %v", log.BaseURL, err)
		return false, false
	}
	if e.Proof != nil {
		if !r.checkProof(e, log, body.generation, promised, &out) {
			return false, false
		}
		if !promised {
			r.windows = append(r.windows, windowedLog{candidates, log.BaseURL})
		}
	}
	r.rep.Entries = append(r.rep.Entries, out)
	return true, promised
}

// checkPromise verifies a signed entry timestamp: the log's signature over the
// entry, its index and its time, as canonical JSON (RFC 8785).
func checkPromise(e *bundle.LogEntry, candidates []*trustroot.Log, g generation) error {
	if g == rekorV2 {
		return errors.New("an entry of Rekor v2 has no signed entry timestamp, this one does")
	}
	if e.IntegratedTime <= 0 || e.IntegratedTime > latest {
		return fmt.Errorf("expected an integrated time after 1970, found %d", e.IntegratedTime)
	}
	at := time.Unix(e.IntegratedTime, 0)
	log := candidates[0]
	if !anyContains(candidates, at) {
		return fmt.Errorf("integrated at %s, when the log's key was not in use (%s)", stamp(at), window(log.ValidFor))
	}
	signed := make([]byte, 0, len(e.Body)*4/3+256)
	signed = append(signed, `{"body":"`...)
	signed = base64.StdEncoding.AppendEncode(signed, e.Body)
	signed = append(signed, `","integratedTime":`...)
	signed = strconv.AppendInt(signed, e.IntegratedTime, 10)
	signed = append(signed, `,"logID":"`...)
	signed = hex.AppendEncode(signed, e.LogID)
	signed = append(signed, `","logIndex":`...)
	signed = strconv.AppendInt(signed, e.LogIndex, 10)
	signed = append(signed, '}')
	if err := keyspec.VerifyMessage(log.Key, log.KeyDetails, signed, e.Promise); err != nil {
		return fmt.Errorf("the signed entry timestamp is not the log's: %w", err)
	}
	return nil
}

// checkStatedTime holds an integrated time that nobody signed to the signer's
// validity. It is not a time of signing; but one that contradicts the bundle
// was put there by somebody.
func (r *run) checkStatedTime(e *bundle.LogEntry) error {
	if e.IntegratedTime == 0 {
		return nil
	}
	at := time.Unix(e.IntegratedTime, 0)
	outside := e.IntegratedTime < 0 || e.IntegratedTime > latest
	switch {
	case r.leaf != nil:
		outside = outside || at.Before(r.leaf.NotBefore) || at.After(r.leaf.NotAfter)
	case r.key != nil:
		outside = outside || !r.key.ValidFor.Contains(at)
	}
	if outside {
		return fmt.Errorf("it states, unsigned, an integrated time of %d, when the signer was not valid", e.IntegratedTime)
	}
	return nil
}

// checkProof verifies that the entry is in the tree and that the log signed
// the tree's head.
func (r *run) checkProof(e *bundle.LogEntry, log *trustroot.Log, g generation, promised bool, out *Entry) bool {
	p := e.Proof
	if g == rekorV2 && e.LogIndex != p.LogIndex {
		r.failf(CheckLogInclusion, "entry in %s: it states log index %d but is proved to have index %d", log.BaseURL, e.LogIndex, p.LogIndex)
		return false
	}
	err := proof.VerifyInclusion(rfc6962.DefaultHasher, uint64(p.LogIndex), uint64(p.TreeSize), leafHash(e.Body), p.Hashes, p.RootHash)
	if err != nil {
		r.failf(CheckLogInclusion, "entry in %s: its inclusion proof does not lead to the root hash: %v", log.BaseURL, err)
		return false
	}
	r.passf(CheckLogInclusion, "entry %d is in the tree of size %d of %s", p.LogIndex, p.TreeSize, log.BaseURL)

	c, err := openCheckpoint(p.Checkpoint, log)
	if err == nil {
		err = r.v.checkOrigin(c, log, g, promised)
	}
	if err == nil {
		err = c.matches(p)
	}
	if err != nil {
		r.failf(CheckLogCheckpoint, "checkpoint of %s: %v", log.BaseURL, err)
		return false
	}
	out.TreeIndex, out.Witnesses = p.LogIndex, c.witnesses
	detail := ""
	if n := len(c.witnesses); n > 0 {
		detail = fmt.Sprintf("; %d witness cosignatures not checked", n)
	}
	r.passf(CheckLogCheckpoint, "%s signed the tree of size %d as %q%s", log.BaseURL, c.size, c.origin, detail)
	return true
}

// matches reports whether the checkpoint is the one the proof leads to.
func (c *checkpoint) matches(p *bundle.InclusionProof) error {
	if c.size != p.TreeSize {
		return fmt.Errorf("expected the tree size of the proof, %d, found %d", p.TreeSize, c.size)
	}
	if !bytes.Equal(c.root, p.RootHash) {
		return fmt.Errorf("expected the root hash of the proof, %x, found %x", p.RootHash, c.root)
	}
	return nil
}

// logWindows checks, once times are established, that the logs which promised
// no time had their keys in use.
func (r *run) logWindows() {
	for _, w := range r.windows {
		for _, at := range r.establishedTimes() {
			if !anyContains(w.candidates, at) {
				r.failf(CheckLogWindow, "the key of %s was not in use at %s (%s)", w.name, stamp(at), window(w.candidates[0].ValidFor))
				return
			}
		}
		r.passf(CheckLogWindow, "the key of %s was in use", w.name)
	}
}

func anyContains(logs []*trustroot.Log, at time.Time) bool {
	for _, l := range logs {
		if l.ValidFor.Contains(at) {
			return true
		}
	}
	return false
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func window(v trustroot.Validity) string {
	if v.End.IsZero() {
		return "from " + stamp(v.Start)
	}
	return "from " + stamp(v.Start) + " to " + stamp(v.End)
}
