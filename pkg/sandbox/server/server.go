// Package server answers one question: how does a client meet the sandbox over
// HTTP?
//
// It puts the services of a [sandbox.Sandbox] behind the interfaces of the
// real ones: an OpenID Connect provider, Fulcio (v2 and v1), a CT log, Rekor v1
// and v2, and a timestamp authority. Each is an [http.Handler]; Listen and
// Serve run all of them on loopback, and Dir keeps what a restart needs.
//
// What clients send is bounded and read strictly, and refused as the real
// services refuse it: identity tokens are verified, keys must be proved to be
// possessed, and a log takes only signatures that verify. Beyond that the
// services are generous: whoever asks for a token gets one, for whatever
// identity. So a sandbox belongs on loopback.
//
//	l, err := server.Listen(ctx, "127.0.0.1:0")
//	s, err := server.New(box, l.URLs(), nil)
//	err = s.Serve(ctx, l) // until ctx is done
//
// The services lie on demand: see [Server.Misbehave].
package server

import (
	"fmt"
	"net/http"
	"net/mail"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	prototrustroot "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"

	"github.com/bundler-sign/bundler/pkg/sandbox"
)

// A Service is one of the services of a sandbox.
type Service string

// The services. Each has a URL of its own.
const (
	OIDC    Service = "oidc"     // identity tokens
	Fulcio  Service = "fulcio"   // certificates
	CT      Service = "ct"       // the log of certificates
	RekorV1 Service = "rekor-v1" // the old log of signatures
	RekorV2 Service = "rekor-v2" // the new log of signatures
	TSA     Service = "tsa"      // timestamps
)

// Services lists every service.
func Services() []Service { return []Service{OIDC, Fulcio, CT, RekorV1, RekorV2, TSA} }

// Audience is what identity tokens for Fulcio are issued to.
const Audience = "sigstore"

// TokenLife is how long an identity token is valid.
const TokenLife = 10 * time.Minute

// Options are the choices that New leaves open. Nil means the defaults.
type Options struct {
	// Clock sets the sandbox's clock before every request. Nil leaves it alone:
	// then it stands still unless the sandbox's owner moves it.
	Clock func() time.Time
	// Identity is the email address that tokens are about when nobody asks for
	// another; "" means sandbox.DefaultIdentity.
	Identity string
	// Delay is how long the fault Slow waits; zero means a minute.
	Delay time.Duration
	// Misbehave are the faults that are on at first: see Server.Misbehave.
	Misbehave []string
	// RedirectTo is where the fault Redirect sends clients: a base URL. ""
	// means a port of loopback where nothing should listen.
	RedirectTo string
}

// An OptionError says which choice of the caller cannot be. New, Listen and
// Open return it, and Server.Misbehave.
type OptionError struct{ Err error }

func (e *OptionError) Error() string { return "sandbox: " + e.Err.Error() }
func (e *OptionError) Unwrap() error { return e.Err }

func optionErrorf(format string, args ...any) error {
	return &OptionError{fmt.Errorf(format, args...)}
}

// A Server is a sandbox behind HTTP. It is safe for concurrent use.
type Server struct {
	sandbox  *sandbox.Sandbox
	urls     map[Service]string
	options  Options
	handlers map[Service]http.Handler
	requests map[Service]*atomic.Int64
	faults   faults
	slots    chan struct{}

	oidc           *provider
	rekor1, rekor2 *ledger
}

// maxConcurrent is how many requests are worked on at once; more wait.
const maxConcurrent = 64

// New returns a server whose services are honest. From here on the server owns
// box: it names the services of box by their URLs, which must be absolute and
// without a slash at the end.
func New(box *sandbox.Sandbox, urls map[Service]string, o *Options) (*Server, error) {
	if o == nil {
		o = &Options{}
	}
	s := &Server{
		sandbox: box, urls: urls, options: *o,
		handlers: map[Service]http.Handler{}, requests: map[Service]*atomic.Int64{},
		slots: make(chan struct{}, maxConcurrent),
	}
	if err := s.complete(); err != nil {
		return nil, err
	}
	if err := s.Misbehave(o.Misbehave...); err != nil {
		return nil, err
	}
	s.oidc = newProvider(box, urls[OIDC])
	s.rekor1, s.rekor2 = newLedger(box, box.RekorV1), newLedger(box, box.RekorV2)
	for service, mux := range map[Service]http.Handler{
		OIDC: s.oidcHandler(), Fulcio: s.fulcioHandler(), CT: s.ctHandler(),
		RekorV1: s.rekor1Handler(), RekorV2: s.rekor2Handler(), TSA: s.tsaHandler(),
	} {
		s.requests[service] = new(atomic.Int64)
		s.handlers[service] = s.front(service, mux)
	}
	return s, nil
}

// complete puts the defaults in, and the URLs into the sandbox.
func (s *Server) complete() error {
	if s.options.Identity == "" {
		s.options.Identity = sandbox.DefaultIdentity
	}
	if err := checkEmail(s.options.Identity); err != nil {
		return optionErrorf("identity: %w", err)
	}
	if s.options.Delay == 0 {
		s.options.Delay = time.Minute
	}
	if s.options.RedirectTo == "" {
		s.options.RedirectTo = "http://127.0.0.1:9"
	}
	for _, service := range Services() {
		u, err := url.Parse(s.urls[service])
		if err != nil || u.Hostname() == "" || strings.HasSuffix(u.Path, "/") {
			return optionErrorf("service %s: expected an absolute URL without a slash at the end, found %q", service, s.urls[service])
		}
	}
	box := s.sandbox
	box.Fulcio.URI, box.CT.URL = s.urls[Fulcio], s.urls[CT]
	box.TSA.URI = s.urls[TSA] + timestampPath
	for service, log := range map[Service]*sandbox.Log{RekorV1: box.RekorV1, RekorV2: box.RekorV2} {
		u, _ := url.Parse(s.urls[service])
		log.URL, log.Host = s.urls[service], u.Hostname()
	}
	// A Rekor v1 signs under the name it was told. With the port in it, it is
	// not taken for the Rekor v2 on the same host.
	u, _ := url.Parse(s.urls[RekorV1])
	box.RekorV1.Host = u.Host
	return nil
}

// Handler returns one service.
func (s *Server) Handler(service Service) http.Handler { return s.handlers[service] }

// URL returns the base URL of a service.
func (s *Server) URL(service Service) string { return s.urls[service] }

// Requests returns how many requests a service has had, those that a fault
// swallowed included.
func (s *Server) Requests(service Service) int64 { return s.requests[service].Load() }

// TrustedRoot returns what verifiers should believe. Its media type is that of
// version 0.1, which every client reads.
func (s *Server) TrustedRoot() *prototrustroot.TrustedRoot {
	root := s.sandbox.TrustedRoot()
	root.MediaType = sandbox.TrustedRootMediaTypeV01
	return root
}

// TrustConfig returns TrustedRoot, and where signers find the services.
func (s *Server) TrustConfig() *prototrustroot.ClientTrustConfig {
	c := s.sandbox.ClientTrustConfig()
	c.TrustedRoot = s.TrustedRoot()
	for _, u := range c.SigningConfig.OidcUrls {
		u.Url = s.urls[OIDC]
	}
	return c
}

// Token returns a fresh identity token for Fulcio about that email address; ""
// means the one of Options.
func (s *Server) Token(email string) (string, error) {
	if email == "" {
		email = s.options.Identity
	}
	if err := checkEmail(email); err != nil {
		return "", err
	}
	s.tick()
	return s.oidc.issue(emailClaims(email, Audience)), nil
}

// tick sets the sandbox's clock.
func (s *Server) tick() {
	if s.options.Clock != nil {
		s.sandbox.SetTime(s.options.Clock())
	}
}

// front is what every request of a service passes first.
func (s *Server) front(service Service, inner http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests[service].Add(1)
		s.faults.serve(s, service, w, r, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case s.slots <- struct{}{}:
				defer func() { <-s.slots }()
			case <-r.Context().Done():
				return
			}
			s.tick()
			inner.ServeHTTP(w, r)
		}))
	})
}

// checkEmail accepts one plain address, as certificates hold it.
func checkEmail(address string) error {
	parsed, err := mail.ParseAddress(address)
	if err != nil || parsed.Address != address || len(address) > 254 || strings.ContainsAny(address, " \"<>\t\r\n") {
		return fmt.Errorf("expected an email address, found %q", clip(address))
	}
	return nil
}

// checkURI accepts an absolute URI, as workloads are named.
func checkURI(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || u.Host == "" || len(text) > 1024 {
		return fmt.Errorf("expected an absolute URI, found %q", clip(text))
	}
	for _, c := range text {
		if c <= ' ' || c > '~' {
			return fmt.Errorf("expected a URI in ASCII, found %q", clip(text))
		}
	}
	return nil
}

// clip shortens outside text for messages.
func clip(text string) string { return text[:min(len(text), 80)] }
