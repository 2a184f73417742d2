package bundle_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"

	"github.com/bundler-sign/bundler/pkg/bundle"
)

// TestParseReadsWhatProtobufReads compares with protobuf-specs' own reader,
// for every shape of bundle.
func TestParseReadsWhatProtobufReads(t *testing.T) {
	t.Parallel()
	for name := range signed(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			doc := text(t, name, nil)
			sameMessage(t, doc, parses(t, doc))
		})
	}
}

func TestParseMediaTypes(t *testing.T) {
	t.Parallel()
	const old, dotted = "application/vnd.dev.sigstore.bundle+json;version=", "application/vnd.dev.sigstore.bundle.v"
	for mediaType, want := range map[string]bundle.Version{
		old + "0.1": bundle.V01, dotted + "0.1+json": bundle.V01,
		old + "0.2": bundle.V02, dotted + "0.2+json": bundle.V02,
		old + "0.3": bundle.V03, dotted + "0.3+json": bundle.V03,
	} {
		b := parses(t, text(t, "message", func(b *protobundle.Bundle) {
			b.MediaType = mediaType
			b.VerificationMaterial.TlogEntries = b.VerificationMaterial.TlogEntries[:1] // with a promise and a proof
		}))
		if b.Version != want || b.MediaType != mediaType {
			t.Errorf("%q: got version %v and %q, want %v", mediaType, b.Version, b.MediaType, want)
		}
	}
	for _, mediaType := range []string{
		dotted + "0.3.99+json", dotted + "0.4+json", old + "0.4", dotted + "1.0+json", dotted + "0.30+json", dotted + "0.03+json",
		old + "0.3;version=0.1", old + " 0.3", old + "0.3 ", old, dotted + "0.3", "Application/vnd.dev.sigstore.bundle.v0.3+json", "application/json", "",
	} {
		t.Run("J10-media-type", func(t *testing.T) {
			parses(t, text(t, "message", nil))
			refused(t, text(t, "message", func(b *protobundle.Bundle) { b.MediaType = mediaType }), "at /mediaType: expected a bundle of version 0.1, 0.2 or 0.3")
		})
	}
}

// TestParseOneOf: a bundle has one signer and one content.
func TestParseOneOf(t *testing.T) {
	t.Parallel()
	material := func(name string) any {
		return decode(t, text(t, name, nil)).(map[string]any)["verificationMaterial"]
	}
	add := func(name string, value any) func(any) any {
		return func(v any) any {
			v.(map[string]any)[name] = value
			return v
		}
	}
	const signer, content = "expected exactly one of publicKey, certificate and x509CertificateChain", "expected exactly one of messageSignature and dsseEnvelope"
	envelope := decode(t, text(t, "statement", nil)).(map[string]any)["dsseEnvelope"]
	chain := material("chain").(map[string]any)["x509CertificateChain"]
	key := material("key").(map[string]any)["publicKey"]
	for _, test := range []struct {
		name, of, at, member string
		value                any
		want                 string
	}{
		{"both-contents", "message", "", "dsseEnvelope", envelope, content},
		{"chain-and-certificate", "message", "/verificationMaterial", "x509CertificateChain", chain, signer},
		{"key-and-certificate", "message", "/verificationMaterial", "publicKey", key, signer},
		{"empty-key-and-certificate", "message", "/verificationMaterial", "publicKey", map[string]any{}, signer},
		{"key-and-chain", "chain", "/verificationMaterial", "publicKey", key, signer},
		{"certificate-and-key", "key", "/verificationMaterial", "certificate", map[string]any{"rawBytes": "AAAA"}, signer},
	} {
		t.Run("J11-"+test.name, func(t *testing.T) {
			t.Parallel()
			doc := text(t, test.of, nil)
			parses(t, doc)
			refused(t, edit(t, doc, test.at, add(test.member, test.value)), test.want)
		})
	}
	t.Run("J11-no-content", func(t *testing.T) {
		refused(t, text(t, "message", func(b *protobundle.Bundle) { b.Content = nil }), content)
	})
	t.Run("J11-no-signer", func(t *testing.T) {
		refused(t, text(t, "message", func(b *protobundle.Bundle) { b.VerificationMaterial.Content = nil }), signer)
	})
}

// TestParseRefusesDuplicateMembers duplicates every member of every object of
// every bundle.
func TestParseRefusesDuplicateMembers(t *testing.T) {
	t.Parallel()
	for name := range signed(t) {
		t.Run("J01-"+name, func(t *testing.T) {
			t.Parallel()
			doc := text(t, name, nil)
			parses(t, encode(t, decode(t, doc)))
			for at, members := range objects(t, doc) {
				for _, member := range members {
					refused(t, edit(t, doc, at, func(v any) any { return twice{v.(map[string]any), member} }), fmt.Sprintf("member %q appears twice", member))
				}
			}
		})
	}
}

// TestParseRefusesUnknownMembers adds a member to every object, and respells
// every one there is: in another case, as protobuf's other name for it, and
// with a character that folds to the right one.
func TestParseRefusesUnknownMembers(t *testing.T) {
	t.Parallel()
	for name := range signed(t) {
		doc := text(t, name, nil)
		t.Run("J04-"+name, func(t *testing.T) {
			t.Parallel()
			parses(t, encode(t, decode(t, doc)))
			for at := range objects(t, doc) {
				refused(t, edit(t, doc, at, func(v any) any {
					v.(map[string]any)["extra"] = 1
					return v
				}), `unknown member "extra"`)
			}
		})
		t.Run("J02-J03-"+name, func(t *testing.T) {
			t.Parallel()
			for at, members := range objects(t, doc) {
				for _, member := range members {
					for _, spelling := range respelled(member) {
						refused(t, edit(t, doc, at, func(v any) any {
							object := v.(map[string]any)
							object[spelling] = object[member]
							delete(object, member)
							return object
						}), fmt.Sprintf("unknown member %q", spelling))
					}
				}
			}
		})
	}
}

// respelled returns other spellings of a member's name that some reader takes
// for it.
func respelled(name string) []string {
	var snake strings.Builder
	for _, c := range name {
		if 'A' <= c && c <= 'Z' {
			snake.WriteByte('_')
		}
		snake.WriteRune(c)
	}
	spellings := []string{strings.ToUpper(name), strings.ToUpper(name[:1]) + name[1:], strings.ToLower(snake.String()),
		strings.Replace(name, "s", "\u017f", 1), strings.Replace(name, "k", "\u212a", 1), name + "\x00", " " + name}
	return slices.DeleteFunc(spellings, func(s string) bool { return s == name })
}

// TestParseRefusesMoreThanADocument: one text, one document, nothing around it.
func TestParseRefusesMoreThanADocument(t *testing.T) {
	t.Parallel()
	doc := text(t, "message", nil)
	for _, around := range []string{" %s", "\t\r\n%s\n\n"} {
		parses(t, fmt.Appendf(nil, around, doc))
	}
	for name, fault := range map[string]string{
		"byte-order-mark": "\ufeff%s", "utf-16": "\xff\xfe%s", "NUL-after": "%s\x00", "NUL-before": "\x00%s",
		"two-documents": "%[1]s%[1]s", "two-lines": "%[1]s\n%[1]s", "letters": "%s x", "brace": "%s}", "comma": "%s,",
		"comment": "/* */%s", "comment-after": "%s // done", "form-feed": "\f%s", "in-an-array": "[%s]", "nothing": "", "space": " ",
		"no-break-space": "\u00a0%s",
	} {
		t.Run("J05-"+name, func(t *testing.T) {
			t.Parallel()
			parses(t, doc)
			bad := []byte(fault)
			if strings.Contains(fault, "%") {
				bad = fmt.Appendf(nil, fault, doc)
			}
			refused(t, bad, "at line ")
		})
	}
}

// mayBeNull are the members that writers in the field spell as null when they
// have no value: absent and null say the same there.
var mayBeNull = []string{"inclusionPromise", "inclusionProof", "timestampVerificationData", "keyid"}

// TestParseRefusesNull puts null in the place of every value.
func TestParseRefusesNull(t *testing.T) {
	t.Parallel()
	spelt := make(map[string]bool)
	for name := range signed(t) {
		doc := text(t, name, nil)
		for _, at := range pointers(t, doc) {
			null := edit(t, doc, at, func(any) any { return nil })
			member := at[strings.LastIndexByte(at, '/')+1:]
			if !slices.Contains(mayBeNull, member) {
				t.Run("J06-"+name+at, func(t *testing.T) { refused(t, null, "found null") })
				continue
			}
			sameAsAbsent(t, doc, null, at, spelt)
		}
	}
	if got := slices.Sorted(maps.Keys(spelt)); len(got) != len(mayBeNull) {
		t.Errorf("null was accepted for %q, want it for each of %q", got, mayBeNull)
	}
}

// sameAsAbsent checks that a document with a null says what it says without
// the member, or is refused like it.
func sameAsAbsent(t *testing.T, doc, null []byte, at string, spelt map[string]bool) {
	t.Helper()
	i := strings.LastIndexByte(at, '/')
	absent := edit(t, doc, at[:i], func(v any) any {
		delete(v.(map[string]any), at[i+1:])
		return v
	})
	want, wantErr := bundle.Parse(absent)
	got, err := bundle.Parse(null)
	if fmt.Sprint(err) != fmt.Sprint(wantErr) {
		t.Errorf("null at %s: got error %v, without the member %v", at, err, wantErr)
	}
	if err != nil || wantErr != nil {
		return
	}
	spelt[at[i+1:]] = true
	got.SHA256, want.SHA256 = bundle.Digest{}, bundle.Digest{}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("null at %s: got %+v, without the member %+v", at, got, want)
	}
}

// TestParseRefusesTextThatIsNotUnicode: two readers would see two texts.
func TestParseRefusesTextThatIsNotUnicode(t *testing.T) {
	t.Parallel()
	doc := text(t, "key", func(b *protobundle.Bundle) {
		b.VerificationMaterial.GetPublicKey().Hint = "HINT"
	})
	for name, fault := range map[string]struct{ bad, good string }{
		"invalid-UTF-8":    {"h\xff", "h\u00ff"},
		"overlong":         {"\xc0\xaf", "/"},
		"surrogate-bytes":  {"\xed\xa0\x80", "\ud7ff"},
		"high-surrogate":   {`\ud800`, `\ud7ff`},
		"low-surrogate":    {`\udc00`, `\ue000`},
		"swapped":          {`\udc00\ud800`, `\ud800\udc00`},
		"truncated-escape": {`\u12`, `\u1212`},
		"control":          {"a\x01", `a\u0001`},
		"line-break":       {"a\nb", `a\nb`},
	} {
		t.Run("J09-"+name, func(t *testing.T) {
			t.Parallel()
			parses(t, bytes.Replace(doc, []byte("HINT"), []byte(fault.good), 1))
			refused(t, bytes.Replace(doc, []byte("HINT"), []byte(fault.bad), 1), "at ")
		})
	}
	t.Run("J09-member-name", func(t *testing.T) {
		refused(t, bytes.Replace(doc, []byte(`"hint"`), []byte(`"hin\ud800t"`), 1), "at ")
	})
}

// TestParseBase64: every spelling of base64 that protobuf's mapping has means
// the same bytes, and what is no spelling is refused.
func TestParseBase64(t *testing.T) {
	t.Parallel()
	payload := []byte{0xfb, 0xff, 0xbf, 0xfe} // "+/+//g==": both special characters and padding
	doc := text(t, "statement", nil)
	with := func(spelling string) []byte {
		return edit(t, doc, "/dsseEnvelope/payload", func(any) any { return spelling })
	}
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		t.Run("J12-spellings", func(t *testing.T) {
			spelling := enc.EncodeToString(payload)
			if got := parses(t, with(spelling)).Envelope.Payload; !bytes.Equal(got, payload) {
				t.Errorf("%q: got %x, want %x", spelling, got, payload)
			}
		})
	}
	for name, spelling := range map[string]string{
		"mixed alphabets": "+_+__g==", "stray bits": "+/+//h==", "line break": "+/+/\n/g==", "space": "+/+/ /g==",
		"too much padding": "+/+//g===", "padding inside": "+/==+//g", "one character": "+/+//", "other characters": "+/+/*g==",
	} {
		t.Run("J12-"+strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			parses(t, with("+/+//g=="))
			refused(t, with(spelling), "base64")
		})
	}
}

// TestParseIntegers: 64-bit integers, quoted or not, in one spelling.
func TestParseIntegers(t *testing.T) {
	t.Parallel()
	doc := text(t, "message", nil)
	with := func(spelling string) []byte {
		marked := edit(t, doc, "/verificationMaterial/tlogEntries/0/logIndex", func(any) any { return "MARK" })
		return bytes.Replace(marked, []byte(`"MARK"`), []byte(spelling), 1)
	}
	for spelling, want := range map[string]int64{
		`"0"`: 0, `7`: 7, `"9007199254740993"`: 9007199254740993, `9007199254740993`: 9007199254740993, `"9223372036854775807"`: 1<<63 - 1,
	} {
		if got := parses(t, with(spelling)).Entries[0].LogIndex; got != want {
			t.Errorf("%s: got %d, want %d", spelling, got, want)
		}
	}
	for _, spelling := range []string{
		`"9223372036854775808"`, `"-1"`, `"+1"`, `"01"`, `"1.0"`, `1.0`, `1e3`, `"1e3"`, `"0x10"`, `" 1"`, `"1_0"`, `""`, `true`, `{}`, `-0`, `"\u0031"`,
	} {
		parses(t, with(`"1"`))
		refused(t, with(spelling), "at ")
	}
}

// TestParseRequires: what must be there, by version.
func TestParseRequires(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, of string
		fault    func(*protobundle.Bundle)
		want     string
	}{
		{"material", "message", func(b *protobundle.Bundle) { b.VerificationMaterial = nil }, "at /verificationMaterial: missing"},
		{"B14-no-signature", "statement", func(b *protobundle.Bundle) { b.GetDsseEnvelope().Signatures = nil }, "expected exactly one signature, found 0"},
		{"B14-two-signatures", "statement", func(b *protobundle.Bundle) {
			env := b.GetDsseEnvelope()
			env.Signatures = append(env.Signatures, env.Signatures[0])
		}, "expected exactly one signature, found 2"},
		{"empty-signature", "statement", func(b *protobundle.Bundle) { b.GetDsseEnvelope().Signatures[0].Sig = nil }, "at /dsseEnvelope/signatures/0/sig"},
		{"payload", "statement", func(b *protobundle.Bundle) { b.GetDsseEnvelope().Payload = nil }, "at /dsseEnvelope/payload: missing"},
		{"payload-type", "statement", func(b *protobundle.Bundle) { b.GetDsseEnvelope().PayloadType = "" }, "at /dsseEnvelope/payloadType: missing"},
		{"message-signature", "message", func(b *protobundle.Bundle) { b.GetMessageSignature().Signature = nil }, "at /messageSignature/signature"},
		{"digest", "message", func(b *protobundle.Bundle) { b.GetMessageSignature().MessageDigest = nil }, "at /messageSignature/messageDigest: missing"},
		{"B13-digest-empty", "message", func(b *protobundle.Bundle) { b.GetMessageSignature().MessageDigest.Digest = nil }, "expected 32 bytes for sha256, found 0"},
		{"B13-digest-short", "message", func(b *protobundle.Bundle) {
			d := b.GetMessageSignature().MessageDigest
			d.Digest = d.Digest[:31]
		}, "expected 32 bytes for sha256, found 31"},
		{"B12-digest-of-another-length", "message", func(b *protobundle.Bundle) {
			b.GetMessageSignature().MessageDigest.Algorithm = protocommon.HashAlgorithm_SHA2_512
		}, "expected 64 bytes for sha512, found 32"},
		{"B12-digest-without-algorithm", "message", func(b *protobundle.Bundle) {
			b.GetMessageSignature().MessageDigest.Algorithm = protocommon.HashAlgorithm_HASH_ALGORITHM_UNSPECIFIED
		}, "unknown algorithm"},
		{"B12-digest-by-SHA-3", "message", func(b *protobundle.Bundle) {
			b.GetMessageSignature().MessageDigest.Algorithm = protocommon.HashAlgorithm(4) // SHA3_256, deprecated
		}, "unknown value"},
		{"log-id", "message", func(b *protobundle.Bundle) { b.VerificationMaterial.TlogEntries[0].LogId = nil }, "logId/keyId: missing"},
		{"kind", "message", func(b *protobundle.Bundle) { b.VerificationMaterial.TlogEntries[0].KindVersion = nil }, "kindVersion: missing"},
		{"body", "message", func(b *protobundle.Bundle) { b.VerificationMaterial.TlogEntries[0].CanonicalizedBody = nil }, "canonicalizedBody: missing"},
		{"negative-index", "message", func(b *protobundle.Bundle) { b.VerificationMaterial.TlogEntries[0].LogIndex = -1 }, "logIndex: expected 0 or more"},
		{"proof-in-0.3", "message", func(b *protobundle.Bundle) { b.VerificationMaterial.TlogEntries[0].InclusionProof = nil }, "required in a bundle of version 0.3"},
		{"proof-in-0.2", "v0.2", func(b *protobundle.Bundle) { b.VerificationMaterial.TlogEntries[0].InclusionProof = nil }, "required in a bundle of version 0.2"},
		{"promise-in-0.1", "v0.1", func(b *protobundle.Bundle) { b.VerificationMaterial.TlogEntries[0].InclusionPromise = nil }, "neither"},
		{"checkpoint", "message", func(b *protobundle.Bundle) { b.VerificationMaterial.TlogEntries[0].InclusionProof.Checkpoint = nil }, "checkpoint: missing"},
		{"root-hash", "message", func(b *protobundle.Bundle) { b.VerificationMaterial.TlogEntries[0].InclusionProof.RootHash = []byte{1} }, "rootHash: expected 32 bytes"},
		{"proof-index", "message", func(b *protobundle.Bundle) {
			p := b.VerificationMaterial.TlogEntries[0].InclusionProof
			p.LogIndex = p.TreeSize
		}, "expected 0 <= logIndex < treeSize"},
		{"empty-tree", "message", func(b *protobundle.Bundle) { b.VerificationMaterial.TlogEntries[0].InclusionProof.TreeSize = 0 }, "expected 0 <= logIndex < treeSize"},
		{"proof-hash", "message", func(b *protobundle.Bundle) {
			p := b.VerificationMaterial.TlogEntries[0].InclusionProof
			p.Hashes[0] = p.Hashes[0][:31]
		}, "hashes/0: expected 32 bytes"},
		{"empty-timestamp", "message", func(b *protobundle.Bundle) {
			b.VerificationMaterial.TimestampVerificationData.Rfc3161Timestamps[0].SignedTimestamp = nil
		}, "rfc3161Timestamps/0"},
		{"empty-certificate", "message", func(b *protobundle.Bundle) { b.VerificationMaterial.GetCertificate().RawBytes = nil }, "certificate 0"},
		{"empty-chain", "chain", func(b *protobundle.Bundle) {
			b.VerificationMaterial.GetX509CertificateChain().Certificates = nil
		}, "expected 1 to 16 certificates, found 0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			parses(t, text(t, test.of, nil))
			refused(t, text(t, test.of, test.fault), test.want)
		})
	}
}

// TestParseLogEntry: an entry in a file of its own is what it is in a bundle.
func TestParseLogEntry(t *testing.T) {
	t.Parallel()
	doc := text(t, "message", nil)
	var entry any
	edit(t, doc, "/verificationMaterial/tlogEntries/0", func(v any) any { entry = v; return v })
	got, err := bundle.ParseLogEntry(encode(t, entry))
	if err != nil {
		t.Fatal(err)
	}
	if want := parses(t, doc).Entries[0]; !reflect.DeepEqual(*got, want) {
		t.Errorf("got %+v, want %+v", *got, want)
	}
	if e, err := bundle.ParseLogEntry([]byte(`{"logIndex":"1"}`)); err == nil || e != nil {
		t.Errorf("got %v, %v, want an error for an entry without a log id", e, err)
	}
	if e, err := bundle.ParseLogEntry([]byte(`{`)); err == nil || e != nil {
		t.Errorf("got %v, %v, want an error for half a document", e, err)
	}
}
