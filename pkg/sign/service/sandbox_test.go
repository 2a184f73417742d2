package service_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/sandbox/server"
	"github.com/bundler-sign/bundler/pkg/sign"
	"github.com/bundler-sign/bundler/pkg/sign/service"
	"github.com/bundler-sign/bundler/pkg/sign/signer"
	"github.com/bundler-sign/bundler/pkg/trustroot"
	"github.com/bundler-sign/bundler/pkg/verify"
)

var hello = []byte("hello, world\n")

// A world is a sandbox that serves over loopback, and a client of it. Its clock
// stands still, and pauses take no time.
type world struct {
	*server.Server
	box    *sandbox.Sandbox
	trust  *trustroot.Config
	client *service.Client
	pauses []time.Duration // asked for so far
}

func newWorld(t *testing.T) *world {
	t.Helper()
	box, err := sandbox.New(&sandbox.Options{Seed: t.Name()})
	if err != nil {
		t.Fatal(err)
	}
	l, err := server.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(box, l.URLs(), nil)
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
	w := &world{Server: s, box: box}
	if w.trust, err = trustroot.Parse(sandbox.JSON(s.TrustConfig()), "sandbox"); err != nil {
		t.Fatal(err)
	}
	w.client = w.impatient(20 * time.Second)
	return w
}

// impatient returns a client that waits so long for an answer.
func (w *world) impatient(timeout time.Duration) *service.Client {
	return service.New(&service.Options{
		Timeout: timeout,
		Wait: func(ctx context.Context, d time.Duration) error {
			w.pauses = append(w.pauses, d)
			return ctx.Err()
		},
	})
}

// An order says what to sign, how, and with whom.
type order struct {
	statement bool
	rekor     uint32 // version; 0 means 2
	noLog     bool
	key       *sandbox.Key // a managed key; nil means keyless
	alg       trustroot.KeyDetails
}

// sign signs hello as the order says, by the sandbox's services.
func (w *world) sign(o order) (*bundle.Bundle, []string, error) {
	ctx := context.Background()
	key, by, err := w.credential(ctx, &o)
	if err != nil {
		return nil, nil, err
	}
	evidence := &sign.Evidence{Judge: w.judge(&o), Now: w.box.Now, TSAs: []sign.TSA{w.client.TSA(w.trust.Signing.TSAs[0].URL)}}
	switch {
	case o.noLog:
	case o.rekor == 1:
		evidence.Logs = []sign.Log{w.client.Log(w.URL(server.RekorV1), 1)}
	default:
		evidence.Logs = []sign.Log{w.client.Log(w.URL(server.RekorV2), 2)}
	}
	if o.alg == 0 {
		if o.alg, err = by.Algorithm(o.statement); err != nil {
			return nil, nil, err
		}
	}
	q, err := o.request()
	if err != nil {
		return nil, nil, err
	}
	return evidence.Sign(ctx, q, key, by)
}

func (w *world) credential(ctx context.Context, o *order) (signer.Signer, *sign.Credential, error) {
	if o.key != nil {
		key, err := signer.FromKey(o.key.Signer)
		if err != nil {
			return nil, nil, err
		}
		by, err := sign.ParsePublicKey(o.key.PEM(), "")
		return key, by, err
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	key, err := signer.FromKey(private)
	if err != nil {
		return nil, nil, err
	}
	token, err := w.Token("")
	if err != nil {
		return nil, nil, err
	}
	ca, err := w.client.SelectCA(w.trust.Signing, w.box.Now())
	if err != nil {
		return nil, nil, err
	}
	by, err := sign.Certify(ctx, ca, key, token)
	return key, by, err
}

func (o *order) request() (*sign.Request, error) {
	if !o.statement {
		return sign.NewMessageRequest("hello", bytes.NewReader(hello), o.alg)
	}
	statement, err := sandbox.Statement("https://example.com/p", nil, sandbox.Subject{Name: "hello", Content: hello})
	if err != nil {
		return nil, err
	}
	return sign.NewStatementRequest("hello", statement, o.alg)
}

// judge judges as pkg/verify does, whose evidence need not be complete.
func (w *world) judge(o *order) sign.Judge {
	return func(b *bundle.Bundle) (sign.Proved, error) {
		rep, err := w.verify(b, o, verify.Requirements{})
		p := sign.Proved{Entries: len(rep.Entries)}
		for _, at := range rep.Times {
			p.Times = append(p.Times, at.Time)
			if at.Type == "rfc3161" {
				p.Timestamps++
			}
		}
		return p, err
	}
}

func (w *world) verify(b *bundle.Bundle, o *order, q verify.Requirements) (*verify.Report, error) {
	trust := *w.trust
	q.Now = w.box.Now()
	if o.key != nil {
		q.AnyKey = true
		q.KeyDetails = o.alg
		key, err := trustroot.NewKey(o.key.Public(), o.alg, "")
		if err != nil {
			return &verify.Report{}, err
		}
		if trust.Keyring, err = trustroot.NewKeyring([]*trustroot.Key{key}); err != nil {
			return &verify.Report{}, err
		}
	} else {
		q.SCTs = 1
		q.Identities = []verify.Identity{{Name: sandbox.DefaultIdentity, Issuer: w.URL(server.OIDC)}}
	}
	v, err := verify.New(&trust, q)
	if err != nil {
		return &verify.Report{}, err
	}
	return v.Verify(b, &verify.Artifact{Name: "hello", Digests: []bundle.Digest{
		bundle.Sum(bundle.SHA256, hello), bundle.Sum(bundle.SHA384, hello), bundle.Sum(bundle.SHA512, hello),
	}})
}

// TestSignMeetsAStranger signs with every service, by every kind of log, and
// verifies what was written.
func TestSignMeetsAStranger(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, rekor := range []uint32{1, 2} {
		for _, statement := range []bool{false, true} {
			for _, a := range []sandbox.Algorithm{0, sandbox.P256, sandbox.P384, sandbox.P521, sandbox.Ed25519ph, sandbox.RSA2048, sandbox.RSAPSS2048} {
				t.Run(fmt.Sprintf("rekor-v%d/statement=%v/%v", rekor, statement, a), func(t *testing.T) {
					o := order{rekor: rekor, statement: statement}
					if a != 0 {
						o.key, o.alg = w.box.Key("managed", a), trustroot.KeyDetails(a)
					}
					b, _, err := w.sign(o)
					if err != nil {
						t.Fatal(err)
					}
					text, err := b.Marshal()
					if err != nil {
						t.Fatal(err)
					}
					if b, err = bundle.Parse(text); err != nil {
						t.Fatal(err)
					}
					if _, err := w.verify(b, &o, verify.Requirements{Logs: 1, Timestamps: 1, ObserverTimes: 1}); err != nil {
						t.Errorf("the finished bundle does not verify: %v", err)
					}
				})
			}
		}
	}
}

// TestSignFailsClosed has each service fail in each way: no bundle comes of it,
// the service is asked a bounded number of times, and what is public is named.
func TestSignFailsClosed(t *testing.T) {
	t.Parallel()
	type trial struct {
		fault  string
		o      order
		reply  bool // the answer came and does not verify
		public int  // how much is public, the certificate included
		most   int64
	}
	var trials []trial
	for _, service := range []server.Service{server.Fulcio, server.TSA, server.RekorV1, server.RekorV2} {
		public, o := 1, order{rekor: 2}
		switch service {
		case server.Fulcio:
			public = 0
		case server.RekorV1:
			o.rekor = 1
		}
		for _, f := range []server.Fault{server.Down, server.Slow, server.Status500, server.Status429, server.WrongContent, server.Truncated, server.Endless, server.Redirect, server.OtherArtifact} {
			n := public
			logged := service == server.RekorV1 || service == server.RekorV2
			if logged && f != server.Status429 && f != server.Redirect {
				n++ // perhaps, or for certain
			}
			trials = append(trials, trial{fmt.Sprintf("%s:%s", service, f), o, f == server.OtherArtifact, n, 4})
		}
	}
	for _, f := range []sandbox.Fault{sandbox.ForkedLog, sandbox.CheckpointSize, sandbox.CheckpointOrigin, sandbox.CheckpointRoot, sandbox.WrongBody, sandbox.OtherKind, sandbox.BadProof} {
		trials = append(trials, trial{string(f), order{rekor: 2}, f != sandbox.ForkedLog, 2, 8})
		if f != sandbox.OtherKind { // which Rekor v1's answers do not state
			trials = append(trials, trial{string(f), order{rekor: 1}, f != sandbox.ForkedLog, 2, 8})
		}
	}
	trials = append(trials, trial{string(sandbox.BadSET), order{rekor: 1}, true, 2, 8})
	for _, f := range []sandbox.Fault{sandbox.BackdatedToken, sandbox.TokenOtherBytes, sandbox.TokenSHA1, sandbox.TokenRejected, sandbox.SCTOtherCert, sandbox.SCTBadSignature, sandbox.CertExpired} {
		trials = append(trials, trial{string(f), order{}, true, 1, 4})
	}
	trials = append(trials, trial{string(sandbox.CertWrongKey), order{}, true, 0, 4})
	for _, c := range trials {
		t.Run(fmt.Sprintf("%s/rekor-v%d", c.fault, c.o.rekor), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if _, _, err := w.sign(c.o); err != nil {
				t.Fatalf("without the fault: %v", err)
			}
			before := w.requests()
			if err := w.Misbehave(c.fault); err != nil {
				t.Fatal(err)
			}
			patient := w.client
			if strings.HasSuffix(c.fault, ":slow") {
				w.client = w.impatient(100 * time.Millisecond)
			}
			b, public, err := w.sign(c.o)
			w.client = patient
			if b != nil || err == nil {
				t.Fatal("got a bundle, want none")
			}
			t.Log(err)
			if got := errors.Is(err, sign.ErrReply); got != c.reply {
				t.Errorf("got %v that a reply does not verify, want %v", got, c.reply)
			}
			if len(public) != c.public {
				t.Errorf("got as public %q, want %d things", public, c.public)
			}
			for service, n := range w.requests() {
				if n-before[service] > c.most {
					t.Errorf("%s was asked %d times, want at most %d", service, n-before[service], c.most)
				}
			}
			if err := w.Misbehave(); err != nil {
				t.Fatal(err)
			}
			if _, _, err := w.sign(c.o); err != nil {
				t.Errorf("after the fault: %v", err)
			}
		})
	}
}

func (w *world) requests() map[server.Service]int64 {
	all := map[server.Service]int64{}
	for _, s := range server.Services() {
		all[s] = w.Requests(s)
	}
	return all
}

// TestFulcioErrorsHoldNoToken: a server that repeats the token in its refusal
// does not get it into a log.
func TestFulcioErrorsHoldNoToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token, err := w.Token("")
	if err != nil {
		t.Fatal(err)
	}
	for _, answer := range []string{"no: " + token, "your request was malformed"} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, answer, http.StatusBadRequest) }))
		t.Cleanup(s.Close)
		cfg := &trustroot.SigningConfig{CAs: []trustroot.Service{{URL: s.URL, MajorAPIVersion: 1, ValidFor: trustroot.Validity{Start: w.box.Now()}}}}
		ca, err := w.client.SelectCA(cfg, w.box.Now())
		if err != nil {
			t.Fatal(err)
		}
		key, err := signer.FromKey(w.box.Key("own", sandbox.P256).Signer)
		if err != nil {
			t.Fatal(err)
		}
		_, err = sign.Certify(t.Context(), ca, key, token)
		if err == nil || strings.Contains(err.Error(), token[:16]) {
			t.Errorf("got %v, want an error without the token", err)
		}
		if shown := strings.Contains(err.Error(), "malformed"); shown != strings.Contains(answer, "malformed") {
			t.Errorf("got %v, want what the server says where it is no secret", err)
		}
	}
}
