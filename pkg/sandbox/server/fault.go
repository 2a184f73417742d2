package server

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bundler-sign/bundler/pkg/sandbox"
)

// A Fault is one way in which a service fails its clients on the way, whatever
// they asked. Those in which it lies are sandbox.Fault.
type Fault string

// The faults.
const (
	Down         Fault = "down"          // the connection ends without an answer
	Slow         Fault = "slow"          // the honest answer comes after Options.Delay
	Status500    Fault = "status-500"    // an internal error
	Status429    Fault = "status-429"    // too many requests: try again after a second
	WrongContent Fault = "wrong-content" // status 200 and a login page
	Truncated    Fault = "truncated"     // the first half of the honest answer
	// OtherArtifact is the answer to a stranger's request: a certificate for
	// another key, an SCT for another certificate, an entry about another
	// signature, a token over other bytes or about another person.
	OtherArtifact Fault = "other-artifact"
	Endless       Fault = "endless"  // status 200 and a body without end
	Redirect      Fault = "redirect" // to Options.RedirectTo, method kept
)

// Faults lists every fault there is.
func Faults() []Fault {
	return []Fault{Down, Slow, Status500, Status429, WrongContent, Truncated, OtherArtifact, Endless, Redirect}
}

// lies are how the sandbox answers a stranger.
var lies = map[Service]sandbox.Fault{
	Fulcio: sandbox.CertWrongKey, CT: sandbox.SCTOtherCert, TSA: sandbox.TokenOtherBytes,
	RekorV1: sandbox.WrongBody, RekorV2: sandbox.WrongBody, OIDC: sandbox.Honest,
}

// faults are those that are on.
type faults struct {
	mu   sync.Mutex
	on   map[Service]Fault
	left map[Service]int64 // how many requests more it lasts; absent for ever
}

// Misbehave turns on faults in place of those that were on; without arguments
// all services are honest again. Each is one of
//
//	FAULT            a sandbox.Fault: the service concerned lies
//	SERVICE:FAULT    a Fault of one service
//	SERVICE:FAULT*N  the same for the next N requests only
//
// At most one may be a sandbox.Fault, and OtherArtifact counts as one. On error
// nothing has changed.
func (s *Server) Misbehave(specs ...string) error {
	on, left, lie := map[Service]Fault{}, map[Service]int64{}, sandbox.Honest
	setLie := func(f sandbox.Fault) error {
		if lie != sandbox.Honest {
			return optionErrorf("expected one fault by which a service lies, found %q and %q", lie, f)
		}
		lie = f
		return nil
	}
	for _, spec := range specs {
		if slices.Contains(sandbox.Faults(), sandbox.Fault(spec)) {
			if err := setLie(sandbox.Fault(spec)); err != nil {
				return err
			}
			continue
		}
		service, fault, n, err := parseFault(spec)
		if err != nil {
			return optionErrorf("fault %q: %w", clip(spec), err)
		}
		if _, twice := on[service]; twice {
			return optionErrorf("fault %q: %s has another fault already", clip(spec), service)
		}
		if fault == OtherArtifact && lies[service] != sandbox.Honest {
			if err := setLie(lies[service]); err != nil {
				return err
			}
		}
		on[service] = fault
		if n > 0 {
			left[service] = n
		}
	}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.on, s.faults.left = on, left
	s.sandbox.Misbehave(lie)
	return nil
}

func parseFault(spec string) (service Service, fault Fault, n int64, err error) {
	name, rest, _ := strings.Cut(spec, ":")
	kind, times, counted := strings.Cut(rest, "*")
	service, fault = Service(name), Fault(kind)
	if !slices.Contains(Services(), service) || !slices.Contains(Faults(), fault) {
		return "", "", 0, fmt.Errorf("expected SERVICE:FAULT with a service of %v and a fault of %v, or one of %v", Services(), Faults(), sandbox.Faults())
	}
	if !counted {
		return service, fault, 0, nil
	}
	if n, err = strconv.ParseInt(times, 10, 32); err != nil || n < 1 || fault == OtherArtifact {
		return "", "", 0, fmt.Errorf("expected a number of requests after *, and no %s before it", OtherArtifact)
	}
	return service, fault, n, nil
}

// is reports whether the fault of a service is f.
func (f *faults) is(service Service, fault Fault) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.on[service] == fault
}

// next returns the fault of the next request to a service.
func (f *faults) next(service Service) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, counted := f.left[service]
	if !counted {
		return f.on[service]
	}
	if n == 0 {
		return ""
	}
	f.left[service] = n - 1
	return f.on[service]
}

// serve answers a request with the fault that is on, else by honest.
func (f *faults) serve(s *Server, service Service, w http.ResponseWriter, r *http.Request, honest http.Handler) {
	switch f.next(service) {
	case Down:
		panic(http.ErrAbortHandler)
	case Slow:
		// The delay may be longer than the server's own limit.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
		select {
		case <-time.After(s.options.Delay):
			honest.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	case Status500:
		reply(w, http.StatusInternalServerError, "application/json", []byte(`{"code":13,"message":"internal error","details":[]}`))
	case Status429:
		w.Header().Set("Retry-After", "1")
		reply(w, http.StatusTooManyRequests, "application/json", []byte(`{"code":8,"message":"too many requests","details":[]}`))
	case WrongContent:
		reply(w, http.StatusOK, "text/html; charset=utf-8", []byte("<!DOCTYPE html><title>Guest Wi-Fi</title><p>Please log in.\n"))
	case Truncated:
		truncate(w, r, honest)
	case Endless:
		endless(w, r)
	case Redirect:
		http.Redirect(w, r, s.options.RedirectTo+r.URL.RequestURI(), http.StatusTemporaryRedirect)
	default: // honest, or OtherArtifact: the sandbox or the provider lies
		honest.ServeHTTP(w, r)
	}
}

// truncate promises all of an honest answer, and sends its first half.
func truncate(w http.ResponseWriter, r *http.Request, honest http.Handler) {
	whole := &recorder{header: w.Header(), status: http.StatusOK}
	honest.ServeHTTP(whole, r)
	w.Header().Set("Content-Length", strconv.Itoa(whole.body.Len()))
	w.WriteHeader(whole.status)
	_, _ = w.Write(whole.body.Bytes()[:whole.body.Len()/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// A recorder keeps an answer in memory.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }

// endless sends an object whose first string does not end, until the client
// has enough.
func endless(w http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
	w.Header().Set("Content-Type", "application/json")
	_, err := io.WriteString(w, `{"`)
	chunk := bytes.Repeat([]byte("endless "), 4<<10)
	for err == nil && r.Context().Err() == nil {
		_, err = w.Write(chunk)
	}
}
