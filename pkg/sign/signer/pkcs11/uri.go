package pkcs11

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/bundler-sign/bundler/pkg/sign/signer"
)

// A uri is what a PKCS#11 URI says (RFC 7512). A nil attribute is not said; an
// empty one is, and matches what is empty.
type uri struct {
	module    string // path of the shared library
	pinSource string

	// Of the token, as matches of its CK_TOKEN_INFO and slot.
	token, manufacturer, serial, model *string
	slot                               *uint

	// Of the private key.
	object *string
	id     []byte
}

// parseURI reads a PKCS#11 URI. An attribute that is not understood is an
// error: passing it over would find other keys than its writer meant.
func parseURI(text string) (*uri, error) {
	if scheme, _ := signer.Scheme(text); scheme != "pkcs11" {
		return nil, fmt.Errorf("%w: expected pkcs11:…, found %q", signer.ErrScheme, text)
	}
	// Before anything may repeat it in an error.
	if strings.Contains(text, "pin-value") {
		return nil, errors.New("pin-value in a URI would show the PIN in process lists and shell histories: expected pin-source=file:PATH or pin-source=fd:N, or no PIN and a prompt")
	}
	path, query, hasQuery := strings.Cut(text[len("pkcs11:"):], "?")
	u := &uri{}
	seen := make(map[string]bool)
	if err := eachAttribute(path, ";", seen, u.setPath); err != nil {
		return nil, err
	}
	if hasQuery {
		if err := eachAttribute(query, "&", seen, u.setQuery); err != nil {
			return nil, err
		}
	}
	if u.module == "" {
		return nil, errors.New("expected module-path=/PATH in the PKCS#11 URI, the token's shared library, such as ?module-path=/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so")
	}
	return u, nil
}

func eachAttribute(list, separator string, seen map[string]bool, set func(name, value string) error) error {
	if list == "" {
		return nil
	}
	for part := range strings.SplitSeq(list, separator) {
		name, encoded, found := strings.Cut(part, "=")
		if !found {
			return fmt.Errorf("expected attributes name=value in the PKCS#11 URI, found %q", part)
		}
		if seen[name] {
			return fmt.Errorf("expected each attribute of the PKCS#11 URI once, found %q twice", name)
		}
		seen[name] = true
		value, err := url.PathUnescape(encoded)
		if err != nil {
			return fmt.Errorf("attribute %q of the PKCS#11 URI: %w", name, err)
		}
		if err := set(name, value); err != nil {
			return err
		}
	}
	return nil
}

// setPath takes an attribute before the question mark: which key (section 2.3).
func (u *uri) setPath(name, value string) error {
	switch name {
	case "token":
		u.token = &value
	case "manufacturer":
		u.manufacturer = &value
	case "serial":
		u.serial = &value
	case "model":
		u.model = &value
	case "object":
		u.object = &value
	case "id":
		if value == "" {
			return errors.New("expected the attribute id of the PKCS#11 URI to be some bytes, such as id=%01, found none")
		}
		u.id = []byte(value)
	case "slot-id":
		n, err := strconv.ParseUint(value, 10, 32)
		if err != nil {
			return fmt.Errorf("expected the attribute slot-id of the PKCS#11 URI to be a number, found %q", value)
		}
		slot := uint(n)
		u.slot = &slot
	case "type":
		if value != "private" {
			return fmt.Errorf("expected type=private in the PKCS#11 URI, since a private key signs, found %q", value)
		}
	default:
		return fmt.Errorf("expected the attributes token, manufacturer, serial, model, slot-id, object, id and type in the PKCS#11 URI, found %q", name)
	}
	return nil
}

// setQuery takes an attribute after the question mark: how to get at the key
// (section 2.4).
func (u *uri) setQuery(name, value string) error {
	switch name {
	case "module-path":
		if !filepath.IsAbs(value) {
			return fmt.Errorf("expected module-path to be an absolute path, since a library is code to run, found %q", value)
		}
		u.module = value
	case "pin-source":
		u.pinSource = value
		_, err := pinSource(value)
		return err
	default:
		return fmt.Errorf("expected module-path and pin-source after the ? of the PKCS#11 URI, found %q", name)
	}
	return nil
}

// pinSource returns what reads the PIN: from file:PATH or /PATH, or from the
// open descriptor fd:N.
func pinSource(text string) (signer.PasswordFunc, error) {
	if number, ok := strings.CutPrefix(text, "fd:"); ok {
		n, err := strconv.ParseUint(number, 10, 31)
		if err != nil {
			return nil, fmt.Errorf("expected pin-source=fd:N with the number of an open descriptor, found %q", text)
		}
		return signer.PasswordDescriptor(uintptr(n)), nil
	}
	path := strings.TrimPrefix(strings.TrimPrefix(text, "file:"), "//")
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("expected pin-source=file:/PATH or pin-source=fd:N, found %q", text)
	}
	return signer.PasswordFile(path), nil
}
