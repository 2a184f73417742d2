package bundle_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/bundler-sign/bundler/pkg/bundle"
)

// TestVectorsParse reads every bundle of the public suites: what protobuf-specs
// parses as a bundle bundler parses too, unless the case is about the text.
func TestVectorsParse(t *testing.T) {
	dir := os.Getenv("BUNDLER_VECTORS")
	if dir == "" {
		t.Skip("BUNDLER_VECTORS is not set: make conformance sets it")
	}
	refused := map[string]string{
		"bundle-malformed-json_fail":   "string is not closed",
		"bundle-with-root-cert_fail":   "checkpoint: missing",
		"invalid-inclusion-proof_fail": "checkpoint: missing",
	}
	count := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasPrefix(d.Name(), "bundle") || filepath.Ext(path) != ".json" {
			return err
		}
		count++
		name := filepath.Base(filepath.Dir(path))
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			b, err := bundle.Parse(data)
			if want, ok := refused[name]; ok {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Fatalf("got error %v, want one with %q", err, want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			sameMessage(t, data, b)
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if count == 0 {
		t.Fatalf("no bundles under %s", dir)
	}
}

// sameMessage checks that b says what protobuf-specs reads in data, by way of
// what b writes (version 0.3, so its media type and form of chain aside).
func sameMessage(t *testing.T, data []byte, b *bundle.Bundle) {
	t.Helper()
	var want, got protobundle.Bundle
	if err := protojson.Unmarshal(data, &want); err != nil {
		t.Fatalf("protobuf-specs refuses what bundler accepts: %v", err)
	}
	out, err := b.Marshal()
	if err != nil {
		if b.Version == bundle.V01 { // a promise without a proof has no form in 0.3
			return
		}
		t.Fatal(err)
	}
	if err := protojson.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	want.MediaType = bundle.MediaTypeV03
	if chain := want.GetVerificationMaterial().GetX509CertificateChain(); len(chain.GetCertificates()) == 1 {
		want.VerificationMaterial.Content = &protobundle.VerificationMaterial_Certificate{Certificate: chain.Certificates[0]}
	}
	if ts := want.VerificationMaterial.TimestampVerificationData; ts != nil && len(ts.Rfc3161Timestamps) == 0 {
		want.VerificationMaterial.TimestampVerificationData = nil
	}
	if !proto.Equal(&want, &got) {
		t.Errorf("rewritten bundle says\n%v\nwant\n%v", &got, &want)
	}
}
