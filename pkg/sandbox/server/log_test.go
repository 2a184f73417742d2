package server_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/sigstore/rekor/pkg/client"
	"github.com/sigstore/rekor/pkg/generated/client/entries"
	"github.com/sigstore/rekor/pkg/generated/client/pubkey"
	"github.com/sigstore/rekor/pkg/generated/client/tlog"
	"github.com/sigstore/rekor/pkg/types"
	"github.com/sigstore/rekor/pkg/types/dsse"
	_ "github.com/sigstore/rekor/pkg/types/dsse/v0.0.1"
	"github.com/sigstore/rekor/pkg/types/intoto"
	_ "github.com/sigstore/rekor/pkg/types/intoto/v0.0.2"
	rekorverify "github.com/sigstore/rekor/pkg/verify"
	"github.com/sigstore/sigstore/pkg/signature"

	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/sandbox/server"
)

// hashedRekord is a proposed entry of Rekor v1 about the artifact.
func hashedRekord(key *sandbox.Key) []byte {
	sum := sha256.Sum256(artifact)
	return must(json.Marshal(map[string]any{
		"apiVersion": "0.0.1", "kind": "hashedrekord",
		"spec": map[string]any{
			"data":      map[string]any{"hash": map[string]any{"algorithm": "sha256", "value": hex.EncodeToString(sum[:])}},
			"signature": map[string]any{"content": key.Sign(artifact), "publicKey": map[string]any{"content": key.PEM()}},
		},
	}))
}

// hashedRekord2 is the same for Rekor v2.
func hashedRekord2(key *sandbox.Key) []byte {
	sum := sha256.Sum256(artifact)
	return must(json.Marshal(map[string]any{"hashedRekordRequestV002": map[string]any{
		"digest": sum[:],
		"signature": map[string]any{"content": key.Sign(artifact), "verifier": map[string]any{
			"keyDetails": key.Algorithm.String(), "publicKey": map[string]any{"rawBytes": key.SPKI()},
		}},
	}}))
}

func TestRekorClientReadsWhatItWrote(t *testing.T) {
	t.Parallel()
	w := serve(t, nil)
	rekor := must(client.GetRekorClient(w.URL(server.RekorV1)))
	key := w.box.Key("signer", sandbox.P256)
	_, text := w.get(t, server.RekorV1, "/api/v1/log/entries?logIndex=4163431")
	if !strings.Contains(text, `"logIndex":4163431`) {
		t.Errorf("the first entry of the shard: got %s", text)
	}

	// An intoto entry, whose kind no client of sigstore-go writes.
	envelope := fmt.Appendf(nil, `{"payloadType":%q,"payload":%q,"signatures":[{"keyid":"k","sig":%q}]}`, sandbox.PayloadType,
		base64of(statement()), base64of(key.Sign(sandbox.PAE(sandbox.PayloadType, statement()))))
	proposed, err := intoto.New().CreateProposedEntry(t.Context(), "0.0.2",
		types.ArtifactProperties{ArtifactBytes: envelope, PublicKeyBytes: [][]byte{key.PEM()}})
	if err != nil {
		t.Fatal(err)
	}
	params := entries.NewCreateLogEntryParams().WithProposedEntry(proposed)
	created, err := rekor.Entries.CreateLogEntry(params)
	if err != nil {
		t.Fatal(err)
	}
	verifier := must(signature.LoadVerifier(w.box.RekorV1.Key.Public(), 5))
	entry := created.Payload[created.ETag]
	if err := rekorverify.VerifyLogEntry(t.Context(), &entry, verifier); err != nil {
		t.Errorf("rekor refuses the entry: %v", err)
	}
	if !strings.HasSuffix(created.Location.String(), created.ETag) {
		t.Errorf("got location %s of entry %s", created.Location, created.ETag)
	}
	// What a Rekor server would keep of it, byte for byte.
	impl := must(types.CreateVersionedEntry(proposed))
	want := must(types.CanonicalizeEntry(t.Context(), impl))
	if body := bodyOf(t, entry.Body); !bytes.Equal(body, want) {
		t.Errorf("got body\n%s\nwant\n%s", body, want)
	}

	if _, err := rekor.Entries.CreateLogEntry(params); err == nil {
		t.Error("a duplicate is taken")
	} else if conflict, ok := err.(*entries.CreateLogEntryConflict); !ok || !strings.HasSuffix(conflict.Location.String(), created.ETag) {
		t.Errorf("a duplicate: got %v, want a conflict with %s", err, created.ETag)
	}
	byIndex, err := rekor.Entries.GetLogEntryByIndex(entries.NewGetLogEntryByIndexParams().WithLogIndex(*entry.LogIndex))
	if err != nil {
		t.Fatal(err)
	}
	got := byIndex.Payload[created.ETag]
	if err := rekorverify.VerifyLogEntry(t.Context(), &got, verifier); err != nil {
		t.Errorf("rekor refuses the entry by index: %v", err)
	}
	for _, id := range []string{created.ETag, created.ETag[16:]} {
		if byID, err := rekor.Entries.GetLogEntryByUUID(entries.NewGetLogEntryByUUIDParams().WithEntryUUID(id)); err != nil || len(byID.Payload) != 1 {
			t.Errorf("entry %s: %v", id, err)
		}
	}
	info, err := rekor.Tlog.GetLogInfo(tlog.NewGetLogInfoParams())
	if err != nil || *info.Payload.TreeSize != w.box.RekorV1.Size() {
		t.Errorf("log info: %+v, %v", info, err)
	}
	public, err := rekor.Pubkey.GetPublicKey(pubkey.NewGetPublicKeyParams())
	if err != nil || public.Payload != string(w.box.RekorV1.Key.PEM()) {
		t.Errorf("public key: %v", err)
	}
}

func bodyOf(t *testing.T, v any) []byte {
	t.Helper()
	var text []byte
	if err := json.Unmarshal(fmt.Appendf(nil, "%q", v), &text); err != nil {
		t.Fatal(err)
	}
	return text
}

// TestRekorV1KeepsTheHashOfWhatWasSent: an envelope may be spaced as its client
// likes, and what Rekor would keep of it tells.
func TestRekorV1KeepsTheHashOfWhatWasSent(t *testing.T) {
	t.Parallel()
	w := serve(t, nil)
	rekor := must(client.GetRekorClient(w.URL(server.RekorV1)))
	key := w.box.Key("signer", sandbox.P256)
	envelope := fmt.Appendf(nil, `{ "signatures": [ {"sig": %q} ], "payload": %q, "payloadType": "text/plain" }`,
		base64of(key.Sign(sandbox.PAE("text/plain", artifact))), base64of(artifact))
	proposed, err := dsse.New().CreateProposedEntry(t.Context(), "0.0.1",
		types.ArtifactProperties{ArtifactBytes: envelope, PublicKeyBytes: [][]byte{key.PEM()}})
	if err != nil {
		t.Fatal(err)
	}
	created, err := rekor.Entries.CreateLogEntry(entries.NewCreateLogEntryParams().WithProposedEntry(proposed))
	if err != nil {
		t.Fatal(err)
	}
	want := must(types.CanonicalizeEntry(t.Context(), must(types.CreateVersionedEntry(proposed))))
	if body := bodyOf(t, created.Payload[created.ETag].Body); !bytes.Equal(body, want) {
		t.Errorf("got body\n%s\nwant\n%s", body, want)
	}
}

// TestTilesProveEveryEntry reads the log as a monitor does, past the first
// whole tile.
func TestTilesProveEveryEntry(t *testing.T) {
	t.Parallel()
	w := serve(t, nil)
	for i := range 300 {
		key := w.box.Key(fmt.Sprint("signer", i), sandbox.P256)
		if status, text := w.post(t, server.RekorV2, "/api/v2/log/entries", hashedRekord2(key)); status != http.StatusCreated {
			t.Fatalf("entry %d: got %d %s", i, status, text)
		}
	}
	read := func(path string) string {
		status, text := w.get(t, server.RekorV2, "/api/v2/"+path)
		if status != http.StatusOK {
			t.Fatalf("%s: got %d %s", path, status, text)
		}
		return text
	}
	checkpoint := strings.Split(read("checkpoint"), "\n")
	if checkpoint[0] != w.box.RekorV2.Host || checkpoint[1] != "306" {
		t.Fatalf("checkpoint: got %q", checkpoint)
	}
	leaves := read("tile/0/000") + read("tile/0/001.p/50")
	bundle := read("tile/entries/000") + read("tile/entries/001.p/50")
	var hashes [][32]byte
	for i := range 306 {
		n := int(bundle[0])<<8 | int(bundle[1])
		leaf := sha256.Sum256([]byte("\x00" + bundle[2:2+n]))
		bundle = bundle[2+n:]
		if string(leaf[:]) != leaves[i*32:i*32+32] {
			t.Fatalf("leaf %d is not the hash of body %d", i, i)
		}
		hashes = append(hashes, leaf)
	}
	left, right := merkle(hashes[:256]), merkle(hashes[256:])
	if tile := read("tile/1/000.p/1"); tile != string(left[:]) {
		t.Errorf("level 1: got %x, want %x", tile, left)
	}
	if top := node(left, right); base64of(top[:]) != checkpoint[2] {
		t.Errorf("root: got %s, want that of the checkpoint, %s", base64of(top[:]), checkpoint[2])
	}
	for path, want := range map[string]int{
		"0/000": 200, "0/001.p/50": 200, "0/001.p/51": 404, "0/001": 404, "0/002.p/1": 404, "1/000.p/2": 404, "2/000.p/1": 404, "3/000.p/1": 404,
		"entries/001.p/50": 200, "entries/001.p/51": 404, "0/x999/x999/999": 404,
		"8/000": 400, "0/0": 400, "0/000.p/0": 400, "0/000.p/256": 400, "x/000": 400, "0/x000/x000/x000/000": 400, "0/999/000": 400, "0": 400, "0/-01": 400,
	} {
		if status, _ := w.get(t, server.RekorV2, "/api/v2/tile/"+path); status != want {
			t.Errorf("tile %s: got status %d, want %d", path, status, want)
		}
	}
}

// merkle: RFC 6962, section 2.1.
func merkle(leaves [][32]byte) [32]byte {
	if len(leaves) == 1 {
		return leaves[0]
	}
	k := 1
	for k*2 < len(leaves) {
		k *= 2
	}
	return node(merkle(leaves[:k]), merkle(leaves[k:]))
}

func node(l, r [32]byte) [32]byte {
	return sha256.Sum256(append(append([]byte{1}, l[:]...), r[:]...))
}

// A mutation changes one thing about an honest request.
type mutation struct {
	name, old, new string
	want           int
}

// refusesMutants posts an honest request, and then each mutant of the same.
func refusesMutants(t *testing.T, w world, service server.Service, path string, honest func(*sandbox.Key) []byte, status int, mutations []mutation) {
	t.Helper()
	for i, m := range mutations {
		body := string(honest(w.box.Key(fmt.Sprint(path, m.name), sandbox.P256)))
		if got := strings.Count(body, m.old); got != 1 {
			t.Fatalf("%s: %q is there %d times in %s", m.name, m.old, got, body)
		}
		before := w.box.RekorV1.Size() + w.box.RekorV2.Size()
		if got, text := w.post(t, service, path, []byte(strings.Replace(body, m.old, m.new, 1))); got != m.want {
			t.Errorf("%s: got %d %s, want %d", m.name, got, text, m.want)
		}
		if w.box.RekorV1.Size()+w.box.RekorV2.Size() != before {
			t.Errorf("%s: it is in the log", m.name)
		}
		if got, text := w.post(t, service, path, []byte(body)); got != status {
			t.Fatalf("%d: the honest twin: got %d %s, want %d", i, got, text, status)
		}
	}
}

func TestRekorV1RefusesHostileEntries(t *testing.T) {
	t.Parallel()
	w := serve(t, nil)
	other := sha256.Sum256([]byte("another artifact"))
	sum := sha256.Sum256(artifact)
	digest := hex.EncodeToString(sum[:])
	stranger := base64of(w.box.Key("stranger", sandbox.P256).PEM())
	key := func(name string) string {
		return base64of(w.box.Key("/api/v1/log/entries"+name, sandbox.P256).PEM())
	}
	weak := base64of(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("no key")}))
	refusesMutants(t, w, server.RekorV1, "/api/v1/log/entries", hashedRekord, http.StatusCreated, []mutation{
		{"other-digest", digest, hex.EncodeToString(other[:]), 400},
		{"short-digest", digest, digest[:62], 400},
		{"no-hexadecimal", digest, "z" + digest[1:], 400},
		{"other-hash", `"sha256"`, `"sha1"`, 400},
		{"other-kind", `"hashedrekord"`, `"rpm"`, 400},
		{"other-version", `"0.0.1"`, `"0.0.3"`, 400},
		{"other-key", key("other-key"), stranger, 400},
		{"no-key", key("no-key"), "", 400},
		{"weak-key", key("weak-key"), weak, 400},
		{"two-keys", key("two-keys"), base64of(append(w.box.Key("/api/v1/log/entriestwo-keys", sandbox.P256).PEM(), w.box.Key("s", sandbox.P256).PEM()...)), 400},
		{"no-base64", key("no-base64"), "!!!", 400},
		{"unknown-member", `"kind":`, `"extra":1,"kind":`, 400},
		{"twice", `"kind":`, `"kind":"dsse","kind":`, 400},
		{"null", `"hashedrekord"`, `null`, 400},
		{"truncated", `"spec"`, `"spec`, 400},
	})
	for path, want := range map[string]int{
		"?logIndex=x": 400, "": 400, "?logIndex=-1": 400, "?logIndex=9999999999": 404, "?logIndex=0": 404,
		"?logIndex=99999999999999999999": 400, "/zz": 400, "/" + strings.Repeat("ab", 32): 404, "/" + strings.Repeat("ab", 40): 404, "/" + strings.Repeat("ab", 41): 400,
	} {
		if status, text := w.get(t, server.RekorV1, "/api/v1/log/entries"+path); status != want {
			t.Errorf("entries%s: got %d %s, want %d", path, status, text, want)
		}
	}
}

func TestRekorV2RefusesHostileEntries(t *testing.T) {
	t.Parallel()
	w := serve(t, nil)
	sum, other := sha256.Sum256(artifact), sha256.Sum256([]byte("another artifact"))
	details := sandbox.P256.String()
	key := func(name string) string {
		return base64of(w.box.Key("/api/v2/log/entries"+name, sandbox.P256).SPKI())
	}
	refusesMutants(t, w, server.RekorV2, "/api/v2/log/entries", hashedRekord2, http.StatusCreated, []mutation{
		{"other-digest", base64of(sum[:]), base64of(other[:]), 400},
		{"short-digest", base64of(sum[:]), base64of(sum[:31]), 400},
		{"other-key", key("other-key"), base64of(w.box.Key("stranger", sandbox.P256).SPKI()), 400},
		{"other-curve", details, sandbox.P384.String(), 400},
		{"old-details", details, "PKIX_RSA_PSS", 400},
		{"unknown-details", details, "PKIX_FUTURE", 400},
		{"no-details", details, "PUBLIC_KEY_DETAILS_UNSPECIFIED", 400},
		{"certificate", `"publicKey"`, `"x509Certificate"`, 400},
		{"other-request", "hashedRekordRequestV002", "rpmRequestV002", 400},
		{"dsse-request", "hashedRekordRequestV002", "dsseRequestV002", 400},
		{"unknown-member", `"digest":`, `"extra":1,"digest":`, 400},
	})
	key2 := w.box.Key("again", sandbox.P256)
	for _, want := range []int{201, 409} {
		response, text := w.request(t, server.RekorV2, http.MethodPost, "/api/v2/log/entries", "application/json", hashedRekord2(key2))
		if response.StatusCode != want {
			t.Errorf("got %d %s, want %d", response.StatusCode, text, want)
		}
		if index := response.Header.Get("X-Log-Index"); (want == 409) != (index != "") {
			t.Errorf("status %d: got index %q", want, index)
		}
	}
}

// TestRekorV2TakesEnvelopes: the request that earlier servers took too.
func TestRekorV2TakesEnvelopes(t *testing.T) {
	t.Parallel()
	w := serve(t, nil)
	key := w.box.Key("signer", sandbox.P256)
	request := func(payload string) []byte {
		return must(json.Marshal(map[string]any{"dsseRequestV002": map[string]any{
			"envelope": map[string]any{"payload": []byte(payload), "payloadType": "text/plain", "signatures": []any{
				map[string]any{"sig": key.Sign(sandbox.PAE("text/plain", []byte("hello"))), "keyid": ""}}},
			"verifiers": []any{map[string]any{"keyDetails": key.Algorithm.String(), "publicKey": map[string]any{"rawBytes": key.SPKI()}}},
		}}))
	}
	if status, text := w.post(t, server.RekorV2, "/api/v2/log/entries", request("jello")); status != 400 {
		t.Errorf("another payload: got %d %s", status, text)
	}
	status, text := w.post(t, server.RekorV2, "/api/v2/log/entries", request("hello"))
	if status != 201 || !strings.Contains(text, `"kind":"dsse"`) {
		t.Errorf("got %d %s", status, text)
	}
}

func TestBodiesAreBounded(t *testing.T) {
	t.Parallel()
	w := serve(t, nil)
	for path, limit := range map[string]struct {
		service     server.Service
		contentType string
		max         int
	}{
		"/api/v2/signingCert":  {server.Fulcio, "application/json", 64 << 10},
		"/api/v1/signingCert":  {server.Fulcio, "application/json", 64 << 10},
		"/ct/v1/add-pre-chain": {server.CT, "application/json", 256 << 10},
		"/api/v1/log/entries":  {server.RekorV1, "application/json", 8 << 20},
		"/api/v2/log/entries":  {server.RekorV2, "application/json", 8 << 20},
		"/api/v1/timestamp":    {server.TSA, "application/timestamp-query", 4 << 10},
		"/token":               {server.OIDC, "application/x-www-form-urlencoded", 16 << 10},
	} {
		t.Run(strings.ReplaceAll(path[1:], "/", "-"), func(t *testing.T) {
			t.Parallel()
			body := bytes.Repeat([]byte(" "), limit.max+1)
			status := func(body []byte, contentType string, header ...string) int {
				response, _ := w.request(t, limit.service, http.MethodPost, path, contentType, body, header...)
				return response.StatusCode
			}
			if got := status(body, limit.contentType); got != 413 {
				t.Errorf("a byte too many: got status %d, want 413", got)
			}
			if got := status(body[1:], limit.contentType); got != 400 {
				t.Errorf("as many as it takes: got status %d, want 400", got)
			}
			if got := status(body[:10], "text/plain"); got != 415 {
				t.Errorf("another content type: got status %d, want 415", got)
			}
			if got := status(body[:10], limit.contentType, "Content-Encoding", "gzip"); got != 415 {
				t.Errorf("compressed: got status %d, want 415", got)
			}
			if response, _ := w.request(t, limit.service, http.MethodPut, path, limit.contentType, nil); response.StatusCode != 405 {
				t.Errorf("another method: got status %d, want 405", response.StatusCode)
			}
		})
	}
}
