package sandbox_test

import (
	"crypto/x509"
	"fmt"
	"log"

	"github.com/bundler-sign/bundler/pkg/sandbox"
)

// A bundle, and the trusted root that it verifies against.
func Example() {
	s, err := sandbox.New(&sandbox.Options{Seed: "example"})
	if err != nil {
		log.Fatal(err)
	}
	b, err := s.Sign(sandbox.SignOptions{Artifact: []byte("hello")})
	if err != nil {
		log.Fatal(err)
	}
	entry := b.VerificationMaterial.TlogEntries[0]
	fmt.Println(b.MediaType)
	fmt.Println(entry.KindVersion.Kind, entry.KindVersion.Version, "is entry", entry.LogIndex)
	fmt.Println(s.TrustedRoot().Tlogs[1].BaseUrl)
	// Output:
	// application/vnd.dev.sigstore.bundle.v0.3+json
	// hashedrekord 0.0.2 is entry 6
	// https://log2026.sandbox.example
}

// One service lies in one way, until it is told to stop.
func ExampleSandbox_Misbehave() {
	s, err := sandbox.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	s.Misbehave(sandbox.OtherKind)
	b, err := s.Sign(sandbox.SignOptions{Artifact: []byte("hello")})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(b.VerificationMaterial.TlogEntries[0].KindVersion.Version)
	s.Misbehave(sandbox.Honest)
	// Output: 0.0.1
}

// A company's certificate, bent: it may sign other certificates.
func ExampleCA_Issue() {
	s, err := sandbox.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	leaf, err := s.PrivateCA.Issue(sandbox.Request{
		SANs: []sandbox.SAN{sandbox.DNS("build.example.com"), sandbox.OtherName(sandbox.OIDUserName, "robot")},
		Bend: func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true },
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(leaf.Cert.DNSNames, leaf.Cert.IsCA)
	// Output: [build.example.com] true
}
