package signer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// ErrScheme is what Mux.Open returns, wrapped, for a URI whose scheme nobody
// handles. The function given to HandleOther returns it for a scheme that is
// not its own either.
var ErrScheme = errors.New("unknown scheme")

// MaxURI bounds a signer's URI, in bytes.
const MaxURI = 8 << 10

// An OpenFunc opens the signer that uri names. It gets the URI whole, as it
// was given.
type OpenFunc func(ctx context.Context, uri string) (Signer, error)

// A Mux opens signers by URI. The zero value knows no scheme. It may be used
// by several goroutines at once after the last call of a Handle method.
type Mux struct {
	schemes map[string]OpenFunc
	other   OpenFunc
}

// Handle makes open responsible for a scheme, in lower case: "file". What has
// no scheme at all is a path, and "file" gets it too. Handle panics if the
// scheme is taken or is none, which is a bug of the caller.
func (m *Mux) Handle(scheme string, open OpenFunc) {
	if got, ok := Scheme(scheme + ":"); !ok || got != scheme || m.schemes[scheme] != nil {
		panic(fmt.Sprintf("signer: scheme %q is taken or not well formed", scheme))
	}
	if m.schemes == nil {
		m.schemes = make(map[string]OpenFunc)
	}
	m.schemes[scheme] = open
}

// HandleOther makes open responsible for schemes that no call of Handle named.
func (m *Mux) HandleOther(open OpenFunc) { m.other = open }

// Schemes returns the schemes that Handle named, in order.
func (m *Mux) Schemes() []string { return slices.Sorted(maps.Keys(m.schemes)) }

// Open returns the signer that uri names; it is a Verified one, and an
// io.Closer that the caller closes. An unknown scheme is an ErrScheme that
// names the known ones.
func (m *Mux) Open(ctx context.Context, uri string) (Signer, error) {
	if len(uri) > MaxURI {
		return nil, fmt.Errorf("expected a signer's URI of at most %d bytes, found %d", MaxURI, len(uri))
	}
	s, err := m.open(ctx, uri)
	if err != nil {
		return nil, err
	}
	v, err := Verified(s)
	if err != nil {
		if c, ok := s.(io.Closer); ok {
			c.Close()
		}
		return nil, err
	}
	return v, nil
}

func (m *Mux) open(ctx context.Context, uri string) (Signer, error) {
	scheme, ok := Scheme(uri)
	if !ok {
		scheme = "file"
	}
	if open := m.schemes[scheme]; open != nil {
		return open(ctx, uri)
	}
	if !ok {
		return nil, fmt.Errorf("%w: expected a signer's URI with one of the schemes %s, found %q", ErrScheme, m.known(), uri)
	}
	if m.other == nil {
		return nil, fmt.Errorf("%w %q: expected one of %s", ErrScheme, scheme, m.known())
	}
	s, err := m.other(ctx, uri)
	if errors.Is(err, ErrScheme) {
		return nil, fmt.Errorf("%w (this build knows %s)", err, m.known())
	}
	return s, err
}

func (m *Mux) known() string {
	if len(m.schemes) == 0 {
		return "none"
	}
	return strings.Join(m.Schemes(), ", ")
}

// Scheme returns the scheme that uri begins with, in lower case, and whether it
// has one. The syntax is that of RFC 3986 section 3.1 with underscores, which
// programs' names have, and two characters or more, since one is a drive.
func Scheme(uri string) (scheme string, ok bool) {
	scheme, _, found := strings.Cut(uri, ":")
	if !found || len(scheme) < 2 || strings.IndexByte("+-._0123456789", scheme[0]) >= 0 {
		return "", false
	}
	for _, c := range []byte(scheme) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && strings.IndexByte("+-._0123456789", c) < 0 {
			return "", false
		}
	}
	return strings.ToLower(scheme), true
}
