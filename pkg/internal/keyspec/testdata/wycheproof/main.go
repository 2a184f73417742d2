// Command wycheproof picks the signature vectors that keyspec is tested with
// out of C2SP's Wycheproof project (github.com/C2SP/wycheproof, Apache-2.0) and
// writes ../wycheproof.gob.gz. From the repository's root:
//
//	go mod download -json github.com/c2sp/wycheproof@v0.0.0-20260902155932-3fa63dd0344a
//	go run ./pkg/internal/keyspec/testdata/wycheproof DIR
//
// where DIR is the "Dir" that the first command prints. All of the project is
// 110 MB; a random-looking signature does not compress, so of the kinds of
// fault that come in dozens for every size of key only some are taken.
package main

import (
	"cmp"
	"compress/gzip"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const output = "pkg/internal/keyspec/testdata/wycheproof.gob.gz"

// picks are the files taken, and how many tests of each result and set of
// flags; zero is all of them.
var picks = []struct {
	file          string
	invalid, rest int
}{
	{"ecdsa_secp256r1_sha256", 0, 3},
	{"ecdsa_secp384r1_sha384", 0, 3},
	{"ecdsa_secp521r1_sha512", 0, 3},
	{"ecdsa_secp384r1_sha256", 5, 5},
	{"ed25519", 0, 0},
	{"rsa_signature_2048_sha256", 0, 0},
	{"rsa_signature_3072_sha256", 6, 1},
	{"rsa_signature_4096_sha256", 6, 1},
	{"rsa_pss_2048_sha256_mgf1_0", 6, 2},
	{"rsa_pss_2048_sha256_mgf1_32", 0, 4},
	{"rsa_pss_2048_sha256_mgf1sha1_20", 4, 4},
	{"rsa_pss_3072_sha256_mgf1_32", 0, 2},
	{"rsa_pss_4096_sha256_mgf1_32", 6, 1},
	{"mldsa_44_verify", 3, 1},
	{"mldsa_65_verify", 3, 1},
	{"mldsa_87_verify", 2, 1},
}

// Suite, Group and Test are what the test reads; their names and fields are the
// format.
type Suite struct {
	File   string
	Groups []Group
}

type Group struct {
	Key   []byte // DER of the SubjectPublicKeyInfo
	Tests []Test
}

type Test struct {
	ID                          int
	Comment, Result             string
	Message, Context, Signature []byte
}

// source is the part of a Wycheproof file that is used.
type source struct {
	TestGroups []struct {
		PublicKeyDER text `json:"publicKeyDer"`
		Tests        []struct {
			ID      int      `json:"tcId"`
			Comment string   `json:"comment"`
			Flags   []string `json:"flags"`
			Msg     text     `json:"msg"`
			Ctx     text     `json:"ctx"`
			Sig     text     `json:"sig"`
			Result  string   `json:"result"`
		} `json:"tests"`
	} `json:"testGroups"`
}

type text []byte

func (t *text) UnmarshalText(b []byte) (err error) {
	*t, err = hex.DecodeString(string(b))
	return err
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: go run ./pkg/internal/keyspec/testdata/wycheproof DIR")
	}
	var suites []Suite
	for _, p := range picks {
		data, err := os.ReadFile(filepath.Join(os.Args[1], "testvectors_v1", p.file+"_test.json"))
		if err != nil {
			log.Fatal(err)
		}
		var src source
		if err := json.Unmarshal(data, &src); err != nil {
			log.Fatalf("%s: %v", p.file, err)
		}
		suites = append(suites, pick(p.file, src, p.invalid, p.rest))
	}
	if err := write(suites); err != nil {
		log.Fatal(err)
	}
}

func pick(file string, src source, invalid, rest int) Suite {
	suite := Suite{File: file}
	taken := make(map[string]int)
	for _, g := range src.TestGroups {
		group := Group{Key: g.PublicKeyDER}
		for _, t := range g.Tests {
			most := rest
			if t.Result == "invalid" {
				most = invalid
			}
			kind := fmt.Sprint(t.Result, t.Flags)
			if taken[kind]++; most == 0 || taken[kind] <= most {
				group.Tests = append(group.Tests, Test{t.ID, t.Comment, t.Result, t.Msg, t.Ctx, t.Sig})
			}
		}
		// Signatures that differ in a byte compress when they are neighbours.
		slices.SortFunc(group.Tests, func(a, b Test) int {
			return cmp.Or(strings.Compare(string(a.Signature), string(b.Signature)), a.ID-b.ID)
		})
		if len(group.Tests) > 0 {
			suite.Groups = append(suite.Groups, group)
		}
	}
	return suite
}

func write(suites []Suite) error {
	f, err := os.Create(output)
	if err != nil {
		return err
	}
	z, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err != nil {
		return err
	}
	if err := gob.NewEncoder(z).Encode(suites); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return f.Close()
}
