package signer_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
	"github.com/bundler-sign/bundler/pkg/sign/signer"
)

func TestMuxOpensByScheme(t *testing.T) {
	t.Parallel()
	key := keys(t)["P-256"]
	var got []string
	opener := func(name string) signer.OpenFunc {
		return func(_ context.Context, uri string) (signer.Signer, error) {
			got = append(got, name+" "+uri)
			return signer.FromKey(key)
		}
	}
	var mux signer.Mux
	mux.Handle("file", opener("file"))
	mux.Handle("pkcs11", opener("pkcs11"))
	for _, test := range []struct{ uri, want string }{
		{"file:key.pem", "file file:key.pem"},
		{"FILE:key.pem", "file FILE:key.pem"},
		{"key.pem", "file key.pem"},
		{"./a:b.pem", "file ./a:b.pem"},
		{"/keys/exec:key.pem", "file /keys/exec:key.pem"},
		{`C:\key.pem`, `file C:\key.pem`},
		{":key", "file :key"},
		{"pkcs11:token=a;object=file:b", "pkcs11 pkcs11:token=a;object=file:b"},
	} {
		got = nil
		s, err := mux.Open(t.Context(), test.uri)
		if err != nil || !slices.Equal(got, []string{test.want}) {
			t.Errorf("%s: got %q, %v, want %q", test.uri, got, err, test.want)
			continue
		}
		if _, err := s.Sign(t.Context(), keyspec.ECDSAP256SHA256, make([]byte, 32)); err != nil {
			t.Errorf("%s: %v", test.uri, err)
		}
	}
	_, err := mux.Open(t.Context(), "vault://key")
	if !errors.Is(err, signer.ErrScheme) || !strings.Contains(err.Error(), `"vault": expected one of file, pkcs11`) {
		t.Errorf("got %v, want an ErrScheme that names what there is", err)
	}
	if _, err := mux.Open(t.Context(), "file:"+strings.Repeat("a", signer.MaxURI)); err == nil {
		t.Error("a URI of any length is opened")
	}
	if _, err := new(signer.Mux).Open(t.Context(), "key.pem"); !errors.Is(err, signer.ErrScheme) {
		t.Errorf("a Mux without schemes: got %v, want %v", err, signer.ErrScheme)
	}
}

func TestMuxAsksTheOtherLast(t *testing.T) {
	t.Parallel()
	key := keys(t)["P-256"]
	var mux signer.Mux
	open := func(context.Context, string) (signer.Signer, error) { return signer.FromKey(key) }
	mux.Handle("file", open)
	mux.HandleOther(func(_ context.Context, uri string) (signer.Signer, error) {
		if !strings.HasPrefix(uri, "mykms:") {
			return nil, fmt.Errorf("%w %q", signer.ErrScheme, uri)
		}
		return signer.FromKey(key)
	})
	for uri, want := range map[string]bool{"mykms://key": true, "file:a": true, "yourkms://key": false} {
		if _, err := mux.Open(t.Context(), uri); (err == nil) != want || !want && (!errors.Is(err, signer.ErrScheme) || !strings.Contains(err.Error(), "file")) {
			t.Errorf("%s: got %v, want opened %v", uri, err, want)
		}
	}
}

// What a Mux opens is verified, whoever made it, and can be closed.
func TestMuxVerifies(t *testing.T) {
	t.Parallel()
	all := keys(t)
	closed := 0
	var mux signer.Mux
	mux.Handle("liar", func(context.Context, string) (signer.Signer, error) {
		l := &liar{all["P-256"].Public(), func(signer.KeyDetails, []byte) ([]byte, error) { return []byte("sig"), nil }}
		return closingLiar{l, &closed}, nil
	})
	mux.Handle("weak", func(context.Context, string) (signer.Signer, error) {
		return closingLiar{&liar{"no key", nil}, &closed}, nil
	})
	s, err := mux.Open(t.Context(), "liar:")
	if err != nil {
		t.Fatal(err)
	}
	if sig, err := s.Sign(t.Context(), keyspec.ECDSAP256SHA256, make([]byte, 32)); err == nil {
		t.Errorf("got the signature %q", sig)
	}
	if err := s.(interface{ Close() error }).Close(); err != nil || closed != 1 {
		t.Errorf("got %v, closed %d times, want once", err, closed)
	}
	if s, err := mux.Open(t.Context(), "weak:"); err == nil || s != nil || closed != 2 {
		t.Errorf("got %v, %v, closed %d times, want an error and the signer closed", s, err, closed)
	}
}

type closingLiar struct {
	*liar
	closed *int
}

func (c closingLiar) Close() error { *c.closed++; return nil }

func TestHandlePanicsOverBugs(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"file", "", "a", "File", "fi/le", "fi:le", "1file"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%q is taken", scheme)
				}
			}()
			var mux signer.Mux
			mux.Handle("file", func(context.Context, string) (signer.Signer, error) { return nil, nil })
			mux.Handle(scheme, func(context.Context, string) (signer.Signer, error) { return nil, nil })
		}()
	}
}
