package verify

import (
	"errors"
)

// timestamps verifies the RFC 3161 timestamps over the signature. One of an
// authority that is not trusted is reported and counts nothing; one that is
// not about this signature, or that a trusted authority did not make as it
// must, fails the bundle.
func (r *run) timestamps() {
	distinct := make(map[string]bool)
	for i, der := range r.b.Timestamps {
		t, err := r.v.verifyTimestamp(der, r.b.Signature())
		if unknown, ok := errors.AsType[*unknownAuthorityError](err); ok {
			r.skipf(CheckTimestamp, "timestamp %d: %v", i, unknown)
			continue
		}
		if err != nil {
			r.failf(CheckTimestamp, "timestamp %d: %v", i, err)
			continue
		}
		distinct[t.authority.Identity()] = true
		r.times = append(r.times, VerifiedTime{
			Type: "rfc3161", Time: t.time, URI: t.authority.URI, Operator: t.authority.Operator,
			observer: t.authority.Identity(),
		})
		r.passf(CheckTimestamp, "%s: the signature existed at %s", authorityName(t.authority), stamp(t.time))
	}
	r.threshold(CheckTSAThreshold, r.v.require.Timestamps, distinct, "timestamp authorities",
		"the bundle needs an RFC 3161 timestamp of an authority that the trust config lists; one can be attached while the certificate is valid")
}

// establishTimes counts observers of the time of signing and, with the times
// known, checks what depends on them alone.
func (r *run) establishTimes() {
	observers := make(map[string]bool)
	for _, t := range r.times {
		observers[t.observer] = true
	}
	r.threshold(CheckObservers, r.v.require.ObserverTimes, observers, "observers of the time of signing",
		"the bundle needs a timestamp, or a log entry with a signed entry timestamp, of a service that the trust config lists")
	r.rep.Times = r.times
	r.logWindows()
}
