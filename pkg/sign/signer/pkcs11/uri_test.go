package pkcs11

import (
	"errors"
	"strings"
	"testing"

	"github.com/bundler-sign/bundler/pkg/sign/signer"
)

const someModule = "?module-path=/usr/lib/token.so"

func TestParseURI(t *testing.T) {
	t.Parallel()
	u, err := parseURI("pkcs11:token=The%20Software%20PKCS%2311;manufacturer=Snake%20Oil;serial=;model=1.0;slot-id=327;object=my%2Dkey;type=private;id=%69%00%F0?module-path=/lib/a%20b.so&pin-source=file:/etc/pin")
	if err != nil {
		t.Fatal(err)
	}
	if *u.token != "The Software PKCS#11" || *u.manufacturer != "Snake Oil" || *u.serial != "" || *u.model != "1.0" || *u.slot != 327 ||
		*u.object != "my-key" || string(u.id) != "i\x00\xf0" || u.module != "/lib/a b.so" || u.pinSource != "file:/etc/pin" {
		t.Errorf("got %+v", u)
	}
	if u, err := parseURI("PKCS11:" + someModule); err != nil || u.token != nil || u.object != nil || u.id != nil {
		t.Errorf("an empty path: got %+v, %v", u, err)
	}
}

func TestParseURIRefuses(t *testing.T) {
	t.Parallel()
	const accepted = "pkcs11:token=a;object=b" + someModule + "&pin-source=/pin"
	if _, err := parseURI(accepted); err != nil {
		t.Fatalf("the twin %s: %v", accepted, err)
	}
	for name, text := range map[string]string{
		"no module":            "pkcs11:token=a",
		"relative module":      "pkcs11:token=a?module-path=token.so",
		"empty module":         "pkcs11:token=a?module-path=",
		"module by name":       "pkcs11:token=a?module-name=softhsm",
		"attribute twice":      "pkcs11:token=a;token=a" + someModule,
		"attribute in both":    "pkcs11:token=a" + someModule + "&token=a",
		"unknown attribute":    "pkcs11:token=a;x-vendor=b" + someModule,
		"unknown query":        "pkcs11:token=a" + someModule + "&x-vendor=b",
		"without value":        "pkcs11:token" + someModule,
		"empty attribute":      "pkcs11:token=a;" + someModule,
		"bad escape":           "pkcs11:token=%zz" + someModule,
		"public key":           "pkcs11:token=a;type=public" + someModule,
		"slot of letters":      "pkcs11:slot-id=first" + someModule,
		"slot out of range":    "pkcs11:slot-id=99999999999" + someModule,
		"empty id":             "pkcs11:id=" + someModule,
		"command as PIN":       "pkcs11:token=a" + someModule + "&pin-source=|/bin/pin",
		"relative PIN file":    "pkcs11:token=a" + someModule + "&pin-source=file:pin",
		"descriptor of no one": "pkcs11:token=a" + someModule + "&pin-source=fd:three",
		"another scheme":       "file:/token",
	} {
		if u, err := parseURI(text); err == nil || u != nil {
			t.Errorf("%s: got %+v, %v, want an error", name, u, err)
		} else if (name == "another scheme") != errors.Is(err, signer.ErrScheme) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestPINInTheURI(t *testing.T) {
	t.Parallel()
	t.Run("F05-pin-value", func(t *testing.T) {
		t.Parallel()
		for _, text := range []string{
			"pkcs11:token=a" + someModule + "&pin-value=1234567",
			"pkcs11:token=a?pin-value=1234567",
			"pkcs11:pin-value=1234567" + someModule,
			"pkcs11:token=%zz?pin-value=1234567",
			"pkcs11:pin-value=1234567;=",
		} {
			_, err := parseURI(text)
			if err == nil || strings.Contains(err.Error(), "1234567") || !strings.Contains(err.Error(), "pin-source=file:PATH") {
				t.Errorf("%s: got %v, want an error that names pin-source and not the PIN", text, err)
			}
		}
		if _, err := parseURI("pkcs11:token=a" + someModule + "&pin-source=fd:3"); err != nil {
			t.Errorf("the twin: %v", err)
		}
	})
}

// FuzzParseURI asserts that what is accepted names a library by its absolute
// path and no PIN, and that errors stand alone.
func FuzzParseURI(f *testing.F) {
	seeds := []string{
		"pkcs11:token=a;object=b" + someModule, "pkcs11:id=%01;slot-id=3" + someModule + "&pin-source=file:/pin",
		"pkcs11:?pin-value=1", "pkcs11:token=%", "pkcs11:;;&&==??",
	}
	accepted := 0
	for _, s := range seeds {
		if _, err := parseURI(s); err == nil {
			accepted++
		}
		f.Add(s)
	}
	if accepted != 2 {
		f.Fatalf("%d seeds are accepted, want 2", accepted)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := parseURI(text)
		if (u == nil) != (err != nil) {
			t.Fatalf("got %v beside %v", u, err)
		}
		if err == nil && (!strings.HasPrefix(u.module, "/") || strings.Contains(text, "pin-value")) {
			t.Errorf("%q is accepted as %+v", text, u)
		}
	})
}
