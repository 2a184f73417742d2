package pbjson

import (
	"bytes"
	"encoding/json/v2"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// FuzzAgreesWithProtojson asserts that protobuf's own parser reads what is
// accepted here, as the same value, and writes that value the same.
func FuzzAgreesWithProtojson(f *testing.F) {
	accepted := 0
	for _, seed := range []string{
		`""`, `"_-8"`, `"QQ=="`, `"QR=="`, `12`, `1e2`, `"-9223372036854775808"`,
		`"2026-01-02T03:04:05.5+01:00"`, `"2026-01-02T03:04:05.123456Z"`, `"9999-12-31T23:59:59Z"`,
	} {
		f.Add([]byte(seed))
		accepted += agree(f, []byte(seed))
	}
	if accepted < 9 {
		f.Fatalf("%d seeds are accepted, want 9 at least", accepted)
	}
	f.Fuzz(func(t *testing.T, data []byte) { agree(t, data) })
}

// agree returns how many of the types data can be read as.
func agree(t testing.TB, data []byte) (accepted int) {
	t.Helper()
	var b Bytes
	if json.Unmarshal(data, &b) == nil {
		accepted++
		var want wrapperspb.BytesValue
		if sameAsProto(t, data, b, &want); !bytes.Equal(b, want.GetValue()) {
			t.Errorf("%q: got %x, want %x", data, b, want.GetValue())
		}
	}
	var i Int64
	if json.Unmarshal(data, &i) == nil {
		accepted++
		var want wrapperspb.Int64Value
		if sameAsProto(t, data, i, &want); int64(i) != want.GetValue() {
			t.Errorf("%q: got %d, want %d", data, i, want.GetValue())
		}
	}
	var at Time
	if json.Unmarshal(data, &at) == nil {
		accepted++
		var want timestamppb.Timestamp
		if sameAsProto(t, data, at, &want); !time.Time(at).Equal(want.AsTime()) {
			t.Errorf("%q: got %v, want %v", data, time.Time(at), want.AsTime())
		}
	}
	return accepted
}

// sameAsProto reads data into msg and compares how both values are written.
func sameAsProto(t testing.TB, data []byte, v any, msg proto.Message) {
	t.Helper()
	if err := protojson.Unmarshal(data, msg); err != nil {
		t.Errorf("%q: accepted as %T, and protojson says %v", data, v, err)
		return
	}
	got, gotErr := json.Marshal(v)
	want, wantErr := protojson.Marshal(msg)
	if gotErr != nil || wantErr != nil || !bytes.Equal(got, want) {
		t.Errorf("%q as %T: written as %s, %v, want %s, %v", data, v, got, gotErr, want, wantErr)
	}
}
