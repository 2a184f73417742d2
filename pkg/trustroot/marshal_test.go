package trustroot

import (
	"bytes"
	"testing"

	pb "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

func TestParseReadsBackWhatMarshalWrites(t *testing.T) {
	t.Parallel()
	f := fixture()
	for name, doc := range map[string][]byte{"root": f.rootDoc, "client": f.clientDoc, "signing": f.signingDoc, "keyring": f.keyringDoc} {
		c := accepted(t, doc)
		again, err := c.Marshal()
		if err != nil || !bytes.Equal(again, doc) {
			t.Errorf("%s: got %v and\n%s\nwant\n%s", name, err, again, doc)
		}
		if changes := Diff(c, accepted(t, again)); len(changes) != 0 {
			t.Errorf("%s: got changes %v", name, changes)
		}
	}
	if changes := Diff(f.config, accepted(t, f.keyringDoc)); len(changes) != 0 {
		t.Errorf("what was built is not what is read: %v", changes)
	}
	if _, err := new(Config).Marshal(); err == nil {
		t.Error("an empty trust config is written")
	}
}

// What is written must be what protobuf's own JSON reader takes, unknown fields
// refused, and no less than what it sees.
func TestMarshalWritesProtobufJSON(t *testing.T) {
	t.Parallel()
	f := fixture()
	for _, tt := range []struct {
		doc []byte
		msg proto.Message
	}{
		{f.rootDoc, &pb.TrustedRoot{}},
		{f.clientDoc, &pb.ClientTrustConfig{}},
		{f.signingDoc, &pb.SigningConfig{}},
	} {
		if err := protojson.Unmarshal(tt.doc, tt.msg); err != nil {
			t.Errorf("%T: %v", tt.msg, err)
			continue
		}
		back, err := protojson.Marshal(tt.msg)
		if err != nil {
			t.Fatal(err)
		}
		a, b := accepted(t, tt.doc), accepted(t, back)
		if changes := Diff(a, b); len(changes) != 0 {
			t.Errorf("%T: %v", tt.msg, changes)
		}
	}
}
