package verify_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"math/big"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	rekorv1 "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	prototrustroot "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/verify"
)

// within fails the test unless f takes at most that long and allocates at most
// so many bytes. Of three runs the fastest counts: others may use the machine.
// The race detector slows code down tenfold. Allocations are the whole
// process's, so its callers do not run in parallel.
func within(t *testing.T, most time.Duration, bytes uint64, f func()) {
	t.Helper()
	if underRaceDetector() {
		most *= 10
	}
	var before, after runtime.MemStats
	least := time.Duration(1<<63 - 1)
	for range 3 {
		runtime.ReadMemStats(&before)
		start := time.Now()
		f()
		least = min(least, time.Since(start))
		runtime.ReadMemStats(&after)
	}
	if got := after.TotalAlloc - before.TotalAlloc; least > most || got > bytes {
		t.Errorf("took %v and %d bytes, want %v and %d at most", least, got, most, bytes)
	}
	t.Logf("took %v and %d KiB", least, (after.TotalAlloc-before.TotalAlloc)>>10)
}

func underRaceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// onlyParsed fails the test unless nothing of the bundle was checked but its
// form: no signature, no certificate.
func onlyParsed(t *testing.T, rep *verify.Report) {
	t.Helper()
	if len(rep.Checks) != 1 || rep.Checks[0].ID != verify.CheckParse {
		t.Errorf("got %d checks, want the one of parsing", len(rep.Checks))
	}
}

// TestCountsAreBounded: evidence beyond the limits is refused before any
// signature in it is verified. As much as the limits allow is verified.
func TestCountsAreBounded(t *testing.T) {
	s := newSandbox(t)
	for _, test := range []struct {
		name, want string
		options    func(n int) sandbox.SignOptions
	}{
		{"R01-33-entries", "expected at most 32 entries, found 33", func(n int) sandbox.SignOptions {
			return sandbox.SignOptions{Logs: slices.Repeat([]*sandbox.Log{s.RekorV2}, n)}
		}},
		{"R01-33-timestamps", "expected at most 32 timestamps, found 33", func(n int) sandbox.SignOptions {
			return sandbox.SignOptions{TSAs: slices.Repeat([]*sandbox.TSA{s.TSA}, n)}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			honest(t, s, test.options(32)).accepted(t)
			c := honest(t, s, test.options(33))
			within(t, 100*time.Millisecond, 8<<20, func() {
				onlyParsed(t, c.rejected(t, verify.CheckParse, test.want))
			})
		})
	}
	statementOf := func(subjects int, digests int) []byte {
		var subject, list []string
		for i := range digests - 1 {
			list = append(list, fmt.Sprintf(`"other%d":"00"`, i))
		}
		list = append(list, fmt.Sprintf(`"sha256":"%s"`, bundle.Sum(bundle.SHA256, hello).Hex()))
		for range subjects {
			subject = append(subject, `{"digest":{`+strings.Join(list, ",")+`}}`)
		}
		return signedStatement(strings.Join(subject, ","), `{}`)
	}
	for _, test := range []struct {
		name, want string
		fill       func(n int) []byte
		most       int
	}{
		{"R07-1025-subjects", "more than the limit of 1024 subjects", func(n int) []byte { return statementOf(n, 1) }, 1024},
		{"R07-33-digests", "more than the limit of 32 digests", func(n int) []byte { return statementOf(1, n) }, 32},
	} {
		t.Run(test.name, func(t *testing.T) {
			honest(t, s, sandbox.SignOptions{Statement: test.fill(test.most)}).accepted(t)
			c := honest(t, s, sandbox.SignOptions{Statement: test.fill(test.most + 1)})
			within(t, 100*time.Millisecond, 16<<20, func() { c.rejected(t, verify.CheckContent, test.want) })
		})
	}
}

func signedStatement(subjects, predicate string) []byte {
	return fmt.Appendf(nil, `{"_type":"https://in-toto.io/Statement/v1","subject":[%s],"predicateType":"https://example.com/p","predicate":%s}`, subjects, predicate)
}

// TestSizesAreBounded: texts that make a parser work hard are refused by their
// size or shape, though the signer signed them.
func TestSizesAreBounded(t *testing.T) {
	s := newSandbox(t)
	key := s.Key("release", sandbox.P256)
	subject := fmt.Sprintf(`{"digest":{"sha256":"%s"}}`, bundle.Sum(bundle.SHA256, hello).Hex())
	attested := func(predicate string) *trial {
		return honest(t, s, sandbox.SignOptions{Key: key, Logs: []*sandbox.Log{}, Statement: signedStatement(subject, predicate)}).without(t)
	}
	for _, test := range []struct {
		name, bad, good, want string
		most                  time.Duration
		bytes                 uint64
	}{
		{"R03-two-million-objects", `{"a":[{}` + strings.Repeat(",{}", 2_000_000) + `]}`, `{"a":[{},{}]}`, "more values than the limit of 1048576", time.Second, 64 << 20},
		{"R04-nested-200000-deep", `{"a":` + strings.Repeat("[", 200_000) + strings.Repeat("]", 200_000) + "}", `{"a":[[]]}`, "nested deeper than the limit of 256", 100 * time.Millisecond, 8 << 20},
		{"R05-a-million-digits", `{"a":` + strings.Repeat("9", 1_000_000) + "}", `{"a":9}`, "number is longer than the limit of 1024 bytes", 100 * time.Millisecond, 16 << 20},
	} {
		t.Run(test.name, func(t *testing.T) {
			attested(test.good).accepted(t)
			c := attested(test.bad)
			c.JSON = c.text() // made once
			within(t, test.most, test.bytes, func() { c.rejected(t, verify.CheckContent, test.want) })
		})
	}
	t.Run("R03-at-the-limit", func(t *testing.T) {
		c := attested(`{"a":[{}` + strings.Repeat(",{}", 500_000) + `]}`)
		c.JSON = c.text()
		within(t, time.Second, 64<<20, func() { c.accepted(t) })
	})
	c := honest(t, s, sandbox.SignOptions{})
	c.accepted(t)
	text := c.text()
	for _, test := range []struct {
		name, want string
		text       []byte
		most       time.Duration
	}{
		{"R02-100-MB", "larger than the limit of 33554432 bytes", append(bytes.Repeat([]byte(" "), 100<<20), text...), time.Second},
		{"R04-bundle-nested-200000-deep", "nested deeper than the limit of 16", bytes.Repeat([]byte("["), 200_000), 100 * time.Millisecond},
		{"R05-bundle-with-a-million-digits", "number is longer than the limit of 20 bytes", append([]byte(`{"mediaType":`), bytes.Repeat([]byte("9"), 1_000_000)...), 100 * time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := *c
			c.JSON = test.text
			within(t, test.most, 8<<20, func() { onlyParsed(t, c.rejected(t, verify.CheckParse, test.want)) })
		})
	}
}

// without has a trial ask for no log.
func (c *trial) without(t *testing.T) *trial {
	t.Helper()
	c.Require.Logs = 0
	return c
}

// TestCheckpointsAreBounded: R08 asks for 50 ms.
func TestCheckpointsAreBounded(t *testing.T) {
	s := newSandbox(t)
	witness := func(i int) string {
		return fmt.Sprintf("— w%d.example %s\n", i, base64.StdEncoding.EncodeToString(append(make([]byte, 4), "signature"...)))
	}
	lines := func(n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(witness(i))
		}
		return b.String()
	}
	for _, test := range []struct {
		name string
		bend func(p *rekorv1.InclusionProof, twin bool)
		id   verify.CheckID
		want string
	}{
		{"R08-100000-signature-lines", func(p *rekorv1.InclusionProof, twin bool) {
			p.Checkpoint.Envelope += lines(map[bool]int{true: 3, false: 100_000}[twin])
		}, verify.CheckParse, "checkpoint: larger than the limit of 65536 bytes"},
		{"R08-1000-signature-lines", func(p *rekorv1.InclusionProof, twin bool) {
			p.Checkpoint.Envelope += lines(map[bool]int{true: 90, false: 1000}[twin])
		}, verify.CheckLogCheckpoint, "malformed note"},
		{"R08-10000-hashes", func(p *rekorv1.InclusionProof, twin bool) {
			if !twin {
				p.Hashes = slices.Repeat([][]byte{make([]byte, 32)}, 10_000)
			}
		}, verify.CheckParse, "more values than the limit of 4096"},
		{"R08-64-hashes", func(p *rekorv1.InclusionProof, twin bool) {
			if !twin {
				p.Hashes = slices.Repeat([][]byte{make([]byte, 32)}, 64)
			}
		}, verify.CheckLogInclusion, "does not lead to the root hash"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := honest(t, s, sandbox.SignOptions{Logs: []*sandbox.Log{s.RekorV2}})
			test.bend(c.material().TlogEntries[0].InclusionProof, true)
			c.accepted(t)
			c = honest(t, s, sandbox.SignOptions{Logs: []*sandbox.Log{s.RekorV2}})
			test.bend(c.material().TlogEntries[0].InclusionProof, false)
			c.JSON = c.text()
			within(t, 50*time.Millisecond, 32<<20, func() { c.rejected(t, test.id, test.want) })
		})
	}
}

// TestChainsAreBounded: chains made to keep a path builder busy.
func TestChainsAreBounded(t *testing.T) {
	s := newSandbox(t)
	root, err := s.NewRoot("limbo-root", nil)
	if err != nil {
		t.Fatal(err)
	}
	// trialOf verifies a bundle whose chain is leaf and intermediates.
	trialOf := func(leaf *sandbox.Leaf, intermediates [][]byte) *trial {
		c := honest(t, s, sandbox.SignOptions{Leaf: leaf, Logs: []*sandbox.Log{}})
		c.Root.CertificateAuthorities = []*prototrustroot.CertificateAuthority{root.Authority()}
		c.Require.Identities = []verify.Identity{{Name: sandbox.DefaultIdentity}}
		c.Require.Logs, c.Require.SCTs = 0, 0
		chain := &protocommon.X509CertificateChain{Certificates: []*protocommon.X509Certificate{{RawBytes: leaf.DER}}}
		for _, der := range intermediates {
			chain.Certificates = append(chain.Certificates, &protocommon.X509Certificate{RawBytes: der})
		}
		c.material().Content = &protobundle.VerificationMaterial_X509CertificateChain{X509CertificateChain: chain}
		c.JSON = c.text()
		return c
	}
	// limbo returns a leaf below n intermediates of one name, each with a key
	// of its own and issued by the one before it.
	limbo := func(n int) (*sandbox.Leaf, [][]byte) {
		ca := root
		var ders [][]byte
		for i := range n {
			if ca, err = ca.Sub("limbo", &sandbox.CAOptions{Key: s.Key(fmt.Sprint("limbo", i), sandbox.P384)}); err != nil {
				t.Fatal(err)
			}
			ders = append(ders, ca.Chain[0].Raw)
		}
		leaf, err := ca.Issue(sandbox.Request{})
		if err != nil {
			t.Fatal(err)
		}
		return leaf, ders
	}
	leaf, ders := limbo(4)
	trialOf(leaf, ders).accepted(t)
	t.Run("R09-limbo-without-its-first-link", func(t *testing.T) {
		leaf, ders := limbo(16)
		c := trialOf(leaf, ders[1:])
		within(t, time.Second, 32<<20, func() { c.rejected(t, verify.CheckPath, "no path") })
	})
	t.Run("R09-10000-certificates", func(t *testing.T) {
		c := trialOf(leaf, slices.Repeat(ders[:1], 10_000))
		within(t, time.Second, 32<<20, func() {
			onlyParsed(t, c.rejected(t, verify.CheckParse, "more values than the limit of 4096"))
		})
	})
	huge := func(i int) []byte { return unsignedCA(t, "limbo", i, 240_000) }
	var hugeOnes [][]byte
	for i := range 15 {
		hugeOnes = append(hugeOnes, huge(i))
	}
	t.Run("R09-intermediates-with-keys-of-240000-bits", func(t *testing.T) {
		c := trialOf(leaf, hugeOnes)
		within(t, time.Second, 32<<20, func() { c.rejected(t, verify.CheckSigner, "has an RSA key of 240000 bits") })
	})
	t.Run("R09-timestamp-with-keys-of-240000-bits", func(t *testing.T) {
		c := trialOf(leaf, ders)
		// An authority that is known by its CA has to find the token's signer.
		c.Root.TimestampAuthorities[0].CertChain.Certificates = c.Root.TimestampAuthorities[0].CertChain.Certificates[1:]
		c.accepted(t)
		token := s.TSA.Token(sandbox.TokenOptions{Over: c.Bundle.GetMessageSignature().Signature, Certificates: hugeOnes[:1]})
		sandbox.AddTimestamp(c.material(), token)
		c.JSON = sandbox.JSON(c.Bundle)
		within(t, time.Second, 32<<20, func() { c.rejected(t, verify.CheckTimestamp, "has an RSA key of 240000 bits") })
	})
	t.Run("R09-timestamp-with-a-limbo-of-its-own", func(t *testing.T) {
		c := trialOf(leaf, ders)
		c.Root.TimestampAuthorities[0].CertChain.Certificates = c.Root.TimestampAuthorities[0].CertChain.Certificates[1:]
		c.accepted(t)
		_, limboOf7 := limbo(7)
		for range 31 {
			sandbox.AddTimestamp(c.material(), s.TSA.Token(sandbox.TokenOptions{Over: c.Bundle.GetMessageSignature().Signature, Certificates: limboOf7}))
		}
		c.JSON = sandbox.JSON(c.Bundle)
		within(t, time.Second, 64<<20, func() { c.rejected(t, verify.CheckTimestamp, "expected one for each part of the path") })
	})
}

// unsignedCA returns a CA certificate of that name that says its own key
// issued it, with an RSA key of so many bits and a signature of no meaning, as
// anybody can make without having such a key.
func unsignedCA(t *testing.T, name string, serial, bits int) []byte {
	t.Helper()
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), uint(bits)))
	if err != nil {
		t.Fatal(err)
	}
	n.SetBit(n, bits-1, 1).SetBit(n, 0, 1)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(int64(serial) + 1), NotBefore: sandbox.Birth, NotAfter: sandbox.Birth.AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	template.Subject.CommonName = name
	der, err := x509.CreateCertificate(rand.Reader, template, template, &rsa.PublicKey{N: n, E: 1<<31 - 1}, key)
	if err != nil {
		t.Fatal(err)
	}
	var parts struct {
		TBS, Algorithm asn1.RawValue
		Signature      asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &parts); err != nil {
		t.Fatal(err)
	}
	sig := make([]byte, bits/8)
	parts.Signature = asn1.BitString{Bytes: sig, BitLength: 8 * len(sig)}
	sig[1] = 1
	if der, err = asn1.Marshal(parts); err != nil {
		t.Fatal(err)
	}
	return der
}

// sha384Of4GiB is the SHA-384 of 4 GiB of zeros.
const sha384Of4GiB = "92484b752d7078365893d7109ce8cea17f6a4819f5cd0d7b57616f51b48fe704782a007699f95f6dabbd6fd1da927f73"

// TestLargeArtifactTakesConstantMemory hashes 4 GiB with the digest that a
// P-384 certificate prescribes, which is another than that of most bundles.
func TestLargeArtifactTakesConstantMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("hashing 4 GiB takes some seconds")
	}
	s := newSandbox(t)
	leaf, err := s.Fulcio.Issue(sandbox.Request{Algorithm: sandbox.P384})
	if err != nil {
		t.Fatal(err)
	}
	digest, err := hex.DecodeString(sha384Of4GiB)
	if err != nil {
		t.Fatal(err)
	}
	c := honest(t, s, sandbox.SignOptions{Leaf: leaf, Logs: []*sandbox.Log{}, TSAs: []*sandbox.TSA{}})
	m := c.Bundle.GetMessageSignature()
	m.MessageDigest = &protocommon.HashOutput{Algorithm: protocommon.HashAlgorithm_SHA2_384, Digest: digest}
	m.Signature = leaf.Key.SignDigest(crypto.SHA384, digest)
	sandbox.AddTimestamp(c.material(), s.TSA.Token(sandbox.TokenOptions{Over: m.Signature}))
	c.Require.Logs = 0
	t.Run("R06-4-GiB-with-P-384", func(t *testing.T) {
		zeros := &meter{left: 4 << 30}
		a := &verify.Artifact{Name: "zeros", Open: func() (io.ReadCloser, error) { return zeros, nil }}
		c.Artifacts = []*verify.Artifact{a}
		runtime.GC()
		before := heap()
		rep := c.accepted(t)
		if n, ok := a.Size(); !ok || n != 4<<30 || rep.Algorithm.String() != "PKIX_ECDSA_P384_SHA_384" {
			t.Errorf("got %d bytes read and %v, want 4 GiB and P-384", n, rep.Algorithm)
		}
		if rise := int64(zeros.peak) - int64(before); rise > 32<<20 {
			t.Errorf("the heap rose by %d MiB, want 32 at most", rise>>20)
		}
	})
	t.Run("R06-less-than-4-GiB", func(t *testing.T) {
		zeros := &meter{left: 64 << 20}
		c.Artifacts = []*verify.Artifact{{Name: "zeros", Open: func() (io.ReadCloser, error) { return zeros, nil }}}
		runtime.GC()
		before := heap()
		c.rejected(t, verify.CheckArtifact, "the bundle is about another artifact")
		if rise := int64(zeros.peak) - int64(before); rise > 32<<20 {
			t.Errorf("the heap rose by %d MiB, want 32 at most", rise>>20)
		}
	})
}

// meter reads as zeros and remembers the largest heap that it saw meanwhile.
type meter struct{ left, peak, reads uint64 }

func (m *meter) Read(p []byte) (int, error) {
	if m.left == 0 {
		return 0, io.EOF
	}
	if m.reads++; m.reads%256 == 0 {
		m.peak = max(m.peak, heap())
	}
	n := min(uint64(len(p)), m.left)
	clear(p[:n])
	m.left -= n
	return int(n), nil
}

func (m *meter) Close() error { return nil }

// heap returns the bytes of memory that the process has in use for its heap.
func heap() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapInuse
}
