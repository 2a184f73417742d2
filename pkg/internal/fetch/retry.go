package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

const (
	firstPause = 500 * time.Millisecond // doubled each time, less up to a half at random
	maxPause   = 15 * time.Second       // also what a server may ask for
)

// Wait pauses until d is over or ctx is done, and then says why.
func Wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// pause returns how long to wait before asking again, and whether to: not
// after an answer that will stay the same.
func (c *Client) pause(err error, attempt int) (time.Duration, bool) {
	if !isTransient(err) {
		return 0, false
	}
	pause := firstPause << (attempt - 1)
	pause -= rand.N(pause / 2)
	if status, ok := errors.AsType[*StatusError](err); ok {
		asked, ok := retryAfter(status.Header, c.o.Now())
		if ok && asked > maxPause {
			return 0, false // nobody waits that long
		}
		pause = max(pause, asked)
	}
	return min(pause, maxPause), true
}

// Again pauses as after that many failed attempts, and reports whether to make
// another: for callers who wait for an answer to change.
func (c *Client) Again(ctx context.Context, attempt int) bool {
	return attempt < c.o.Attempts && c.o.Wait(ctx, min(firstPause<<(attempt-1), maxPause)) == nil
}

func isTransient(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	if _, ok := errors.AsType[*permanentError](err); ok {
		return false
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return false
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return false
	}
	if status, ok := errors.AsType[*StatusError](err); ok {
		return status.Status == http.StatusTooManyRequests || status.Status >= 500 && status.Status != http.StatusNotImplemented
	}
	return true
}

// retryAfter reads the header of that name: seconds, or a date. Source: RFC
// 9110 section 10.2.3.
func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second, true
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0, false
	}
	return max(0, at.Sub(now)), true
}
