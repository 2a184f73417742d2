package server_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/sign"
	"github.com/sigstore/sigstore-go/pkg/verify"

	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/sandbox/server"
)

var artifact = []byte("hello, sandbox\n")

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A world is a server that serves, and its sandbox.
type world struct {
	*server.Server
	box *sandbox.Sandbox
}

// serve starts a sandbox whose clock stands still.
func serve(t *testing.T, o *server.Options) world {
	t.Helper()
	box := must(sandbox.New(&sandbox.Options{Seed: t.Name()}))
	l, err := server.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(box, l.URLs(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return world{s, box}
}

// An order says what a client of sigstore-go signs, and with whom.
type order struct {
	content   sign.Content // nil means the artifact
	algorithm protocommon.PublicKeyDetails
	rekor     []uint32 // versions
	tsa       bool
	email     string
}

func (w world) sign(ctx context.Context, o order) (*protobundle.Bundle, error) {
	if o.content == nil {
		o.content = &sign.PlainData{Data: artifact}
	}
	key, err := sign.NewEphemeralKeypair(&sign.EphemeralKeypairOptions{Algorithm: o.algorithm})
	if err != nil {
		return nil, err
	}
	options := sign.BundleOptions{
		Context:                    ctx,
		CertificateProvider:        sign.NewFulcio(&sign.FulcioOptions{BaseURL: w.URL(server.Fulcio)}),
		CertificateProviderOptions: &sign.CertificateProviderOptions{IDToken: must(w.Token(o.email))},
	}
	for _, version := range o.rekor {
		service := map[uint32]server.Service{1: server.RekorV1, 2: server.RekorV2}[version]
		options.TransparencyLogs = append(options.TransparencyLogs,
			sign.NewRekor(&sign.RekorOptions{BaseURL: w.URL(service), Version: version}))
	}
	if o.tsa {
		options.TimestampAuthorities = []*sign.TimestampAuthority{
			sign.NewTimestampAuthority(&sign.TimestampAuthorityOptions{URL: w.box.TSA.URI}),
		}
	}
	return sign.Bundle(o.content, key, options)
}

// judge is sigstore-go's opinion of a bundle by alice about the artifact.
func (w world) judge(b *protobundle.Bundle, o order) error {
	trusted, err := root.NewTrustedRootFromJSON(sandbox.JSON(w.TrustedRoot()))
	if err != nil {
		return err
	}
	options := []verify.VerifierOption{verify.WithSignedCertificateTimestamps(1), verify.WithTransparencyLog(len(o.rekor))}
	if o.tsa {
		options = append(options, verify.WithSignedTimestamps(1))
	} else {
		options = append(options, verify.WithIntegratedTimestamps(1))
	}
	v, err := verify.NewVerifier(trusted, options...)
	if err != nil {
		return err
	}
	parsed, err := bundle.NewBundle(b)
	if err != nil {
		return err
	}
	who, err := verify.NewShortCertificateIdentity(w.URL(server.OIDC), "", sandbox.DefaultIdentity, "")
	if err != nil {
		return err
	}
	_, err = v.Verify(parsed, verify.NewPolicy(verify.WithArtifact(bytes.NewReader(artifact)), verify.WithCertificateIdentity(who)))
	return err
}

// request sends one request and returns the answer and its body.
func (w world) request(t *testing.T, service server.Service, method, path, contentType string, body []byte, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.URL(service)+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(text)
}

// post sends JSON.
func (w world) post(t *testing.T, service server.Service, path string, body []byte, header ...string) (status int, text string) {
	t.Helper()
	response, text := w.request(t, service, http.MethodPost, path, "application/json", body, header...)
	return response.StatusCode, text
}

func (w world) postForm(t *testing.T, path string, form url.Values) (status int, text string) {
	t.Helper()
	response, text := w.request(t, server.OIDC, http.MethodPost, path, "application/x-www-form-urlencoded", []byte(form.Encode()))
	return response.StatusCode, text
}

func (w world) get(t *testing.T, service server.Service, path string) (status int, text string) {
	t.Helper()
	response, text := w.request(t, service, http.MethodGet, path, "", nil)
	return response.StatusCode, text
}

func statement() []byte {
	return must(sandbox.Statement("https://example.com/predicate/v1", nil, sandbox.Subject{Name: "a", Content: artifact}))
}

// TestSigstoreGoSignsAndVerifies holds the servers to sigstore-go, end to end:
// its clients sign, and its verifier accepts.
func TestSigstoreGoSignsAndVerifies(t *testing.T) {
	t.Parallel()
	w := serve(t, nil)
	dsse := &sign.DSSEData{Data: statement(), PayloadType: sandbox.PayloadType}
	for name, o := range map[string]order{
		"v2":            {rekor: []uint32{2}, tsa: true},
		"v2-statement":  {rekor: []uint32{2}, tsa: true, content: dsse},
		"v1":            {rekor: []uint32{1}},
		"v1-tsa":        {rekor: []uint32{1}, tsa: true},
		"v1-statement":  {rekor: []uint32{1}, content: dsse},
		"both":          {rekor: []uint32{1, 2}, tsa: true},
		"p384":          {rekor: []uint32{2}, tsa: true, algorithm: sandbox.P384},
		"p384-v1":       {rekor: []uint32{1}, algorithm: sandbox.P384},
		"p521":          {rekor: []uint32{2}, tsa: true, algorithm: sandbox.P521},
		"rsa2048":       {rekor: []uint32{2}, tsa: true, algorithm: sandbox.RSA2048},
		"ed25519-v1":    {rekor: []uint32{1}, content: dsse, algorithm: sandbox.Ed25519},
		"p384-v2-dsse":  {rekor: []uint32{2}, tsa: true, content: dsse, algorithm: sandbox.P384},
		"rsa3072-v1":    {rekor: []uint32{1}, algorithm: sandbox.RSA3072},
		"p521-v1":       {rekor: []uint32{1}, algorithm: sandbox.P521},
		"both-envelope": {rekor: []uint32{2, 1}, tsa: true, content: dsse},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := w.sign(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.judge(b, o); err != nil {
				t.Errorf("sigstore-go refuses an honest bundle: %v\n%s", err, sandbox.JSON(b))
			}
			spoil(b)
			if err := w.judge(b, o); err == nil {
				t.Error("sigstore-go accepts a spoilt signature: the test proves nothing")
			}
		})
	}
}

func spoil(b *protobundle.Bundle) {
	if m := b.GetMessageSignature(); m != nil {
		m.Signature[len(m.Signature)-1] ^= 1
		return
	}
	sig := b.GetDsseEnvelope().Signatures[0].Sig
	sig[len(sig)-1] ^= 1
}

// TestSigstoreGoTellsAnotherSigner: who signs is who the token is about.
func TestSigstoreGoTellsAnotherSigner(t *testing.T) {
	t.Parallel()
	w := serve(t, nil)
	o := order{rekor: []uint32{2}, tsa: true, email: "bob@example.com"}
	b, err := w.sign(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.judge(b, o); err == nil || !strings.Contains(err.Error(), "identity") {
		t.Errorf("bob's bundle as alice's: got %v, want a wrong identity", err)
	}
}

// TestConcurrentSigners: entries are all there, and each proves itself.
func TestConcurrentSigners(t *testing.T) {
	t.Parallel()
	w := serve(t, nil)
	before := w.box.RekorV2.Size()
	const signers = 12
	errs := make(chan error, signers)
	for i := range signers {
		go func() {
			o := order{rekor: []uint32{2, 1}, tsa: i%2 == 0}
			b, err := w.sign(t.Context(), o)
			if err == nil {
				err = w.judge(b, order{rekor: o.rekor, tsa: o.tsa})
			}
			errs <- err
		}()
	}
	for range signers {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if got := w.box.RekorV2.Size() - before; got != signers {
		t.Errorf("got %d new entries, want %d", got, signers)
	}
	if got := w.Requests(server.Fulcio); got != signers {
		t.Errorf("Fulcio: got %d requests, want %d", got, signers)
	}
}

func TestNewRefusesWhatClientsCannotReach(t *testing.T) {
	t.Parallel()
	good := map[server.Service]string{}
	for i, service := range server.Services() {
		good[service] = fmt.Sprintf("http://127.0.0.1:%d", 8080+i)
	}
	box := must(sandbox.New(nil))
	if _, err := server.New(box, good, nil); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{"missing": "", "relative": "/rekor", "slash": "http://127.0.0.1/", "no-host": "http://"} {
		urls := map[server.Service]string{}
		for service, u := range good {
			urls[service] = u
		}
		urls[server.RekorV2] = bad
		if _, err := server.New(box, urls, nil); err == nil {
			t.Errorf("%s: a server at %q", name, bad)
		}
	}
	if _, err := server.New(box, good, &server.Options{Identity: "Alice <alice@example.com>"}); err == nil {
		t.Error("an identity that is no plain address")
	}
}

func TestListenRefusesOddAddresses(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "127.0.0.1", ":0", "0.0.0.0:0", "[::]:0", "127.0.0.1:65533", "127.0.0.1:http", "127.0.0.1:-1"} {
		if l, err := server.Listen(t.Context(), address); err == nil {
			l.Close()
			t.Errorf("listens on %q", address)
		}
	}
	l, err := server.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := server.ListenAt(t.Context(), l.Addresses()); err == nil {
		t.Error("two listeners at one address")
	}
}
