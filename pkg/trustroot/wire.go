package trustroot

import (
	"encoding/json/jsontext"
	"fmt"
	"strconv"
	"time"

	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
	"github.com/bundler-sign/bundler/pkg/internal/pbjson"
)

// The messages of sigstore_trustroot.proto and sigstore_common.proto in their
// JSON form. Pointers tell absent from empty.

type wireRoot struct {
	MediaType string          `json:"mediaType"`
	TLogs     []wireLog       `json:"tlogs,omitempty"`
	CAs       []wireAuthority `json:"certificateAuthorities,omitempty"`
	CTLogs    []wireLog       `json:"ctlogs,omitempty"`
	TSAs      []wireAuthority `json:"timestampAuthorities,omitempty"`
}

type wireLog struct {
	BaseURL         string         `json:"baseUrl,omitempty"`
	HashAlgorithm   enum           `json:"hashAlgorithm,omitzero"`
	PublicKey       *wirePublicKey `json:"publicKey,omitzero"`
	LogID           *wireLogID     `json:"logId,omitzero"`
	CheckpointKeyID *wireLogID     `json:"checkpointKeyId,omitzero"`
	Operator        string         `json:"operator,omitempty"`
}

type wireLogID struct {
	KeyID pbjson.Bytes `json:"keyId"`
}

type wirePublicKey struct {
	RawBytes   pbjson.Bytes   `json:"rawBytes,omitempty"`
	KeyDetails enum           `json:"keyDetails,omitzero"`
	ValidFor   *wireTimeRange `json:"validFor,omitzero"`
}

type wireTimeRange struct {
	Start *pbjson.Time `json:"start,omitzero"`
	End   *pbjson.Time `json:"end,omitzero"`
}

type wireAuthority struct {
	Subject   *wireName      `json:"subject,omitzero"` // for people; the certificates decide
	URI       string         `json:"uri,omitempty"`
	CertChain *wireChain     `json:"certChain,omitzero"`
	ValidFor  *wireTimeRange `json:"validFor,omitzero"`
	Operator  string         `json:"operator,omitempty"`
}

type wireName struct {
	Organization string `json:"organization,omitempty"`
	CommonName   string `json:"commonName,omitempty"`
}

type wireChain struct {
	Certificates []wireCertificate `json:"certificates,omitempty"`
}

type wireCertificate struct {
	RawBytes pbjson.Bytes `json:"rawBytes"`
}

type wireSigning struct {
	MediaType       string        `json:"mediaType"`
	CAURLs          []wireService `json:"caUrls,omitempty"`
	OIDCURLs        []wireService `json:"oidcUrls,omitempty"`
	RekorTLogURLs   []wireService `json:"rekorTlogUrls,omitempty"`
	RekorTLogConfig *wireSelector `json:"rekorTlogConfig,omitzero"`
	TSAURLs         []wireService `json:"tsaUrls,omitempty"`
	TSAConfig       *wireSelector `json:"tsaConfig,omitzero"`
}

type wireService struct {
	URL             string         `json:"url"`
	MajorAPIVersion uint32         `json:"majorApiVersion,omitzero"`
	ValidFor        *wireTimeRange `json:"validFor,omitzero"`
	Operator        string         `json:"operator,omitempty"`
}

type wireSelector struct {
	Selector enum   `json:"selector,omitzero"`
	Count    uint32 `json:"count,omitzero"`
}

type wireClient struct {
	MediaType     string       `json:"mediaType"`
	TrustedRoot   *wireRoot    `json:"trustedRoot,omitzero"`
	SigningConfig *wireSigning `json:"signingConfig,omitzero"`
}

type wireKeyring struct {
	MediaType     string       `json:"mediaType"`
	Keys          []wireKey    `json:"keys"`
	TrustedRoot   *wireRoot    `json:"trustedRoot,omitzero"`
	SigningConfig *wireSigning `json:"signingConfig,omitzero"`
}

type wireKey struct {
	Hint      string         `json:"hint,omitempty"`
	PublicKey *wirePublicKey `json:"publicKey,omitzero"`
}

// An enum is a protobuf enum value as written: a name, or a number in decimal.
// It is kept as text so that one entry with a value from the future does not
// make the whole document unreadable.
type enum string

func (e *enum) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	v, err := dec.ReadValue()
	if err != nil {
		return err
	}
	switch v.Kind() {
	case '"':
		if name := v[1 : len(v)-1]; isEnumName(name) {
			*e = enum(name)
			return nil
		}
	case '0':
		if _, err := strconv.ParseInt(string(v), 10, 32); err == nil {
			*e = enum(v)
			return nil
		}
	}
	return fmt.Errorf("expected the name or number of an enum value, found %.60q", v)
}

func (e enum) MarshalJSONTo(enc *jsontext.Encoder) error {
	return enc.WriteToken(jsontext.String(string(e)))
}

func isEnumName(name []byte) bool {
	if len(name) == 0 || len(name) > 64 {
		return false
	}
	for i, c := range name {
		if ('A' > c || c > 'Z') && (i == 0 || c != '_' && ('0' > c || c > '9')) {
			return false
		}
	}
	return true
}

// details returns the key type that e names. An absent one is a fault; one
// that is not known is an *unknownKeyError.
func (e enum) details() (KeyDetails, error) {
	switch e {
	case "", "0", "PUBLIC_KEY_DETAILS_UNSPECIFIED":
		return 0, fmt.Errorf("expected a key type, found none")
	}
	if n, err := strconv.ParseInt(string(e), 10, 32); err == nil && KeyDetails(n).Known() {
		return KeyDetails(n), nil
	}
	if d, ok := keyspec.Parse(string(e)); ok {
		return d, nil
	}
	return 0, &unknownKeyError{name: string(e)}
}

// validity turns a TimeRange message into a closed interval.
func (r *wireTimeRange) validity(path string) (Validity, error) {
	var v Validity
	if r == nil {
		return v, nil
	}
	for _, end := range []struct {
		name string
		wire *pbjson.Time
		to   *time.Time
	}{{"start", r.Start, &v.Start}, {"end", r.End, &v.End}} {
		if end.wire == nil {
			continue
		}
		*end.to = time.Time(*end.wire)
		if end.to.IsZero() {
			// The zero time means "open" in a Validity.
			return Validity{}, fail(path+"/"+end.name, "expected a time after the beginning of year 1, found %s", end.to.Format(time.RFC3339))
		}
	}
	if !v.End.IsZero() && v.End.Before(v.Start) {
		return Validity{}, fail(path+"/end", "expected an end at or after the start (%s), found %s",
			v.Start.Format(time.RFC3339Nano), v.End.Format(time.RFC3339Nano))
	}
	return v, nil
}

// started is validity for messages that must say when they begin.
func (r *wireTimeRange) started(path string) (Validity, error) {
	v, err := r.validity(path)
	if err == nil && v.Start.IsZero() {
		err = fail(path+"/start", "expected the time from which this entry is trusted, found none")
	}
	return v, err
}

func wireValidity(v Validity) *wireTimeRange {
	if v == (Validity{}) {
		return nil
	}
	r := &wireTimeRange{}
	if !v.Start.IsZero() {
		r.Start = (*pbjson.Time)(&v.Start)
	}
	if !v.End.IsZero() {
		r.End = (*pbjson.Time)(&v.End)
	}
	return r
}
