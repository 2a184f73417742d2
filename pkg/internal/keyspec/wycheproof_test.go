package keyspec

import (
	"compress/gzip"
	"encoding/gob"
	"os"
	"strings"
	"testing"
)

// What testdata/wycheproof wrote; see there for where it is from.
type (
	suite struct {
		File   string
		Groups []group
	}
	group struct {
		Key   []byte
		Tests []vector
	}
	vector struct {
		ID                          int
		Comment, Result             string
		Message, Context, Signature []byte
	}
)

// verdicts says how each file of Wycheproof is verified here. Where its notion
// of valid is not ours, refuses says why its valid signatures are refused.
var verdicts = map[string]struct {
	details Details
	valid   int // valid signatures there must be, at the least
	refuses string
}{
	"ecdsa_secp256r1_sha256":          {ECDSAP256SHA256, 10, ""},
	"ecdsa_secp384r1_sha384":          {ECDSAP384SHA384, 10, ""},
	"ecdsa_secp521r1_sha512":          {ECDSAP521SHA512, 10, ""},
	"ecdsa_secp384r1_sha256":          {ECDSAP384SHA384, 10, "P-384 prescribes SHA-384 (K04)"},
	"ed25519":                         {Ed25519, 80, ""},
	"rsa_signature_2048_sha256":       {RSA2048SHA256, 9, ""},
	"rsa_signature_3072_sha256":       {RSA3072SHA256, 1, ""},
	"rsa_signature_4096_sha256":       {RSA4096SHA256, 1, ""},
	"rsa_pss_2048_sha256_mgf1_0":      {RSAPSS2048SHA256, 4, ""},
	"rsa_pss_2048_sha256_mgf1_32":     {RSAPSS2048SHA256, 8, ""},
	"rsa_pss_2048_sha256_mgf1sha1_20": {RSAPSS2048SHA256, 8, "the mask is made with SHA-1"},
	"rsa_pss_3072_sha256_mgf1_32":     {RSAPSS3072SHA256, 2, ""},
	"rsa_pss_4096_sha256_mgf1_32":     {RSAPSS4096SHA256, 2, ""},
	"mldsa_44_verify":                 {MLDSA44, 4, ""},
	"mldsa_65_verify":                 {MLDSA65, 4, ""},
	"mldsa_87_verify":                 {MLDSA87, 4, ""},
}

func TestWycheproof(t *testing.T) {
	t.Parallel()
	suites := readSuites(t)
	if len(suites) != len(verdicts) {
		t.Fatalf("got %d files of vectors, want %d", len(suites), len(verdicts))
	}
	for _, s := range suites {
		t.Run("K07-"+s.File, func(t *testing.T) {
			t.Parallel()
			v, ok := verdicts[s.File]
			if !ok {
				t.Fatal("no verdict for this file")
			}
			valid, invalid := 0, 0
			for _, g := range s.Groups {
				pub, keyErr := ParseKey(g.Key, v.details)
				for _, test := range g.Tests {
					err := keyErr
					if err == nil {
						err = VerifyMessage(pub, v.details, test.Message, test.Signature)
					}
					if test.Result == "valid" {
						valid++
					} else {
						invalid++
					}
					want := accepts(test) && v.refuses == ""
					if (err == nil) != want {
						t.Errorf("%d, %s, %q: got %v, want accepted %v", test.ID, test.Result, test.Comment, err, want)
					}
				}
			}
			if valid < v.valid || invalid < 5 {
				t.Errorf("got %d valid and %d other signatures: too few to tell", valid, invalid)
			}
		})
	}
}

// accepts says what must come of a vector. What Wycheproof leaves to the
// implementation ("acceptable") is refused. Signatures under an ML-DSA context
// are about another protocol. A PSS salt of another length than the vector's
// parameters ask for is no fault here; see VerifyDigest.
func accepts(v vector) bool {
	if strings.HasPrefix(v.Comment, "s_len changed to ") {
		return true
	}
	return v.Result == "valid" && len(v.Context) == 0
}

func readSuites(t *testing.T) []suite {
	t.Helper()
	f, err := os.Open("testdata/wycheproof.gob.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var suites []suite
	if err := gob.NewDecoder(z).Decode(&suites); err != nil {
		t.Fatal(err)
	}
	return suites
}
