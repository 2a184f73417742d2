package bundle_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/bundler-sign/bundler/pkg/bundle"
)

// TestPAE compares with the reference implementation and the example of DSSE's
// own protocol.md.
func TestPAE(t *testing.T) {
	t.Parallel()
	if got, want := string(bundle.PAE("http://example.com/HelloWorld", []byte("hello world"))),
		"DSSEv1 29 http://example.com/HelloWorld 11 hello world"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	types := []string{"", " ", "application/vnd.in-toto+json", "a 5 b", "ünïcode", "\x00\n", strings.Repeat("x", 1000)}
	payloads := []string{"", " ", "{}", "\x00\xff\xfe", "1 a 1 b", strings.Repeat("y", 100_000)}
	for _, payloadType := range types {
		for _, payload := range payloads {
			got, want := bundle.PAE(payloadType, []byte(payload)), dsse.PAE(payloadType, []byte(payload))
			if !bytes.Equal(got, want) {
				t.Errorf("got %.100q, want %.100q", got, want)
			}
		}
	}
}

// TestPAEIsInjective: no two envelopes are signed as the same bytes, however
// type and payload lean on each other.
func TestPAEIsInjective(t *testing.T) {
	t.Parallel()
	seen := make(map[string]string)
	parts := []string{"", " ", "1", "1 ", " 1", "1 a", "a 1 b", "0 ", "10 x", "DSSEv1 "}
	for _, payloadType := range parts {
		for _, payload := range parts {
			e := bundle.Envelope{PayloadType: payloadType, Payload: []byte(payload)}
			pae, this := string(e.PAE()), payloadType+"|"+payload
			if other, ok := seen[pae]; ok {
				t.Errorf("%q and %q are both %q", this, other, pae)
			}
			seen[pae] = this
		}
	}
}
