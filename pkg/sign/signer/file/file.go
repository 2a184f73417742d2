// Package file answers: how is a private key in PEM read, and kept?
//
// It reads what tools write:
//
//	PRIVATE KEY                     PKCS#8 (RFC 5958): RSA, ECDSA, Ed25519, ML-DSA as a seed
//	ENCRYPTED PRIVATE KEY           PKCS#8 under a password: PBES2 (RFC 8018)
//	EC PRIVATE KEY                  SEC1 (RFC 5915), also after EC PARAMETERS
//	RSA PRIVATE KEY                 PKCS#1 (RFC 8017)
//	ENCRYPTED SIGSTORE PRIVATE KEY  cosign's: PKCS#8 in a secretbox under scrypt
//	ENCRYPTED COSIGN PRIVATE KEY    the same, of older versions
//
// and writes PKCS#8. A key that others may read is no secret, and is refused.
package file

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/bundler-sign/bundler/pkg/internal/secretfile"
	"github.com/bundler-sign/bundler/pkg/sign/signer"
)

// MaxKey bounds a file or variable with a private key, in bytes.
const MaxKey = 64 << 10

// Options says how keys are opened; nil is its zero value.
type Options struct {
	// Password is asked for the password of an encrypted key. Without it such
	// a key is an error.
	Password signer.PasswordFunc

	// Shared accepts key files that others may read, and symbolic links.
	Shared bool

	// LookupEnv finds a variable; nil stands for os.LookupEnv.
	LookupEnv func(name string) (value string, ok bool)
}

// Open returns the signer for the private key in a file: a path, file:PATH,
// or file:///PATH with percent-encoding. It is a signer.OpenFunc once opts are
// given.
func Open(ctx context.Context, uri string, opts *Options) (signer.Signer, error) {
	if opts == nil {
		opts = &Options{}
	}
	path, err := pathOf(uri)
	if err != nil {
		return nil, err
	}
	data, err := secretfile.Read(path, MaxKey, &secretfile.ReadOptions{Shared: opts.Shared})
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	defer clear(data)
	s, err := parse(ctx, data, "password for "+path, opts.Password)
	if err != nil {
		return nil, fmt.Errorf("private key %s: %w", path, err)
	}
	return s, nil
}

// pathOf returns the path that uri names (RFC 8089). Only the form with two
// slashes is percent-decoded, since people type the others as paths.
func pathOf(uri string) (string, error) {
	path := uri
	if scheme, ok := signer.Scheme(uri); ok {
		if scheme != "file" {
			return "", fmt.Errorf("%w %q: expected file", signer.ErrScheme, scheme)
		}
		path = uri[len("file:"):]
	}
	if rest, ok := strings.CutPrefix(path, "//"); ok && len(path) < len(uri) {
		host, encoded, _ := strings.Cut(rest, "/")
		if host != "" && host != "localhost" {
			return "", fmt.Errorf("expected a file on this machine, file:///PATH, found host %q", host)
		}
		if strings.ContainsAny(encoded, "?#") {
			return "", fmt.Errorf("expected file:///PATH with neither query nor fragment, found %q", uri)
		}
		decoded, err := url.PathUnescape(encoded)
		if err != nil {
			return "", fmt.Errorf("expected a percent-encoded path: %w", err)
		}
		path = "/" + decoded
	}
	if path == "" || strings.IndexByte(path, 0) >= 0 {
		return "", fmt.Errorf("expected the path of a private key, found %q", path)
	}
	return path, nil
}

// OpenEnv returns the signer for the private key, in PEM, that an environment
// variable holds: env:NAME or env://NAME.
func OpenEnv(ctx context.Context, uri string, opts *Options) (signer.Signer, error) {
	if opts == nil {
		opts = &Options{}
	}
	name, err := variableOf(uri)
	if err != nil {
		return nil, err
	}
	lookup := opts.LookupEnv
	if lookup == nil {
		lookup = os.LookupEnv
	}
	value, ok := lookup(name)
	switch {
	case !ok:
		return nil, fmt.Errorf("expected a private key in the environment variable %s: it is not set", name)
	case len(value) > MaxKey:
		return nil, fmt.Errorf("environment variable %s: expected a private key of at most %d bytes, found more", name, MaxKey)
	}
	data := []byte(value)
	defer clear(data)
	s, err := parse(ctx, data, "password for the key in "+name, opts.Password)
	if err != nil {
		return nil, fmt.Errorf("private key in the environment variable %s: %w", name, err)
	}
	return s, nil
}

func variableOf(uri string) (string, error) {
	if scheme, _ := signer.Scheme(uri); scheme != "env" {
		return "", fmt.Errorf("%w: expected env:NAME, found %q", signer.ErrScheme, uri)
	}
	name := strings.TrimPrefix(uri[len("env:"):], "//")
	for i, c := range []byte(name) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_'
		if !letter && (i == 0 || c < '0' || c > '9') {
			// Somebody may have put the key itself here: it is not repeated.
			return "", errors.New("expected env:NAME, the name of a variable of letters, digits and underscores, found something else")
		}
	}
	if name == "" {
		return "", errors.New("expected env:NAME, found no name")
	}
	return name, nil
}
