package trustroot

import (
	"bytes"
	"testing"

	pb "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"
	"google.golang.org/protobuf/encoding/protojson"
)

// FuzzParse: what is accepted is written and read back as itself, can be linted
// and compared, and is a document that protobuf's own JSON reader takes too.
func FuzzParse(f *testing.F) {
	fix := fixture()
	seeds := [][]byte{fix.rootDoc, fix.clientDoc, fix.signingDoc, fix.keyringDoc,
		edited(f, fix.rootDoc, "/mediaType", set(mediaTypeRoot01)),
		edited(f, fix.rootDoc, "/mediaType", set(mediaTypeRootOld)),
		edited(f, fix.rootDoc, "/tlogs/0/publicKey/keyDetails", set("PKIX_FUTURE")),
	}
	for _, seed := range seeds {
		if len(seed) == 0 {
			f.Fatal("an empty seed")
		}
		if _, err := Parse(seed, "seed"); err != nil {
			f.Fatal(err)
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse(data, "fuzz")
		if err != nil {
			if c != nil || err.Error() == "" {
				t.Fatalf("got %v with error %v", c, err)
			}
			return
		}
		Check(c, noon, nil)
		once, err := c.Marshal()
		if err != nil {
			t.Fatalf("accepted and not written: %v", err)
		}
		again, err := Parse(once, "again")
		if c.Keyring != nil && len(c.Keyring.Keys) == 0 {
			return // only unknown keys: an empty keyring is not written to be read
		}
		if err != nil {
			t.Fatalf("written and refused: %v", err)
		}
		twice, err := again.Marshal()
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("not a fixed point: %v\n%s\n%s", err, once, twice)
		}
		c.Warnings = nil
		if changes := Diff(c, again); len(changes) != 0 {
			t.Fatalf("read back as another: %v", changes)
		}
		if c.Root != nil && c.Keyring == nil && c.Signing == nil && len(c.skipped) == 0 {
			if err := protojson.Unmarshal(data, &pb.TrustedRoot{}); err != nil {
				t.Fatalf("accepted, and protojson refuses it: %v", err)
			}
		}
	})
}

// FuzzKeyringOf: what is accepted is one key that is found by its own hints.
func FuzzKeyringOf(f *testing.F) {
	fix := fixture()
	for _, key := range fix.config.Keyring.Keys {
		for _, seed := range [][]byte{key.SPKI, pemOf("PUBLIC KEY", key.SPKI)} {
			if ring, err := KeyringOf(seed, 0); err != nil || ring.Sole() == nil {
				f.Fatal(err)
			}
			f.Add(seed)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		ring, err := KeyringOf(data, 0)
		if err != nil {
			return
		}
		for _, hint := range ring.Sole().Hints() {
			if key, err := ring.Find(hint); err != nil || key != ring.Sole() {
				t.Fatalf("hint %q: got %v, %v", hint, key, err)
			}
		}
	})
}
