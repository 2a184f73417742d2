package tufsim

import (
	"bytes"
	"crypto/elliptic"
	"encoding/asn1"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"time"

	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// An Attack is something that a repository, or a mirror of it, does to a client
// that has refreshed once. A good client's next refresh fails, and what it had
// stays as it was.
type Attack struct {
	Name   string      // begins with the id of the case
	Before func(*Repo) // what an honest repository did before the client's first refresh; nil: nothing
	Play   func(*Repo)
	Twin   func(*Repo) // the same without the fault, which a client must accept; nil: Publish
	Want   string      // a part of what a client says
	Hangs  bool        // a client must end it by its deadline
	Passes bool        // it ends when the client comes again
	Down   bool        // the client can not tell it from a repository that is out of order
}

// Attacks lists every attack on one refresh.
func Attacks() []Attack {
	return append(append(append(versions(), expiries()...), append(roots(), shapes()...)...),
		append(append(thresholds(), transports()...), limits()...)...)
}

func versions() []Attack {
	delegate := func(r *Repo) {
		r.Delegate("targets", "role", "signing_config*")
		moveTo(r, "role")
		r.Publish()
	}
	hashes := func(r *Repo) { r.Hashes = true; r.Publish() }
	return []Attack{
		{Name: "U04-timestamp-rollback", Play: func(r *Repo) { r.Timestamp.Signed.Version = 1 }, Want: "timestamp version 1"},
		{Name: "U04-snapshot-rollback", Play: func(r *Repo) { r.Snapshot.Signed.Version = 1; r.PublishTimestamp() }, Want: "snapshot version 1",
			Twin: func(r *Repo) { r.PublishTimestamp() }},
		{Name: "U04-targets-rollback", Play: func(r *Repo) { setVersion(r, "targets", 1); r.PublishSnapshot() }, Want: "targets.json version",
			Twin: func(r *Repo) { setVersion(r, "targets", 3); r.PublishSnapshot() }},
		{Name: "U04-delegated-rollback", Before: delegate, Play: func(r *Repo) { setVersion(r, "role", 1); r.PublishSnapshot() }, Want: "role.json version",
			Twin: func(r *Repo) { setVersion(r, "role", 9); r.PublishSnapshot() }},
		{Name: "U04-timestamp-version-0", Play: func(r *Repo) { r.Timestamp.Signed.Version = 0 }, Want: "version of 1 or more"},
		{Name: "U04-snapshot-version-0", Play: func(r *Repo) { r.Snapshot.Signed.Version = 0; r.PublishTimestamp() }, Want: "version of 1 or more"},
		{Name: "U04-targets-version-0", Play: func(r *Repo) { setVersion(r, "targets", 0); r.PublishSnapshot() }, Want: "version of 1 or more"},
		{Name: "U04-delegated-version-0", Before: delegate, Play: func(r *Repo) { setVersion(r, "role", 0); r.PublishSnapshot() }, Want: "version of 1 or more"},
		{Name: "U04-timestamp-same-version-other-bytes", Play: func(r *Repo) { later(&r.Timestamp.Signed.Expires) }, Want: "two different contents",
			Twin: func(r *Repo) { later(&r.Timestamp.Signed.Expires); r.Timestamp.Signed.Version++ }},
		{Name: "U04-snapshot-same-version-other-bytes", Before: hashes, Play: func(r *Repo) { later(&r.Snapshot.Signed.Expires); r.PublishTimestamp() }, Want: "two different contents",
			Twin: func(r *Repo) { later(&r.Snapshot.Signed.Expires); r.PublishSnapshot() }},
		{Name: "U04-targets-same-version-other-bytes", Before: hashes, Play: func(r *Repo) {
			later(&r.Targets["targets"].Signed.Expires)
			setVersion(r, "targets", r.Targets["targets"].Signed.Version)
			r.PublishSnapshot()
		}, Want: "two different contents", Twin: func(r *Repo) { later(&r.Targets["targets"].Signed.Expires); r.Publish() }},
		{Name: "U05-snapshot-drops-targets", Play: func(r *Repo) {
			delete(r.Snapshot.Signed.Meta, "targets.json")
			r.Snapshot.Signed.Meta["other.json"] = &metadata.MetaFiles{Version: 1}
			r.PublishSnapshot()
		}, Want: "meta of targets.json", Twin: func(r *Repo) {
			r.Snapshot.Signed.Meta["other.json"] = &metadata.MetaFiles{Version: 1}
			r.PublishSnapshot()
		}},
		{Name: "U05-snapshot-drops-role", Before: delegate, Play: func(r *Repo) {
			delete(r.Snapshot.Signed.Meta, "role.json")
			r.PublishSnapshot()
		}, Want: "missing info for role.json"},
	}
}

// moveTo gives the signing config to a role.
func moveTo(r *Repo, role string) {
	const name = "signing_config.v0.2.json"
	delete(r.Targets["targets"].Signed.Targets, name)
	r.SetRoleTarget(role, name, r.Content[name])
}

// setVersion lists a role's new version, or, of version 0, a later one, since
// nobody may list that.
func setVersion(r *Repo, role string, version int64) {
	listed := version
	if version == 0 {
		listed = r.Targets[role].Signed.Version + 1
	}
	r.Targets[role].Signed.Version = version
	r.Snapshot.Signed.Meta[role+".json"] = r.list(listed, func() []byte { return r.signTargets(role) })
}

func later(t *time.Time) { *t = t.Add(time.Hour) }

// past is before any test's clock.
var past = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

func expiries() []Attack {
	return []Attack{
		{Name: "U05-expired-timestamp", Play: func(r *Repo) { r.Timestamp.Signed.Expires = past; r.PublishTimestamp() }, Want: `"timestamp" expired`},
		{Name: "U05-expired-snapshot", Play: func(r *Repo) { r.Snapshot.Signed.Expires = past; r.PublishSnapshot() }, Want: `"snapshot" expired`},
		{Name: "U05-expired-targets", Play: func(r *Repo) { r.Targets["targets"].Signed.Expires = past; r.Publish() }, Want: `"targets" expired`},
		{Name: "U05-expired-delegated", Play: func(r *Repo) {
			r.Delegate("targets", "role", "signing_config*")
			moveTo(r, "role")
			r.Targets["role"].Signed.Expires = past
			r.Publish()
		}, Want: `"role" expired`, Twin: func(r *Repo) {
			r.Delegate("targets", "role", "signing_config*")
			moveTo(r, "role")
			r.Publish()
		}},
		{Name: "U05-expired-root", Play: func(r *Repo) { r.Root.Signed.Expires = past; r.PublishRoot() }, Want: `"root" expired`,
			Twin: func(r *Repo) { r.PublishRoot() }},
	}
}

func roots() []Attack {
	rotate := func(r *Repo) { r.Rotate("root"); r.PublishRoot() }
	return []Attack{
		{Name: "U06-root-skips-a-version", Play: func(r *Repo) { r.Root.Signed.Version++; r.PublishRoot() }, Want: "bad version number", Twin: func(r *Repo) { r.PublishRoot() }},
		{Name: "U06-root-repeats-a-version", Play: func(r *Repo) { r.ReplaceRoot(2, r.Root1()) }, Want: "bad version number", Twin: func(r *Repo) { r.PublishRoot() }},
		{Name: "U06-root-not-signed-by-old", Play: func(r *Repo) { r.Rotate("root"); r.Signers["old root"] = nil; r.PublishRoot() }, Want: "not enough signatures", Twin: rotate},
		{Name: "U06-root-not-signed-by-new", Play: func(r *Repo) { r.Rotate("root"); r.Signers["root"] = nil; r.PublishRoot() }, Want: "not enough signatures", Twin: rotate},
		{Name: "U06-timestamp-by-old-key", Play: func(r *Repo) {
			old := r.Signers["timestamp"]
			r.Rotate("timestamp")
			r.Signers["timestamp"] = old
			r.PublishRoot()
			r.Publish()
		}, Want: "not enough signatures", Twin: func(r *Repo) { r.Rotate("timestamp"); r.PublishRoot(); r.Publish() }},
		{Name: "U02-root-with-null-role", Play: func(r *Repo) {
			r.PublishRoot()
			r.ReplaceRoot(2, []byte(strings.Replace(string(r.RootBytes(2)), `"snapshot": {`, `"snapshot": null, "other": {`, 1)))
		}, Want: "found null", Twin: func(r *Repo) { r.PublishRoot() }},
		{Name: "U02-root-with-short-key", Play: func(r *Repo) {
			r.Root.Signed.Keys["short"] = &metadata.Key{Type: "ed25519", Scheme: "ed25519", Value: metadata.KeyVal{PublicKey: "00ff"}}
			r.Root.Signed.Roles["timestamp"].KeyIDs = append(r.Root.Signed.Roles["timestamp"].KeyIDs, "short")
			r.PublishRoot()
		}, Want: "32 bytes of Ed25519", Twin: func(r *Repo) { r.AddKey("timestamp", NewKey()); r.PublishRoot() }},
	}
}

// serve makes the repository serve text at every path that ends in suffix.
func serve(suffix, text string) func(*Repo) {
	return func(r *Repo) {
		r.Publish()
		r.Edit = func(path string, body []byte) []byte {
			if strings.HasSuffix(path, suffix) {
				return []byte(text)
			}
			return body
		}
	}
}

// replace makes the repository serve new for old, at every path that ends in
// suffix.
func replace(suffix, old, new string) func(*Repo) {
	return func(r *Repo) {
		r.Publish()
		r.Edit = func(path string, body []byte) []byte {
			if strings.HasSuffix(path, suffix) {
				return bytes.Replace(body, []byte(old), []byte(new), 1)
			}
			return body
		}
	}
}

func shapes() []Attack {
	return []Attack{
		{Name: "U01-null-target", Play: serve("targets.json", `{"signed":{"_type":"targets","targets":{"x":null}},"signatures":[]}`), Want: "found null"},
		{Name: "U01-null-meta", Play: serve("timestamp.json", `{"signed":{"_type":"timestamp","version":9,"spec_version":"1.0","expires":"2030-01-01T00:00:00Z","meta":{"snapshot.json":null}},"signatures":[]}`), Want: "found null"},
		{Name: "U01-no-meta", Play: serve("timestamp.json", `{"signed":{"_type":"timestamp","version":9,"spec_version":"1.0","expires":"2030-01-01T00:00:00Z"},"signatures":[]}`), Want: "meta of snapshot.json"},
		{Name: "U01-null-document", Play: serve("timestamp.json", `null`), Want: "found null"},
		{Name: "U01-null-signed", Play: serve("snapshot.json", `{"signed":null,"signatures":[]}`), Want: "found null"},
		{Name: "U01-no-signatures", Play: serve("snapshot.json", `{"signed":{"_type":"snapshot","version":9,"spec_version":"1.0","expires":"2030-01-01T00:00:00Z","meta":{"targets.json":{"version":1}}}}`), Want: "signed and signatures"},
		{Name: "U01-not-json", Play: serve("timestamp.json", "<html>log in to the airport's network</html>"), Want: "refused"},
		{Name: "U01-empty", Play: serve("timestamp.json", ""), Want: "refused"},
		{Name: "U01-role-as-another", Play: func(r *Repo) {
			r.Publish()
			snapshot, _ := r.file("3.snapshot.json")
			serve("timestamp.json", string(snapshot))(r)
		}, Want: `type "timestamp"`},
		{Name: "J07-duplicate-signed", Play: replace("timestamp.json", `{`, `{"signed":{"_type":"timestamp"},`), Want: "twice"},
		{Name: "J07-signed-in-another-case", Play: replace("timestamp.json", `{`, `{"Signed":{"version":99},`), Want: "two spellings"},
		{Name: "J07-duplicate-in-signed", Play: replace("timestamp.json", `"version":`, `"version": 99, "version":`), Want: "twice"},
		{Name: "J07-trailing-bytes", Play: func(r *Repo) {
			r.Publish()
			r.Edit = func(_ string, body []byte) []byte { return append(body, "{}"...) }
		}, Want: "refused"},
		{Name: "U11-target-changed", Play: changeTarget(func(body []byte) []byte { body[0] ^= 1; return body }), Want: "mismatch", Twin: changeTarget(func(body []byte) []byte { return body })},
		{Name: "U11-target-truncated", Play: changeTarget(func(body []byte) []byte { return body[:len(body)-1] }), Want: "mismatch"},
		{Name: "U11-target-longer", Play: changeTarget(func(body []byte) []byte { return append(body, ' ') }), Want: "limit"},
	}
}

func changeTarget(change func([]byte) []byte) func(*Repo) {
	return func(r *Repo) {
		const name = "trusted_root.json"
		r.SetTarget(name, append(bytes.Clone(r.Content[name]), '\n'))
		r.Publish()
		r.Edit = func(path string, body []byte) []byte {
			if strings.HasSuffix(path, name) {
				return change(bytes.Clone(body))
			}
			return body
		}
	}
}

func thresholds() []Attack {
	two := func(second signature.Signer, fault func(*Repo)) func(*Repo) {
		return func(r *Repo) {
			r.AddKey("timestamp", second)
			r.Root.Signed.Roles["timestamp"].Threshold = 2
			if fault != nil {
				fault(r)
			}
			r.PublishRoot()
			r.Publish()
		}
	}
	honest := two(NewKey(), nil)
	threshold := func(n int) func(*Repo) {
		return func(r *Repo) { r.Root.Signed.Roles["timestamp"].Threshold = n; r.PublishRoot(); r.Publish() }
	}
	return []Attack{
		{Name: "D08-one-key-under-two-ids", Play: sameKey(func(sig json.RawMessage) json.RawMessage { return sig }), Want: "not enough signatures", Twin: honest},
		{Name: "D08-ecdsa-twin-under-two-ids", Play: sameKey(mirrored), Want: "not enough signatures", Twin: honest},
		{Name: "D08-one-signature-twice", Play: two(NewKey(), func(r *Repo) {
			r.Signers["timestamp"] = append(r.Signers["timestamp"][:1], r.Signers["timestamp"][0])
		}), Want: "one signature for each key id", Twin: honest},
		{Name: "D08-one-of-two", Play: two(NewKey(), func(r *Repo) { r.Signers["timestamp"] = r.Signers["timestamp"][:1] }), Want: "not enough signatures", Twin: honest},
		{Name: "D09-threshold-0", Play: threshold(0), Want: "threshold of 1 to 1", Twin: threshold(1)},
		{Name: "D09-threshold-negative", Play: threshold(-1), Want: "threshold of 1 to 1", Twin: threshold(1)},
		{Name: "D09-threshold-beyond-keys", Play: threshold(2), Want: "threshold of 1 to 1", Twin: threshold(1)},
		{Name: "D09-key-of-another-role", Play: func(r *Repo) { r.Signers["timestamp"] = r.Signers["snapshot"]; r.Publish() }, Want: "not enough signatures"},
		{Name: "D09-key-id-listed-twice", Play: func(r *Repo) {
			role := r.Root.Signed.Roles["timestamp"]
			role.KeyIDs = append(role.KeyIDs, role.KeyIDs[0])
			r.PublishRoot()
		}, Want: "distinct key ids", Twin: func(r *Repo) { r.PublishRoot() }},
		{Name: "D09-key-id-unknown", Play: func(r *Repo) {
			role := r.Root.Signed.Roles["timestamp"]
			role.KeyIDs = append(role.KeyIDs, "unknown")
			r.PublishRoot()
		}, Want: `found "unknown"`, Twin: func(r *Repo) { r.PublishRoot() }},
	}
}

// sameKey lists one ECDSA key under two ids, asks for two signatures, and
// serves one in two forms.
func sameKey(form func(json.RawMessage) json.RawMessage) func(*Repo) {
	return func(r *Repo) {
		r.Rotate("timestamp")
		signer := NewECDSAKey()
		r.AddKey("timestamp", signer)
		r.Signers["timestamp"] = []signature.Signer{signer}
		key, _ := PublicKey(signer)
		again := *key
		again.Type = "ecdsa-sha2-nistp256"
		r.Root.Signed.Keys["again"] = &again
		role := r.Root.Signed.Roles["timestamp"]
		role.KeyIDs = append(role.KeyIDs, "again")
		role.Threshold = 2
		r.PublishRoot()
		r.Publish()
		r.Edit = func(path string, body []byte) []byte {
			if !strings.HasSuffix(path, "timestamp.json") {
				return body
			}
			return signAgain(body, form)
		}
	}
}

func signAgain(body []byte, form func(json.RawMessage) json.RawMessage) []byte {
	var file struct {
		Signed     json.RawMessage `json:"signed"`
		Signatures []struct {
			KeyID string          `json:"keyid"`
			Sig   json.RawMessage `json:"sig"`
		} `json:"signatures"`
	}
	if err := json.Unmarshal(body, &file); err != nil {
		panic(err) // it was made here
	}
	second := file.Signatures[0]
	second.KeyID, second.Sig = "again", form(second.Sig)
	file.Signatures = append(file.Signatures, second)
	out, err := json.Marshal(file)
	if err != nil {
		panic(err)
	}
	return out
}

// mirrored returns (r, n-s) for the ECDSA signature (r, s) on P-256: as good a
// signature over the same bytes.
func mirrored(sig json.RawMessage) json.RawMessage {
	var raw metadata.HexBytes
	if err := json.Unmarshal(sig, &raw); err != nil {
		panic(err)
	}
	var pair struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(raw, &pair); err != nil {
		panic(err)
	}
	pair.S.Sub(elliptic.P256().Params().N, pair.S)
	der, err := asn1.Marshal(pair)
	if err != nil {
		panic(err)
	}
	return json.RawMessage(fmt.Sprintf(`"%x"`, der))
}

// answer makes requests for paths that end in suffix get what f answers.
func answer(suffix string, f http.HandlerFunc) func(*Repo) {
	return func(r *Repo) {
		r.Publish()
		r.Answer = func(w http.ResponseWriter, req *http.Request) bool {
			if !strings.HasSuffix(req.URL.Path, suffix) {
				return false
			}
			f(w, req)
			return true
		}
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func redirect(to func(*http.Request) string) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) { http.Redirect(w, req, to(req), http.StatusFound) }
}

func transports() []Attack {
	otherHost := func(req *http.Request) string {
		return "http://" + strings.Replace(req.Host, "127.0.0.1", "localhost", 1) + req.URL.Path + "?moved"
	}
	sameHost := func(r *Repo) {
		r.Publish()
		r.Answer = func(w http.ResponseWriter, req *http.Request) bool {
			if req.URL.RawQuery != "" {
				return false
			}
			http.Redirect(w, req, req.URL.Path+"?moved", http.StatusFound)
			return true
		}
	}
	return []Attack{
		{Name: "U10-403", Play: answer("timestamp.json", status(403)), Want: "found 403", Down: true},
		{Name: "U10-404", Play: answer("timestamp.json", status(404)), Want: "answered 404", Down: true},
		{Name: "U10-500", Play: answer("timestamp.json", status(500)), Want: "found 500", Down: true},
		{Name: "U10-403-for-root", Play: answer("2.root.json", status(403)), Want: "found 403", Down: true},
		{Name: "U10-asks-for-a-password", Play: answer("timestamp.json", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(401)
		}), Want: "found 401", Down: true},
		{Name: "U10-redirect-to-another-host", Play: answer("timestamp.json", redirect(otherHost)), Want: "another host", Twin: sameHost},
		{Name: "U10-redirect-to-another-scheme", Play: answer("timestamp.json", redirect(func(*http.Request) string { return "ftp://127.0.0.1/" })), Want: "redirect from http to ftp", Twin: sameHost},
		{Name: "U10-redirect-with-credentials", Play: answer("timestamp.json", redirect(func(req *http.Request) string { return "http://a:b@" + req.Host + "/" })), Want: "credentials", Twin: sameHost},
		{Name: "U10-redirect-forever", Play: answer("timestamp.json", redirect(func(req *http.Request) string { return req.URL.Path })), Want: "more than 3 redirects", Twin: sameHost},
		{Name: "U03-never-answers", Play: answer("timestamp.json", func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() }), Want: "took longer", Hangs: true, Down: true},
		{Name: "U03-drips", Play: answer("timestamp.json", drip), Want: "took longer", Hangs: true, Down: true},
		{Name: "R11-wrong-content-length", Play: answer("timestamp.json", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte("{}"))
		}), Want: "EOF", Down: true},
		{Name: "R11-huge-content-length", Play: answer("timestamp.json", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000000000")
			_, _ = w.Write([]byte("{}"))
		}), Want: "larger than the limit"},
		{Name: "R11-endless-body", Play: answer("timestamp.json", func(w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := w.Write(make([]byte, 1<<12)); err != nil {
					return
				}
			}
		}), Want: "larger than the limit"},
	}
}

// drip sends a byte now and then, until the client has had enough.
func drip(w http.ResponseWriter, req *http.Request) {
	for {
		if _, err := w.Write([]byte(" ")); err != nil {
			return
		}
		w.(http.Flusher).Flush()
		select {
		case <-req.Context().Done():
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func limits() []Attack {
	rotations := func(n int) func(*Repo) {
		return func(r *Repo) {
			for range n {
				r.PublishRoot()
			}
		}
	}
	delegations := func(n int) func(*Repo) {
		return func(r *Repo) {
			for i := range n {
				r.Delegate("targets", fmt.Sprintf("role%02d", i), "signing_config*")
			}
			moveTo(r, fmt.Sprintf("role%02d", n-1))
			r.Publish()
		}
	}
	return []Attack{
		{Name: "R11-257-root-rotations", Play: rotations(257), Want: "more than 256 roots", Passes: true, Twin: rotations(256)},
		{Name: "R11-33-delegations", Play: delegations(33), Want: "more than 32 delegated roles", Twin: delegations(32)},
	}
}
