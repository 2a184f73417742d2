package trustroot

import (
	"bytes"
	"crypto"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/sigstore/rekor-tiles/v2/pkg/note"

	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
)

func TestCheckpointKeyIDIsThatOfRekorTiles(t *testing.T) {
	t.Parallel()
	f := fixture()
	for _, key := range []crypto.Signer{f.p256, f.p384, f.p521, f.ed, f.rsa2048, f.mldsa44} {
		for _, origin := range []string{"rekor.example", "rekor.example:3000/a/b"} {
			short, full, err := note.KeyHash(origin, key.Public())
			if err != nil {
				t.Fatal(err)
			}
			got, err := checkpointKeyID(origin, key.Public())
			if err != nil || !bytes.Equal(got[:], full) || binary.BigEndian.Uint32(got[:4]) != short {
				t.Errorf("%s under %s: got %x, %v, want %x", keyspec.Describe(key.Public()), origin, got, err, full)
			}
		}
	}
	if _, err := checkpointKeyID("rekor.example", f.mldsa65.Public()); err == nil {
		t.Error("ML-DSA-65: got an id, though none is defined")
	}
}

func TestOriginsOfBaseURL(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		url  string
		want []string
	}{
		{"https://rekor.example", []string{"rekor.example"}},
		{"https://rekor.example/", []string{"rekor.example"}},
		{"rekor.example", []string{"rekor.example"}},
		{"rekor.example/shard/1", []string{"rekor.example/shard/1", "rekor.example"}},
		{"http://localhost:3000", []string{"localhost:3000", "localhost"}},
		{"localhost:3000", []string{"localhost:3000", "localhost"}},
		{"https://ct.example/2026//", []string{"ct.example/2026", "ct.example"}},
		{"http://[::1]:80", []string{"[::1]:80", "::1"}},
		{"", []string{""}},
	} {
		got, err := originsOf(tt.url)
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%q: got %q, %v, want %q", tt.url, got, err, tt.want)
		}
	}
	for _, bad := range []string{"https://", "https:///x", "https://a b", "https://u@h", "https://h?q", "https://h#f", "https://h/a+b", "/path", "https://h/\n", "https://h/\u202e"} {
		if got, err := originsOf(bad); err == nil {
			t.Errorf("%q: got %q, want an error", bad, got)
		}
	}
}

// A log served at host:port may sign as the bare host; its id tells.
func TestLogIDTellsTheOrigin(t *testing.T) {
	t.Parallel()
	f := fixture()
	for _, key := range []crypto.Signer{f.ed, f.rsa2048, f.mldsa44} {
		details := must(keyspec.ForKey(key.Public()))
		for _, origin := range []string{"localhost:3000", "localhost"} {
			l := must(NewRekorLog("http://"+origin, key.Public(), details, Validity{Start: noon}, 2))
			l.BaseURL = "http://localhost:3000"
			doc := must((&Root{Logs: []*Log{l}}).Marshal())
			got := accepted(t, doc).Root.Logs[0]
			if got.Origin != origin || got.CheckpointKeyID != l.CheckpointKeyID || !bytes.Equal(got.ID, l.ID) {
				t.Errorf("%v: got origin %q and id %x, want %q and %x", details, got.Origin, got.ID, origin, l.ID)
			}
			// Without a log id, as the specification announces, and with the long form.
			long := edited(t, edited(t, doc, "/tlogs/0/checkpointKeyId/keyId", func(node) node { return encode64(l.ID) }), "/tlogs/0/logId", set(drop))
			if got := accepted(t, long).Root.Logs[0]; got.Origin != origin || !bytes.Equal(got.ID, l.ID) {
				t.Errorf("%v: by checkpoint key id: got %q and %x, want %q and %x", details, got.Origin, got.ID, origin, l.ID)
			}
		}
	}
}

func TestLogOfAKeyWithoutCheckpointSignaturesIsSkipped(t *testing.T) {
	t.Parallel()
	f := fixture()
	l := must(newLog("https://rekor.example", f.mldsa65.Public(), keyspec.MLDSA65, Validity{Start: noon}))
	c := accepted(t, must((&Root{Logs: []*Log{l}}).Marshal()))
	if len(c.Root.Logs) != 0 || len(c.Warnings) != 1 {
		t.Errorf("got %d logs and warnings %q, want none and one", len(c.Root.Logs), c.Warnings)
	}
}

func TestNewLogsRefuse(t *testing.T) {
	t.Parallel()
	f := fixture()
	from := Validity{Start: noon}
	if _, err := NewRekorLog("https://rekor.example", f.ed.Public(), keyspec.Ed25519, from, 3); err == nil {
		t.Error("Rekor 3 is accepted")
	}
	if _, err := NewRekorLog("https://rekor.example", f.ed.Public(), keyspec.Ed25519, Validity{}, 2); err == nil {
		t.Error("a log without a start is accepted")
	}
	if _, err := NewCTLog("https://ct.example", f.ed.Public(), keyspec.ECDSAP256SHA256, from); err == nil {
		t.Error("K05: a key of another type is accepted")
	}
	if _, err := NewCTLog("https://ct example", f.p256.Public(), keyspec.ECDSAP256SHA256, from); err == nil {
		t.Error("a URL with a space is accepted")
	}
}
