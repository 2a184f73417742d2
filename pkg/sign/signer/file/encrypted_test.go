//go:build unix

package file

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sigstore/sigstore/pkg/cryptoutils"
)

func openssl(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("openssl", args...).CombinedOutput(); err != nil {
		t.Fatalf("openssl %q: %v\n%s", args, err, out)
	}
}

// Whatever OpenSSL encrypts by PBES2, we open with the right password, and with
// no other.
func TestOpenReadsWhatOpenSSLEncrypts(t *testing.T) {
	t.Parallel()
	key := newP256(t)
	plain := write(t, pkcs8(t, key))
	methods := map[string][]string{
		"scrypt":         {"-scrypt"},
		"scrypt larger":  {"-scrypt", "-scrypt_N", "1024", "-scrypt_r", "16", "-scrypt_p", "4"},
		"openssl's own":  nil,
		"one iteration":  {"-v2", "aes-256-cbc", "-iter", "1"},
		"PRF by default": {"-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA1", "-iter", "100000"},
	}
	for _, cipher := range []string{"aes-128-cbc", "aes-192-cbc", "aes-256-cbc"} {
		for _, prf := range []string{"hmacWithSHA1", "hmacWithSHA256", "hmacWithSHA384", "hmacWithSHA512"} {
			methods[cipher+" "+prf] = []string{"-v2", cipher, "-v2prf", prf}
		}
	}
	for name, method := range methods {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "key.pem")
			openssl(t, append([]string{"pkcs8", "-topk8", "-in", plain, "-out", path, "-passout", "pass:" + password}, method...)...)
			s, err := Open(t.Context(), path, ask(password))
			if err != nil {
				t.Fatal(err)
			}
			isKey(t, s, key)
			for _, wrong := range []string{"", password + " ", strings.ToUpper(password)} {
				if s, err := Open(t.Context(), path, ask(wrong)); !errors.Is(err, ErrPassword) || s != nil {
					t.Errorf("password %q: got %v, %v, want %v", wrong, s, err, ErrPassword)
				}
			}
		})
	}
}

func TestOpenSSLReadsWhatCreateEncrypts(t *testing.T) {
	t.Parallel()
	key := newP256(t)
	path := filepath.Join(t.TempDir(), "key.pem")
	if err := Create(path, key, []byte(password)); err != nil {
		t.Fatal(err)
	}
	plain := write(t, "")
	openssl(t, "pkcs8", "-in", path, "-out", plain, "-passin", "pass:"+password)
	s, err := Open(t.Context(), plain, nil)
	if err != nil {
		t.Fatal(err)
	}
	isKey(t, s, key)
	text, err := os.ReadFile(path)
	if err != nil || !strings.HasPrefix(string(text), "-----BEGIN ENCRYPTED PRIVATE KEY-----") {
		t.Errorf("got %.40q, %v", text, err)
	}
	if err := Create(path+".2", key, []byte{}); err == nil {
		t.Error("an empty password encrypts")
	}
	if _, err := os.Stat(path + ".2"); err == nil {
		t.Error("an empty password leaves a file")
	}
}

func TestPasswords(t *testing.T) {
	t.Parallel()
	key := newP256(t)
	path := filepath.Join(t.TempDir(), "key.pem")
	if err := Create(path, key, []byte(password)); err != nil {
		t.Fatal(err)
	}
	t.Run("F05-wiped-and-never-repeated", func(t *testing.T) {
		for _, given := range []string{password, "wrong-" + password} {
			slice := []byte(given)
			prompts := ""
			_, err := Open(t.Context(), path, &Options{Password: func(_ context.Context, prompt string) ([]byte, error) {
				prompts += prompt
				return slice, nil
			}})
			if (err == nil) != (given == password) {
				t.Fatal(err)
			}
			if strings.Trim(string(slice), "\x00") != "" {
				t.Errorf("the password is left in memory: %q", slice)
			}
			if err != nil && strings.Contains(err.Error(), password) {
				t.Errorf("the error repeats the password: %v", err)
			}
			if prompts != "password for "+path {
				t.Errorf("got the prompts %q, want one that names the file", prompts)
			}
		}
	})
	if _, err := Open(t.Context(), path, nil); err == nil || !strings.Contains(err.Error(), "it is encrypted") {
		t.Errorf("without a password: got %v", err)
	}
	gone := errors.New("nobody there")
	_, err := Open(t.Context(), path, &Options{Password: func(context.Context, string) ([]byte, error) { return nil, gone }})
	if !errors.Is(err, gone) {
		t.Errorf("got %v, want %v", err, gone)
	}
}

// A file can not make us work for long, or take all memory, before its password
// is even looked at. Each twin differs in the one parameter, and is read.
func TestHostileParametersAreRefused(t *testing.T) {
	t.Parallel()
	key := newP256(t)
	der, err := encryptPKCS8(mustPKCS8(t, key), []byte(password))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := decryptPKCS8(der, []byte(password)); err != nil {
		t.Fatalf("the twin: %v", err)
	}
	salt := make([]byte, 8)
	null := asn1.NullRawValue
	sha256 := pkix.AlgorithmIdentifier{Algorithm: oidHMACSHA256, Parameters: null}
	for name, test := range map[string]struct {
		kdf    asn1.ObjectIdentifier
		params any
		refuse bool
	}{
		"PBKDF2":               {oidPBKDF2, pbkdf2Params{salt, 1000, 0, sha256}, false},
		"PBKDF2 with a length": {oidPBKDF2, pbkdf2Params{salt, 1000, 32, sha256}, false},
		"many iterations":      {oidPBKDF2, pbkdf2Params{salt, maxIterations + 1, 0, sha256}, true},
		"most iterations":      {oidPBKDF2, pbkdf2Params{salt, 1<<31 - 1, 0, sha256}, true},
		"no iteration":         {oidPBKDF2, pbkdf2Params{salt, 0, 0, sha256}, true},
		"negative iterations":  {oidPBKDF2, pbkdf2Params{salt, -1, 0, sha256}, true},
		"long salt":            {oidPBKDF2, pbkdf2Params{make([]byte, maxSalt+1), 1000, 0, sha256}, true},
		"another length":       {oidPBKDF2, pbkdf2Params{salt, 1000, 16, sha256}, true},
		"huge length":          {oidPBKDF2, pbkdf2Params{salt, 1000, 1 << 30, sha256}, true},
		"another PRF":          {oidPBKDF2, pbkdf2Params{salt, 1000, 0, pkix.AlgorithmIdentifier{Algorithm: oidPBES2}}, true},
		"scrypt":               {oidScrypt, scryptParams{salt, 1024, 8, 1, 0}, false},
		"scrypt, much memory":  {oidScrypt, scryptParams{salt, 1 << 22, 8, 1, 0}, true},
		"scrypt, all memory":   {oidScrypt, scryptParams{salt, 1 << 30, 1 << 30, 1, 0}, true},
		"scrypt, many passes":  {oidScrypt, scryptParams{salt, 1024, 8, 17, 0}, true},
		"scrypt, odd N":        {oidScrypt, scryptParams{salt, 1000, 8, 1, 0}, true},
		"scrypt, no r":         {oidScrypt, scryptParams{salt, 1024, 0, 1, 0}, true},
		"scrypt, negative N":   {oidScrypt, scryptParams{salt, -1024, 8, 1, 0}, true},
		"scrypt, other length": {oidScrypt, scryptParams{salt, 1024, 8, 1, 16}, true},
		"another KDF":          {oidPBES2, pbkdf2Params{salt, 1000, 0, sha256}, true},
		"no parameters":        {oidPBKDF2, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw, err := asn1.Marshal(test.params)
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			_, err = deriveKey(pkix.AlgorithmIdentifier{Algorithm: test.kdf, Parameters: asn1.RawValue{FullBytes: raw}}, []byte(password), 32)
			if (err != nil) != test.refuse {
				t.Errorf("got %v, want refused %v", err, test.refuse)
			}
			if took := time.Since(start); test.refuse && took > 10*time.Second {
				t.Errorf("refusing it took %v", took)
			}
		})
	}
}

func mustPKCS8(t *testing.T, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	block, _ := pem.Decode([]byte(pkcs8(t, key)))
	return block.Bytes
}

func TestHostileCosignKeysAreRefused(t *testing.T) {
	t.Parallel()
	text, err := cryptoutils.MarshalPrivateKeyToEncryptedDER(newP256(t), cryptoutils.StaticPasswordFunc([]byte(password)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := decryptCosign(text, []byte(password)); err != nil {
		t.Fatalf("the twin: %v", err)
	}
	if _, err := decryptCosign(text, []byte("wrong")); !errors.Is(err, ErrPassword) {
		t.Errorf("a wrong password: got %v, want %v", err, ErrPassword)
	}
	for name, change := range map[string]func(doc map[string]any){
		"another KDF":    func(doc map[string]any) { doc["kdf"].(map[string]any)["name"] = "argon2" },
		"another cipher": func(doc map[string]any) { doc["cipher"].(map[string]any)["name"] = "none" },
		"much memory":    func(doc map[string]any) { doc["kdf"].(map[string]any)["params"].(map[string]any)["N"] = 1 << 24 },
		"many passes":    func(doc map[string]any) { doc["kdf"].(map[string]any)["params"].(map[string]any)["p"] = 1000 },
		"short nonce":    func(doc map[string]any) { doc["cipher"].(map[string]any)["nonce"] = "AAAA" },
		"no text":        func(doc map[string]any) { delete(doc, "ciphertext") },
		"a new member":   func(doc map[string]any) { doc["x"] = 1 },
	} {
		var doc map[string]any
		if err := json.Unmarshal(text, &doc); err != nil {
			t.Fatal(err)
		}
		change(doc)
		changed, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := decryptCosign(changed, []byte(password)); err == nil || got != nil {
			t.Errorf("%s: got %d bytes, %v, want an error", name, len(got), err)
		}
	}
}

// FuzzDecryptPKCS8 asserts that a result is what was encrypted, under that
// password, and that no structure makes us panic.
func FuzzDecryptPKCS8(f *testing.F) {
	plain := []byte("a key")
	seeds := 0
	for _, kdf := range []struct {
		oid    asn1.ObjectIdentifier
		params any
	}{
		{oidPBKDF2, pbkdf2Params{Salt: []byte("salt"), Iterations: 1}},
		{oidPBKDF2, pbkdf2Params{Salt: []byte("salt"), Iterations: 2, KeyLength: 32, PRF: pkix.AlgorithmIdentifier{Algorithm: oidHMACSHA256}}},
		{oidScrypt, scryptParams{Salt: []byte("salt"), N: 16, R: 1, P: 1}},
	} {
		der, err := asn1.Marshal(kdf.params)
		if err != nil {
			f.Fatal(err)
		}
		sealed, err := seal(plain, []byte(password), pkix.AlgorithmIdentifier{Algorithm: kdf.oid, Parameters: asn1.RawValue{FullBytes: der}})
		if err != nil {
			f.Fatal(err)
		}
		if got, err := decryptPKCS8(sealed, []byte(password)); err == nil && string(got) == string(plain) {
			seeds++
		}
		f.Add(sealed)
	}
	if seeds != 3 {
		f.Fatalf("%d seeds are opened, want 3", seeds)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		if expensive(der) {
			return // bounded, which is tested above; here it would only be slow
		}
		if got, err := decryptPKCS8(der, []byte(password)); err != nil && got != nil {
			t.Errorf("got %d bytes beside %v", len(got), err)
		}
	})
}

// expensive reports whether der asks for more work than a fuzzer has time for.
func expensive(der []byte) bool {
	var info encryptedPrivateKeyInfo
	var params pbes2Params
	var iterations pbkdf2Params
	var memory scryptParams
	if unmarshal(der, &info) != nil || unmarshal(info.Algorithm.Parameters.FullBytes, &params) != nil {
		return false
	}
	kdf := params.KDF.Parameters.FullBytes
	return unmarshal(kdf, &iterations) == nil && iterations.Iterations > 1000 ||
		unmarshal(kdf, &memory) == nil && (memory.N > 1024 || memory.R > 16)
}
