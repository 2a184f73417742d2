package bundle_test

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/bundler-sign/bundler/pkg/bundle"
)

// TestMarshalIsReadBack: what is written says what was meant, and writing it
// again changes nothing.
func TestMarshalIsReadBack(t *testing.T) {
	t.Parallel()
	for name := range signed(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := parses(t, text(t, name, nil))
			out, err := b.Marshal()
			if name == "v0.1" { // no proof
				if err == nil || out != nil {
					t.Errorf("got %.80s, %v, want an error: version 0.3 requires a proof", out, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.HasSuffix(out, []byte("}\n")) || bytes.Count(out, []byte("\n")) != 1 {
				t.Errorf("got %d line breaks, want one, at the end", bytes.Count(out, []byte("\n")))
			}
			sameBundle(t, b, out)
		})
	}
}

// sameBundle checks that out, which Marshal wrote of b, is b in version 0.3,
// and that it is what Marshal writes of itself.
func sameBundle(t *testing.T, b *bundle.Bundle, out []byte) {
	t.Helper()
	read, err := bundle.Parse(out)
	if err != nil {
		t.Fatalf("written and refused: %v", err)
	}
	again, err := read.Marshal()
	if err != nil || !bytes.Equal(out, again) {
		t.Errorf("not a fixed point: %v\n%s\n%s", err, out, again)
	}
	if read.MediaType != bundle.MediaTypeV03 || read.Version != bundle.V03 || read.HasChain() != (len(b.Certificates) > 1) {
		t.Errorf("got %q, version %v, a chain: %t", read.MediaType, read.Version, read.HasChain())
	}
	for name, pair := range map[string][2]any{
		"certificates": {b.Certificates, read.Certificates}, "hint": {b.KeyHint, read.KeyHint},
		"entries": {b.Entries, read.Entries}, "timestamps": {b.Timestamps, read.Timestamps},
		"message": {b.Message, read.Message}, "envelope": {b.Envelope, read.Envelope},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%s: wrote %v, read %v", name, pair[0], pair[1])
		}
	}
}

// TestMarshalRefusesWhatParseRefuses: nothing is written that nobody reads.
func TestMarshalRefusesWhatParseRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault func(*bundle.Bundle)
		want  string
	}{
		"J11-certificate-and-key": {func(b *bundle.Bundle) { b.KeyHint = "x" }, "not both"},
		"J11-both-contents": {func(b *bundle.Bundle) {
			b.Envelope = &bundle.Envelope{PayloadType: "x", Payload: []byte("x"), Signature: []byte("x")}
		}, "exactly one"},
		"J11-no-content":  {func(b *bundle.Bundle) { b.Message = nil }, "exactly one"},
		"no-signature":    {func(b *bundle.Bundle) { b.Message.Signature = nil }, "signature"},
		"B13-no-digest":   {func(b *bundle.Bundle) { b.Message.Digest = bundle.Digest{} }, "messageDigest"},
		"R01-entries":     {func(b *bundle.Bundle) { b.Entries = slices.Repeat(b.Entries[:1], 33) }, "at most 32 entries"},
		"no-proof":        {func(b *bundle.Bundle) { b.Entries[0].Proof = nil }, "required in a bundle of version 0.3"},
		"J09-not-text":    {func(b *bundle.Bundle) { b.Entries[0].Kind = "\xff" }, "UTF-8"},
		"empty-timestamp": {func(b *bundle.Bundle) { b.Timestamps[0] = nil }, "rfc3161Timestamps/0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := parses(t, text(t, "message", nil))
			if _, err := b.Marshal(); err != nil {
				t.Fatal(err)
			}
			test.fault(b)
			if out, err := b.Marshal(); err == nil || out != nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %.80s, %v, want an error with %q", out, err, test.want)
			}
		})
	}
	var zero bundle.Bundle
	if out, err := zero.Marshal(); err == nil {
		t.Errorf("the zero bundle: got %s, want an error", out)
	}
}

// TestBundleAccessors says what is in which kind of bundle.
func TestBundleAccessors(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct{ certificate, chain, envelope bool }{
		"message":   {certificate: true},
		"statement": {certificate: true, envelope: true},
		"chain":     {certificate: true, chain: true},
		"v0.2":      {certificate: true, chain: true},
		"key":       {},
	} {
		doc := text(t, name, nil)
		b := parses(t, doc)
		if b.HasCertificate() != want.certificate || b.HasChain() != want.chain || (b.Envelope != nil) != want.envelope {
			t.Errorf("%s: got a certificate: %t, a chain: %t, an envelope: %t", name, b.HasCertificate(), b.HasChain(), b.Envelope != nil)
		}
		if len(b.Signature()) == 0 || b.SHA256 != bundle.Sum(bundle.SHA256, doc) {
			t.Errorf("%s: got a signature of %d bytes and digest %v", name, len(b.Signature()), b.SHA256)
		}
	}
	for v, want := range map[bundle.Version]string{0: "unknown", bundle.V01: "0.1", bundle.V02: "0.2", bundle.V03: "0.3", 4: "unknown"} {
		if v.String() != want {
			t.Errorf("got %v, want %s", v, want)
		}
	}
}
