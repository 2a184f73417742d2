package verify

import (
	"encoding/asn1"
	"encoding/json/jsontext"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
	"github.com/bundler-sign/bundler/pkg/internal/pbjson"
	"github.com/bundler-sign/bundler/pkg/internal/strictjson"
	"github.com/bundler-sign/bundler/pkg/trustroot"
)

// Options are an options file: ArtifactVerificationOptions of protobuf-specs
// (sigstore_verification.proto) in JSON. It says who may have signed and how
// many witnesses there must be.
type Options struct {
	Identities []Identity
	Keys       []*trustroot.Key // the only keys trusted, if not empty
	wire       wireOptions
}

type (
	wireOptions struct {
		Identities *struct {
			Identities []wireIdentity `json:"identities"`
		} `json:"certificateIdentities"`
		Keys *struct {
			Keys []wirePublicKey `json:"publicKeys"`
		} `json:"publicKeys"`
		Log        *wireLog       `json:"tlogOptions"`
		SCT        *wireThreshold `json:"ctlogOptions"`
		TSA        *wireThreshold `json:"tsaOptions"`
		Integrated *wireThreshold `json:"integratedTsOptions"`
		Observers  *wireThreshold `json:"observerOptions"`
	}
	wireThreshold struct {
		Threshold int32 `json:"threshold"`
		Disable   bool  `json:"disable"`
	}
	wireLog struct {
		Threshold int32 `json:"threshold"`
		Online    bool  `json:"performOnlineVerification"`
		Disable   bool  `json:"disable"`
	}
	wireIdentity struct {
		Issuer string `json:"issuer"`
		SAN    *struct {
			Type   wireNameType `json:"type"`
			Regexp *string      `json:"regexp"`
			Value  *string      `json:"value"`
		} `json:"san"`
		OIDs []struct {
			OID struct {
				ID []int `json:"id"`
			} `json:"oid"`
			Value pbjson.Bytes `json:"value"`
		} `json:"oids"`
	}
	wirePublicKey struct {
		Raw      pbjson.Bytes    `json:"rawBytes"`
		Details  keyspec.Details `json:"keyDetails"`
		ValidFor *struct {
			Start pbjson.Time  `json:"start"`
			End   *pbjson.Time `json:"end"`
		} `json:"validFor"`
	}
	wireNameType NameType
)

func (t *wireNameType) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	n, err := pbjson.ReadEnum(dec, map[int32]string{1: "EMAIL", 2: "URI", 3: "OTHER_NAME"})
	*t = wireNameType(n)
	return err
}

const maxOptions = 1 << 20 // bytes of an options file

// ParseOptions parses an options file.
func ParseOptions(data []byte) (*Options, error) {
	var o Options
	if err := strictjson.Unmarshal(data, &o.wire, strictjson.Limits{Bytes: maxOptions}); err != nil {
		return nil, err
	}
	w := &o.wire
	if (w.Identities == nil) == (w.Keys == nil) {
		return nil, errors.New("expected either certificateIdentities or publicKeys")
	}
	if w.Identities != nil {
		for i := range w.Identities.Identities {
			id, err := w.Identities.Identities[i].identity()
			if err != nil {
				return nil, fmt.Errorf("at /certificateIdentities/identities/%d: %w", i, err)
			}
			o.Identities = append(o.Identities, id)
		}
	} else {
		for i := range w.Keys.Keys {
			key, err := w.Keys.Keys[i].key()
			if err != nil {
				return nil, fmt.Errorf("at /publicKeys/publicKeys/%d: %w", i, err)
			}
			o.Keys = append(o.Keys, key)
		}
	}
	if len(o.Identities)+len(o.Keys) == 0 {
		return nil, errors.New("expected at least one identity or key, found none")
	}
	if w.Log != nil && w.Log.Online {
		return nil, errors.New("at /tlogOptions/performOnlineVerification: expected false; the proofs in the bundle are verified instead, without asking the log")
	}
	if err := w.check(); err != nil {
		return nil, err
	}
	return &o, nil
}

func (w *wireOptions) check() error {
	for name, t := range w.thresholds() {
		switch {
		case t == nil:
		case t.Disable && t.Threshold != 0:
			return fmt.Errorf("at /%s: disabled, and yet with a threshold of %d", name, t.Threshold)
		case !t.Disable && t.Threshold < 1:
			return fmt.Errorf("at /%s: expected a threshold of 1 or more, or disable, found %d", name, t.Threshold)
		}
	}
	return nil
}

func (w *wireOptions) thresholds() map[string]*wireThreshold {
	return map[string]*wireThreshold{
		"tlogOptions": w.Log.threshold(), "ctlogOptions": w.SCT, "tsaOptions": w.TSA,
		"integratedTsOptions": w.Integrated, "observerOptions": w.Observers,
	}
}

func (w *wireLog) threshold() *wireThreshold {
	if w == nil {
		return nil
	}
	return &wireThreshold{Threshold: w.Threshold, Disable: w.Disable}
}

// Apply sets in q what the file says, leaving the rest as it is.
func (o *Options) Apply(q *Requirements) {
	q.Identities, q.AnyKey = o.Identities, len(o.Keys) > 0
	for _, t := range []struct {
		wire *wireThreshold
		set  *int
	}{
		{o.wire.Log.threshold(), &q.Logs}, {o.wire.SCT, &q.SCTs}, {o.wire.TSA, &q.Timestamps},
		{o.wire.Integrated, &q.IntegratedTimes}, {o.wire.Observers, &q.ObserverTimes},
	} {
		if t.wire != nil {
			*t.set = int(t.wire.Threshold)
		}
	}
}

func (w *wireIdentity) identity() (Identity, error) {
	id := Identity{Issuer: w.Issuer}
	if w.SAN == nil {
		return id, errors.New("san: missing")
	}
	id.NameType = NameType(w.SAN.Type)
	switch {
	case (w.SAN.Value == nil) == (w.SAN.Regexp == nil):
		return id, errors.New("san: expected either a value or a regexp")
	case w.SAN.Value != nil:
		id.Name = *w.SAN.Value
	default:
		var err error
		if id.NamePattern, err = Pattern(*w.SAN.Regexp); err != nil {
			return id, fmt.Errorf("san/regexp: %w", err)
		}
	}
	for _, pair := range w.OIDs {
		if len(pair.OID.ID) < 2 || slices.Min(pair.OID.ID) < 0 {
			return id, fmt.Errorf("oids: expected an object identifier of two parts or more, found %d", pair.OID.ID)
		}
		id.Extensions = append(id.Extensions, ExtensionValue{OID: asn1.ObjectIdentifier(pair.OID.ID), Value: pair.Value})
	}
	return id, id.check()
}

func (w *wirePublicKey) key() (*trustroot.Key, error) {
	pub, err := keyspec.ParseKey(w.Raw, w.Details)
	if err != nil {
		return nil, err
	}
	key, err := trustroot.NewKey(pub, w.Details, "")
	if err != nil {
		return nil, err
	}
	if w.ValidFor != nil {
		key.ValidFor.Start = time.Time(w.ValidFor.Start)
		if w.ValidFor.End != nil {
			key.ValidFor.End = time.Time(*w.ValidFor.End)
			// The zero time would mean that the key never ends.
			if key.ValidFor.End.IsZero() || key.ValidFor.End.Before(key.ValidFor.Start) {
				return nil, fmt.Errorf("validFor: expected an end at or after the start (%s), found %s", stamp(key.ValidFor.Start), stamp(key.ValidFor.End))
			}
		}
	}
	return key, nil
}
