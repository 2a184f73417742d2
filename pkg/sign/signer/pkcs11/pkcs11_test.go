//go:build cgo

package pkcs11

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
	"github.com/bundler-sign/bundler/pkg/sign/signer"
)

// pin returns a PasswordFunc that answers with pin and counts its calls.
func pin(pin string) (ask signer.PasswordFunc, calls *atomic.Int32) {
	calls = new(atomic.Int32)
	return func(context.Context, string) ([]byte, error) {
		calls.Add(1)
		return []byte(pin), nil
	}, calls
}

// uriOf returns the URI of what path names in SoftHSM, whose tokens are there
// then.
func uriOf(t *testing.T, path string) string {
	t.Helper()
	if err := tokens(); err != nil {
		t.Fatalf("making tokens to test with: %v", err)
	}
	return "pkcs11:" + path + "?module-path=" + modulePath
}

func open(t *testing.T, path string) signer.Signer {
	t.Helper()
	ask, _ := pin(testPIN)
	s, err := Open(t.Context(), uriOf(t, path), &Options{PIN: ask})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeSigner(t, s) })
	return s
}

func closeSigner(t *testing.T, s signer.Signer) {
	t.Helper()
	if err := s.(io.Closer).Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
}

// input is what alg signs for a message: its hash, or itself.
func input(alg signer.KeyDetails, message []byte) []byte {
	h := alg.Hash()
	if h == 0 {
		return message
	}
	w := h.New()
	w.Write(message)
	return w.Sum(nil)
}

// The last signer of a module takes the login and the module with it. Serial,
// since no other test may have the module open.
func TestTheLastSignerEndsLoginAndModule(t *testing.T) {
	loaded := func() int {
		modules.Lock()
		defer modules.Unlock()
		return len(modules.loaded)
	}
	for range 2 { // the second round finds a module that can be initialized again
		ask, calls := pin(testPIN)
		var signers []signer.Signer
		for _, label := range []string{"p256", "p384", "p256"} {
			s, err := Open(t.Context(), uriOf(t, "token=release;object="+label), &Options{PIN: ask})
			if err != nil {
				t.Fatal(err)
			}
			signers = append(signers, s)
		}
		if calls.Load() != 1 {
			t.Errorf("got %d questions for the PIN, want 1: a login is for the process", calls.Load())
		}
		for i, s := range signers {
			closeSigner(t, s)
			closeSigner(t, s) // again does nothing
			if want := min(1, len(signers)-1-i); loaded() != want {
				t.Errorf("%d signers closed: got %d modules loaded, want %d", i+1, loaded(), want)
			}
			if _, err := s.Sign(t.Context(), keyspec.ECDSAP256SHA256, make([]byte, 32)); err == nil {
				t.Error("a closed signer signs")
			}
		}
	}
	// Nothing stays behind when opening fails, whichever step it fails at.
	ask, _ := pin(testPIN)
	wrong, _ := pin("wrong")
	for path, ask := range map[string]signer.PasswordFunc{
		"token=none": ask, "token=release;object=none": ask, "token=release;object=p224": ask, "token=release": wrong,
	} {
		if _, err := Open(t.Context(), uriOf(t, path), &Options{PIN: ask}); err == nil {
			t.Errorf("%s: opened", path)
		}
		if loaded() != 0 {
			t.Errorf("%s: the module stays loaded", path)
		}
	}
}

// What the module is asked, from first to last: one login, one try, and all that
// was opened is closed. Serial, since the spy loads SoftHSM a second time.
func TestModulesSeeACleanEnd(t *testing.T) {
	uriOf(t, "") // finds the libraries
	ask, _ := pin(testPIN)
	s, err := Open(t.Context(), "pkcs11:token=release;object=p256?module-path="+spyPath, &Options{PIN: ask})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Sign(t.Context(), keyspec.ECDSAP256SHA256, make([]byte, 32)); err != nil {
		t.Fatal(err)
	}
	closeSigner(t, s)
	log, err := os.ReadFile(os.Getenv("PKCS11SPY_OUTPUT"))
	if err != nil {
		t.Fatal(err)
	}
	var calls []string
	for _, m := range regexp.MustCompile(`(?m)^\d+: (C_(?:Initialize|OpenSession|Login|SignInit|Sign|Logout|CloseSession|Finalize))$`).FindAllSubmatch(log, -1) {
		calls = append(calls, string(m[1]))
	}
	// C_Sign first says how long the signature will be.
	want := "C_Initialize C_OpenSession C_Login C_SignInit C_Sign C_Sign C_Logout C_CloseSession C_Finalize"
	if got := strings.Join(calls, " "); !strings.HasSuffix(got, want) { // earlier rounds of -count come first
		t.Errorf("got the calls %s, want %s", got, want)
	}
}

func TestTokensSignByEveryAlgorithmTheyHave(t *testing.T) {
	t.Parallel()
	for label, algs := range map[string][]signer.KeyDetails{
		"p256":    {keyspec.ECDSAP256SHA256},
		"p384":    {keyspec.ECDSAP384SHA384},
		"p521":    {keyspec.ECDSAP521SHA512},
		"rsa2048": {keyspec.RSA2048SHA256, keyspec.RSAPSS2048SHA256},
		"rsa3072": {keyspec.RSA3072SHA256, keyspec.RSAPSS3072SHA256},
		"ed25519": {keyspec.Ed25519},
	} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			s := open(t, "token=release;object="+label+";type=private")
			for _, alg := range algs {
				for _, message := range []string{"hello, bundler", strings.Repeat("a", 5000)} {
					sig, err := s.Sign(t.Context(), alg, input(alg, []byte(message)))
					if err != nil {
						t.Fatalf("%v: %v", alg, err)
					}
					if err := keyspec.VerifyMessage(s.Public(), alg, []byte(message), sig); err != nil {
						t.Errorf("%v: %v", alg, err)
					}
				}
			}
		})
	}
}

// A leading zero of r or s is in the token's answer and not in DER. It comes up
// once in 128 signatures.
func TestShortNumbersBecomeDER(t *testing.T) {
	t.Parallel()
	raw := make([]byte, 64)
	raw[31], raw[63] = 0x80, 1
	der, err := toDER(raw)
	if want := "\x30\x07\x02\x02\x00\x80\x02\x01\x01"; err != nil || string(der) != want {
		t.Errorf("got %x, %v, want %x", der, err, want)
	}
	for _, bad := range [][]byte{nil, make([]byte, 63)} {
		if _, err := toDER(bad); err == nil {
			t.Errorf("%d bytes are accepted", len(bad))
		}
	}
}

func TestOnlyFittingAlgorithmsSign(t *testing.T) {
	t.Parallel()
	t.Run("K03-K06-algorithm-of-another-key", func(t *testing.T) {
		t.Parallel()
		for label, fits := range map[string]signer.KeyDetails{"p384": keyspec.ECDSAP384SHA384, "rsa2048": keyspec.RSA2048SHA256, "ed25519": keyspec.Ed25519} {
			s := open(t, "token=release;object="+label)
			for alg := range signer.KeyDetails(64) {
				_, err := s.Sign(t.Context(), alg, input(alg, []byte("message")))
				want := alg == fits || label == "rsa2048" && alg == keyspec.RSAPSS2048SHA256
				if (err == nil) != want {
					t.Errorf("%s by %v: got %v, want signed %v", label, alg, err, want)
				}
			}
			if _, err := s.Sign(t.Context(), fits, make([]byte, 20)); (err == nil) != (fits.Hash() == 0) {
				t.Errorf("%s: over 20 bytes: got %v", label, err)
			}
		}
	})
	for name, label := range map[string]string{"K03-P-224": "p224", "K03-RSA-1024": "weak"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ask, _ := pin(testPIN)
			if _, err := Open(t.Context(), uriOf(t, "token=release;object="+label), &Options{PIN: ask}); err == nil {
				t.Error("opened")
			}
			open(t, "token=release;object=p256")
		})
	}
}

// Whatever is wrong with a URI, a token or a PIN is an error that says what
// there is, and never repeats the PIN.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, path string
		says       []string
	}{
		{"missing token", "token=staging;object=p256", []string{`token "release"`, `"double"`}},
		{"two tokens", "token=double;object=p256", []string{"expected one token", "serial=", "slot-id="}},
		{"missing key", "token=release;object=absent", []string{`object="p256" with id=%01`, `object="twin" with id=%09`}},
		{"two keys", "token=release;object=twin", []string{`id=%08`, `id=%09`, "id=… tells them apart"}},
		{"no key named", "token=release", []string{"expected one private key", `object="p256"`}},
		{"key of another id", "token=release;object=p256;id=%02", []string{"expected a private key as the URI says"}},
		{"empty token", "token=empty", []string{"no private key at all"}},
		{"other serial", "token=release;serial=0;object=p256", []string{"expected a token as the URI says"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			ask, _ := pin(testPIN)
			s, err := Open(t.Context(), uriOf(t, test.path), &Options{PIN: ask})
			if err == nil {
				closeSigner(t, s)
				t.Fatal("opened")
			}
			for _, want := range test.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want it to say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), testPIN) {
				t.Errorf("the error repeats the PIN: %v", err)
			}
		})
	}
	// The twins that are accepted.
	open(t, "token=release;object=p256")
	open(t, "token=release;object=twin;id=%09")
	open(t, "token=release;manufacturer=SoftHSM%20project;model=SoftHSM%20v2;id=%01")
}

func TestModulesThatDoNotLoad(t *testing.T) {
	t.Parallel()
	text := filepath.Join(t.TempDir(), "text.so")
	if err := os.WriteFile(text, []byte("no library"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{text, text + ".absent", t.TempDir()} {
		if _, err := Open(t.Context(), "pkcs11:token=release?module-path="+path, nil); err == nil {
			t.Errorf("%s: opened", path)
		}
	}
}

func TestWrongPINIsTriedOnceAndNotRepeated(t *testing.T) {
	t.Parallel()
	t.Run("F05-PIN-stays-out-of-errors", func(t *testing.T) {
		t.Parallel()
		const wrong = "9999-wrong"
		ask, calls := pin(wrong)
		_, err := Open(t.Context(), uriOf(t, "token=wrong%20pin"), &Options{PIN: ask})
		if err == nil || calls.Load() != 1 {
			t.Fatalf("got %v after %d questions, want an error after 1", err, calls.Load())
		}
		if strings.Contains(err.Error(), wrong) || !strings.Contains(err.Error(), "the PIN is wrong; it was tried once") {
			t.Errorf("got %v, want it to say that the PIN is wrong, and not which", err)
		}
		// The token has not locked: the right PIN gets as far as the empty token.
		right, _ := pin(testPIN)
		if _, err := Open(t.Context(), uriOf(t, "token=wrong%20pin"), &Options{PIN: right}); err == nil || !strings.Contains(err.Error(), "no private key") {
			t.Errorf("the right PIN: got %v, want it to log in", err)
		}
	})
	empty, _ := pin("")
	gone := errors.New("nobody there")
	for name, ask := range map[string]signer.PasswordFunc{
		"empty": empty, "none": nil,
		"refused": func(context.Context, string) ([]byte, error) { return nil, gone },
	} {
		_, err := Open(t.Context(), uriOf(t, "token=wrong%20pin"), &Options{PIN: ask})
		if err == nil || (name == "refused") != errors.Is(err, gone) {
			t.Errorf("%s PIN: got %v", name, err)
		}
	}
}

func TestPINSource(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "pin file")
	if err := os.WriteFile(file, []byte(testPIN+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ask, calls := pin("not asked")
	source := "&pin-source=file:" + strings.ReplaceAll(file, " ", "%20")
	s, err := Open(t.Context(), uriOf(t, "token=release;object=always")+source, &Options{PIN: ask})
	if err != nil {
		t.Fatal(err)
	}
	defer closeSigner(t, s)
	if _, err := s.Sign(t.Context(), keyspec.ECDSAP256SHA256, make([]byte, 32)); err != nil || calls.Load() != 0 {
		t.Errorf("got %v after %d questions, want a signature without any", err, calls.Load())
	}
	t.Run("F04-PIN-file-of-others", func(t *testing.T) {
		shared := filepath.Join(t.TempDir(), "pin")
		if err := errors.Join(os.WriteFile(shared, []byte(testPIN), 0o600), os.Chmod(shared, 0o644)); err != nil {
			t.Fatal(err)
		}
		// No other test logs in to this token, which would make a PIN needless.
		_, err := Open(t.Context(), uriOf(t, "token=pin%20file")+"&pin-source="+shared, nil)
		if err == nil || !strings.Contains(err.Error(), "mode 0644") {
			t.Errorf("got %v, want the file refused", err)
		}
		if err := os.Chmod(shared, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), uriOf(t, "token=pin%20file")+"&pin-source="+shared, nil); err == nil || !strings.Contains(err.Error(), "no private key") {
			t.Errorf("the twin: got %v, want it to log in", err)
		}
	})
}

// PIV's signature key asks for the PIN at every signature.
func TestAlwaysAuthenticateAsksEachTime(t *testing.T) {
	t.Parallel()
	ask, calls := pin(testPIN)
	s, err := Open(t.Context(), uriOf(t, "token=release;object=always"), &Options{PIN: ask})
	if err != nil {
		t.Fatal(err)
	}
	defer closeSigner(t, s)
	before := calls.Load() // the login itself may be another test's
	for range 3 {
		if _, err := s.Sign(t.Context(), keyspec.ECDSAP256SHA256, make([]byte, 32)); err != nil {
			t.Fatal(err)
		}
	}
	if got := calls.Load() - before; got != 3 {
		t.Errorf("got %d questions for 3 signatures", got)
	}
	// A wrong PIN fails one signature, and the next is made.
	wrong, _ := pin("wrong")
	bad, err := Open(t.Context(), uriOf(t, "token=release;object=always"), &Options{PIN: wrong})
	if err != nil {
		t.Fatal(err) // the login above is for the process
	}
	defer closeSigner(t, bad)
	if _, err := bad.Sign(t.Context(), keyspec.ECDSAP256SHA256, make([]byte, 32)); err == nil || !strings.Contains(err.Error(), "the PIN is wrong") {
		t.Errorf("a wrong PIN: got %v", err)
	}
	if _, err := s.Sign(t.Context(), keyspec.ECDSAP256SHA256, make([]byte, 32)); err != nil {
		t.Errorf("after a wrong PIN: %v", err)
	}
}

// Cards often hold a certificate where others hold a public key. Serial: another
// process changes the token, and SoftHSM loses sight of it meanwhile.
func TestPublicKeyComesFromTheCertificate(t *testing.T) {
	newKey(t, "with certificate", "0c")
	pub := open(t, "token=release;object=with%20certificate").Public()
	if err := pkcs11Tool("--delete-object", "--type", "pubkey", "--id", "0c"); err != nil {
		t.Fatal(err)
	}
	ask, _ := pin(testPIN)
	if _, err := Open(t.Context(), uriOf(t, "token=release;id=%0C"), &Options{PIN: ask}); err == nil || !strings.Contains(err.Error(), "public key or certificate") {
		t.Errorf("with neither: got %v, want an error that says so", err)
	}
	ca, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, pub, ca)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "cert.der")
	if err := os.WriteFile(file, der, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := pkcs11Tool("--write-object", file, "--type", "cert", "--id", "0c"); err != nil {
		t.Fatal(err)
	}
	s := open(t, "token=release;id=%0C")
	if !pub.(*ecdsa.PublicKey).Equal(s.Public()) {
		t.Error("got another key from the certificate")
	}
	if _, err := s.Sign(t.Context(), keyspec.ECDSAP256SHA256, make([]byte, 32)); err != nil {
		t.Error(err)
	}
}

// A public key that is not the private key's half is found out by the first
// signature, which does not leave the signer. Serial, for the same reason.
func TestAnotherKeysPublicHalfIsFoundOut(t *testing.T) {
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(other.Public())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "pub.der")
	if err := os.WriteFile(file, der, 0o600); err != nil {
		t.Fatal(err)
	}
	newKey(t, "alone", "0d")
	for _, args := range [][]string{
		{"--delete-object", "--type", "pubkey", "--id", "0d"},
		{"--write-object", file, "--type", "pubkey", "--id", "0d", "--label", "alone"},
	} {
		if err := pkcs11Tool(args...); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, "token=release;object=alone")
	if sig, err := s.Sign(t.Context(), keyspec.ECDSAP256SHA256, make([]byte, 32)); err == nil || sig != nil {
		t.Errorf("got %x, %v, want an error and no signature", sig, err)
	}
}

func TestCanceledContextSignsNothing(t *testing.T) {
	t.Parallel()
	s := open(t, "token=release;object=p256")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Sign(ctx, keyspec.ECDSAP256SHA256, make([]byte, 32)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if _, err := Open(ctx, uriOf(t, "token=release;object=p256"), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("opening: got %v, want %v", err, context.Canceled)
	}
}
