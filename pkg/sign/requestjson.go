package sign

import (
	"bytes"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"errors"
	"fmt"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/internal/pbjson"
	"github.com/bundler-sign/bundler/pkg/internal/strictjson"
)

// MediaTypeRequest is the media type of a signing request.
const MediaTypeRequest = "application/vnd.bundler.signingrequest.v1+json"

var requestLimits = strictjson.Limits{Bytes: MaxRequest, Depth: 3, Values: 64, Number: 20}

// The JSON of a request. Pointers are absent or present.
type (
	wireRequest struct {
		MediaType string        `json:"mediaType"`
		Name      string        `json:"name"`
		Algorithm string        `json:"algorithm"`
		Message   *wireMessage  `json:"messageSignature,omitzero"`
		Envelope  *wireEnvelope `json:"dsse,omitzero"`
		ToSign    *pbjson.Bytes `json:"toSign,omitzero"`
		Digest    string        `json:"digest,omitzero"`
	}
	wireMessage struct {
		Size    *pbjson.Int64 `json:"size,omitzero"`
		Digests []string      `json:"digests"`
	}
	wireEnvelope struct {
		PayloadType string       `json:"payloadType"`
		Payload     pbjson.Bytes `json:"payload"`
	}
)

// ParseRequest parses a request. Whatever in it is derived from something else
// in it is computed again and must be the same: a request that was edited is
// refused, unless it was made into another request, which nobody has signed.
func ParseRequest(data []byte) (*Request, error) {
	var w wireRequest
	if err := strictjson.Unmarshal(data, &w, requestLimits); err != nil {
		return nil, fmt.Errorf("signing request: %w", err)
	}
	q, err := fromWire(&w)
	if err == nil {
		err = sameDerived(&w, q)
	}
	if err != nil {
		return nil, fmt.Errorf("signing request: %w", err)
	}
	return q, nil
}

func fromWire(w *wireRequest) (*Request, error) {
	if w.MediaType != MediaTypeRequest {
		return nil, fmt.Errorf("at /mediaType: expected %q, found %q", MediaTypeRequest, w.MediaType)
	}
	q := &Request{name: w.Name, size: -1}
	var err error
	if q.algorithm, err = ParseAlgorithm(w.Algorithm); err != nil {
		return nil, fmt.Errorf("at /algorithm: %w", err)
	}
	switch {
	case (w.Message == nil) == (w.Envelope == nil):
		return nil, errors.New("expected exactly one of messageSignature and dsse")
	case w.Message != nil:
		err = q.messageFromWire(w)
	default:
		err = q.envelopeFromWire(w.Envelope)
	}
	if err != nil {
		return nil, err
	}
	return checked(q)
}

func (q *Request) messageFromWire(w *wireRequest) error {
	if w.Message.Size != nil {
		if q.size = int64(*w.Message.Size); q.size < 0 {
			return fmt.Errorf("at /messageSignature/size: expected 0 or more, found %d", q.size)
		}
	}
	for i, text := range w.Message.Digests {
		d, err := parseDigest(text)
		if err != nil {
			return fmt.Errorf("at /messageSignature/digests/%d: %w", i, err)
		}
		q.digests = append(q.digests, d)
	}
	if w.ToSign != nil && q.algorithm.Hash() == 0 {
		q.message = append([]byte{}, *w.ToSign...)
	}
	return nil
}

func (q *Request) envelopeFromWire(w *wireEnvelope) error {
	if w.PayloadType != bundle.PayloadTypeInToto {
		return fmt.Errorf("at /dsse/payloadType: expected %q, found %q", bundle.PayloadTypeInToto, w.PayloadType)
	}
	if len(w.Payload) == 0 {
		return errors.New("at /dsse/payload: missing")
	}
	q.payload = w.Payload
	return nil
}

// parseDigest accepts a digest in its one spelling.
func parseDigest(text string) (bundle.Digest, error) {
	d, err := bundle.ParseDigest(text)
	if err == nil && d.String() != text {
		err = fmt.Errorf("expected lower-case hexadecimal digits, found %q", text)
	}
	return d, err
}

// sameDerived compares what the text says is derived with what is.
func sameDerived(w *wireRequest, q *Request) error {
	toSign := q.ToSign()
	switch {
	case toSign == nil && w.ToSign != nil:
		return fmt.Errorf("at /toSign: expected nothing, since %v signs the artifact by its digest, found %d bytes", q.algorithm, len(*w.ToSign))
	case toSign != nil && w.ToSign == nil:
		return errors.New("at /toSign: missing")
	case toSign != nil && !bytes.Equal(toSign, *w.ToSign):
		return errors.New("at /toSign: expected the PAE of the payload, found other bytes: the request was edited")
	}
	want := ""
	if d := q.Digest(); !d.IsZero() {
		want = d.String()
	}
	if w.Digest != want {
		return fmt.Errorf("at /digest: expected %q, found %q: the request was edited", want, w.Digest)
	}
	return nil
}

// Marshal returns q as JSON, followed by a line break. The text is the same
// for the same request.
func (q *Request) Marshal() ([]byte, error) {
	w := wireRequest{MediaType: MediaTypeRequest, Name: q.name, Algorithm: q.algorithm.String()}
	if q.IsEnvelope() {
		w.Envelope = &wireEnvelope{PayloadType: bundle.PayloadTypeInToto, Payload: q.payload}
	} else {
		w.Message = &wireMessage{Digests: []string{}}
		if q.size >= 0 {
			size := pbjson.Int64(q.size)
			w.Message.Size = &size
		}
		for _, d := range q.digests {
			w.Message.Digests = append(w.Message.Digests, d.String())
		}
	}
	if toSign := pbjson.Bytes(q.ToSign()); toSign != nil {
		w.ToSign = &toSign
	}
	if d := q.Digest(); !d.IsZero() {
		w.Digest = d.String()
	}
	out, err := json.Marshal(w, jsontext.WithIndent("  "))
	if err != nil {
		return nil, fmt.Errorf("signing request: %w", err)
	}
	return append(out, '\n'), nil
}
