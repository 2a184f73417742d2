package bundle_test

import (
	"bytes"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"

	"github.com/bundler-sign/bundler/pkg/bundle"
)

// TestParseLimitsAreExact: a bundle at each limit is read, one beyond it is not.
func TestParseLimitsAreExact(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, of string
		most     int
		fill     func(b *protobundle.Bundle, n int)
		want     string
	}{
		{"R01-entries", "message", 32, func(b *protobundle.Bundle, n int) {
			m := b.VerificationMaterial
			m.TlogEntries = slices.Repeat(m.TlogEntries[:1], n)
		}, "expected at most 32 entries, found 33"},
		{"R01-timestamps", "message", 32, func(b *protobundle.Bundle, n int) {
			d := b.VerificationMaterial.TimestampVerificationData
			d.Rfc3161Timestamps = slices.Repeat(d.Rfc3161Timestamps[:1], n)
		}, "expected at most 32 timestamps, found 33"},
		{"R09-certificates", "chain", 16, func(b *protobundle.Bundle, n int) {
			c := b.VerificationMaterial.GetX509CertificateChain()
			c.Certificates = slices.Repeat(c.Certificates[:1], n)
		}, "expected 1 to 16 certificates, found 17"},
		{"R08-proof-hashes", "message", 64, func(b *protobundle.Bundle, n int) {
			b.VerificationMaterial.TlogEntries[0].InclusionProof.Hashes = slices.Repeat([][]byte{make([]byte, 32)}, n)
		}, "hashes: expected at most 64, found 65"},
		{"R08-checkpoint", "message", 64 << 10, func(b *protobundle.Bundle, n int) {
			b.VerificationMaterial.TlogEntries[0].InclusionProof.Checkpoint.Envelope = strings.Repeat("\n", n)
		}, "checkpoint: larger than the limit of 65536 bytes"},
		{"certificate", "message", 64 << 10, func(b *protobundle.Bundle, n int) {
			b.VerificationMaterial.GetCertificate().RawBytes = make([]byte, n)
		}, "found 65537"},
		{"timestamp", "message", 64 << 10, func(b *protobundle.Bundle, n int) {
			b.VerificationMaterial.TimestampVerificationData.Rfc3161Timestamps[0].SignedTimestamp = make([]byte, n)
		}, "found 65537"},
		{"signature", "message", 16 << 10, func(b *protobundle.Bundle, n int) {
			b.GetMessageSignature().Signature = make([]byte, n)
		}, "found 16385"},
		{"envelope-signature", "statement", 16 << 10, func(b *protobundle.Bundle, n int) {
			b.GetDsseEnvelope().Signatures[0].Sig = make([]byte, n)
		}, "found 16385"},
		{"promise", "message", 16 << 10, func(b *protobundle.Bundle, n int) {
			b.VerificationMaterial.TlogEntries[0].InclusionPromise.SignedEntryTimestamp = make([]byte, n)
		}, "found 16385"},
		{"hint", "key", 1 << 10, func(b *protobundle.Bundle, n int) {
			b.VerificationMaterial.Content = &protobundle.VerificationMaterial_PublicKey{
				PublicKey: &protocommon.PublicKeyIdentifier{Hint: strings.Repeat("x", n)},
			}
		}, "longer than the limit of 1024 bytes"},
		{"log-id", "message", 64, func(b *protobundle.Bundle, n int) {
			b.VerificationMaterial.TlogEntries[0].LogId.KeyId = make([]byte, n)
		}, "expected a digest, found 65 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			parses(t, text(t, test.of, func(b *protobundle.Bundle) { test.fill(b, test.most) }))
			refused(t, text(t, test.of, func(b *protobundle.Bundle) { test.fill(b, test.most+1) }), test.want)
		})
	}
}

// TestParseReadsTheLargestHonestBundle: every count at its limit at once.
func TestParseReadsTheLargestHonestBundle(t *testing.T) {
	t.Parallel()
	b := parses(t, text(t, "message", func(b *protobundle.Bundle) {
		m := b.VerificationMaterial
		proof := m.TlogEntries[0].InclusionProof
		proof.Hashes = slices.Repeat([][]byte{make([]byte, 32)}, bundle.MaxProofHashes)
		m.TlogEntries = slices.Repeat(m.TlogEntries[:1], bundle.MaxEntries)
		m.TimestampVerificationData.Rfc3161Timestamps = slices.Repeat(m.TimestampVerificationData.Rfc3161Timestamps, bundle.MaxTimestamps)
		m.Content = &protobundle.VerificationMaterial_X509CertificateChain{X509CertificateChain: &protocommon.X509CertificateChain{
			Certificates: slices.Repeat([]*protocommon.X509Certificate{m.GetCertificate()}, bundle.MaxCertificates),
		}}
	}))
	if len(b.Entries) != bundle.MaxEntries || len(b.Timestamps) != bundle.MaxTimestamps || len(b.Certificates) != bundle.MaxCertificates {
		t.Errorf("got %d entries, %d timestamps, %d certificates", len(b.Entries), len(b.Timestamps), len(b.Certificates))
	}
}

// TestParseRefusesExhaustionCheaply: hostile sizes are refused before the work
// that they ask for, in time and in memory.
func TestParseRefusesExhaustionCheaply(t *testing.T) {
	doc := text(t, "key", func(b *protobundle.Bundle) {
		b.VerificationMaterial.GetPublicKey().Hint = "HINT"
	})
	with := func(hint string) []byte { return bytes.Replace(doc, []byte(`"HINT"`), []byte(hint), 1) }
	for _, test := range []struct {
		name string
		doc  []byte
		want string
	}{
		{"R02-size", bytes.Repeat([]byte(" "), 100<<20), "larger than the limit of 33554432 bytes"},
		{"R02-size-of-a-string", with(`"` + strings.Repeat("x", bundle.MaxSize) + `"`), "larger than the limit of 33554432 bytes"},
		{"R04-nested-arrays", with(strings.Repeat("[", 200_000)), "nested deeper than the limit of 16"},
		{"R04-nested-objects", with(strings.Repeat(`{"a":`, 200_000)), "nested deeper than the limit of 16"},
		{"R05-digits", with(strings.Repeat("9", 1_000_000)), "number is longer than the limit of 20 bytes"},
		{"R05-digits-quoted", edit(t, text(t, "message", nil), "/verificationMaterial/tlogEntries/0/logIndex", func(any) any {
			return strings.Repeat("9", 1_000_000)
		}), "expected a 64-bit integer"},
		{"R05-exponent", with("1e" + strings.Repeat("9", 1_000_000)), "number is longer than the limit of 20 bytes"},
		{"values", with("[" + strings.Repeat("{},", 1_000_000) + "{}]"), "more values than the limit of 4096"},
		{"R08-10000-hashes", edit(t, text(t, "message", nil), "/verificationMaterial/tlogEntries/0/inclusionProof/hashes", func(any) any {
			return slices.Repeat([]any{strings.Repeat("A", 43) + "="}, 10_000)
		}), "more values than the limit of 4096"},
		{"R09-10000-certificates", edit(t, text(t, "chain", nil), "/verificationMaterial/x509CertificateChain/certificates", func(v any) any {
			return slices.Repeat(v.([]any)[:1], 10_000)
		}), "larger than the limit of 33554432 bytes|more values than the limit of 4096"},
	} {
		t.Run(test.name, func(t *testing.T) {
			parses(t, with(`"x"`))
			took, allocated := cost(func() {
				b, err := bundle.Parse(test.doc)
				if err == nil || b != nil || !slices.ContainsFunc(strings.Split(test.want, "|"), func(w string) bool { return strings.Contains(err.Error(), w) }) {
					t.Errorf("got a bundle: %t, and error %v, want an error with %q", b != nil, err, test.want)
				}
			})
			most := 50 * time.Millisecond
			if strings.HasPrefix(test.name, "R02") {
				most = time.Second // to find the line at which 32 MiB end
			}
			if underRaceDetector() {
				most *= 10
			}
			if took > most || allocated > 8<<20 {
				t.Errorf("refusing took %v and %d bytes, want %v and 8 MiB at most", took, allocated, most)
			}
		})
	}
}

// cost returns the least time that f takes in three runs, which is what it
// takes when nothing else runs, and the bytes that the last of them allocates.
// Allocations are those of the whole process, so no test may run beside it.
func cost(f func()) (time.Duration, uint64) {
	var before, after runtime.MemStats
	least := time.Duration(1<<63 - 1)
	for range 3 {
		runtime.ReadMemStats(&before)
		start := time.Now()
		f()
		least = min(least, time.Since(start))
		runtime.ReadMemStats(&after)
	}
	return least, after.TotalAlloc - before.TotalAlloc
}

// underRaceDetector reports whether code runs a tenth as fast as it would.
func underRaceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// zeros is an endless reader that remembers how much was read.
type zeros struct{ read int }

func (z *zeros) Read(p []byte) (int, error) {
	clear(p)
	z.read += len(p)
	return len(p), nil
}

// TestReadStopsAtTheLimit: no more is read than it takes to refuse.
func TestReadStopsAtTheLimit(t *testing.T) {
	t.Run("R02-endless", func(t *testing.T) {
		want := parses(t, text(t, "message", nil))
		if b, err := bundle.Read(bytes.NewReader(text(t, "message", nil))); err != nil || b.SHA256 != want.SHA256 {
			t.Errorf("the twin: got error %v, want it parsed as by Parse", err)
		}
		var endless zeros
		if b, err := bundle.Read(&endless); err == nil || b != nil || !strings.Contains(err.Error(), "larger than the limit") {
			t.Errorf("got a bundle: %t, and error %v, want one that is too large", b != nil, err)
		}
		if endless.read > bundle.MaxSize+1 {
			t.Errorf("got %d bytes read, want at most %d", endless.read, bundle.MaxSize+1)
		}
	})
}

// statementWith returns a statement with these subjects and this predicate.
func statementWith(subjects, predicate string) []byte {
	return fmt.Appendf(nil, `{"_type":"https://in-toto.io/Statement/v1","subject":%s,"predicateType":"https://example.com/p","predicate":%s}`, subjects, predicate)
}

const oneSubject = `[{"name":"a","digest":{"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}}]`

func TestStatementLimitsAreExact(t *testing.T) {
	t.Parallel()
	subject := strings.Trim(oneSubject, "[]")
	digests := func(n int) string {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf(`"alg%d":"x"`, i))
		}
		return `[{"digest":{` + strings.Join(list, ",") + `}}]`
	}
	for _, test := range []struct {
		name string
		fill func(n int) []byte
		most int
		want string
	}{
		{"R07-subjects", func(n int) []byte {
			return statementWith("["+subject+strings.Repeat(","+subject, n-1)+"]", "{}")
		}, 1024, "more than the limit of 1024 subjects"},
		{"R07-digests", func(n int) []byte { return statementWith(digests(n), "{}") }, 32, "more than the limit of 32 digests"},
		{"R04-depth", func(n int) []byte {
			return statementWith(oneSubject, `{"a":`+strings.Repeat("[", n-2)+strings.Repeat("]", n-2)+"}")
		}, 256, "nested deeper than the limit of 256"},
		{"R05-digits", func(n int) []byte { return statementWith(oneSubject, `{"a":`+strings.Repeat("9", n)+`}`) }, 1 << 10, "number is longer than the limit of 1024 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if _, err := bundle.ParseStatement(test.fill(test.most)); err != nil {
				t.Errorf("at the limit: got %v, want it parsed", err)
			}
			s, err := bundle.ParseStatement(test.fill(test.most + 1))
			if err == nil || s != nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("beyond the limit: got %v, %v, want an error with %q", s, err, test.want)
			}
		})
	}
}

// TestStatementRefusesExhaustionCheaply has the predicate of two million
// objects that made parsers take gigabytes, and the largest one allowed.
func TestStatementRefusesExhaustionCheaply(t *testing.T) {
	objects := func(n int) []byte { return statementWith(oneSubject, `{"a":[{}`+strings.Repeat(",{}", n-1)+`]}`) }
	t.Run("R03-two-million-objects", func(t *testing.T) {
		doc := objects(2_000_000)
		took, allocated := cost(func() {
			if s, err := bundle.ParseStatement(doc); err == nil || s != nil || !strings.Contains(err.Error(), "more values than the limit") {
				t.Errorf("got %v, %v, want a refusal at the limit", s, err)
			}
		})
		if took > time.Second || allocated > 1<<20 {
			t.Errorf("refusing took %v and %d bytes", took, allocated)
		}
	})
	t.Run("R03-at-the-limit", func(t *testing.T) {
		doc := objects(1<<19 - 16)
		took, allocated := cost(func() {
			if _, err := bundle.ParseStatement(doc); err != nil {
				t.Errorf("got %v, want it parsed", err)
			}
		})
		if took > time.Second && !underRaceDetector() || allocated > 64<<20 {
			t.Errorf("parsing took %v and %d bytes, want 1 s and 64 MiB at most", took, allocated)
		}
	})
	t.Run("R04-nested", func(t *testing.T) {
		doc := statementWith(oneSubject, strings.Repeat(`{"a":`, 200_000))
		took, _ := cost(func() {
			if s, err := bundle.ParseStatement(doc); err == nil || s != nil {
				t.Errorf("got %v, %v, want a refusal", s, err)
			}
		})
		if took > 500*time.Millisecond {
			t.Errorf("refusing took %v", took)
		}
	})
}
