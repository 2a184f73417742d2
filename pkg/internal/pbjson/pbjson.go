// Package pbjson answers: how does Protocol Buffers' JSON mapping spell this
// value? It has the scalar types that Sigstore's JSON documents are made of,
// for use as struct fields with encoding/json/v2.
//
// Reading is as wide as the mapping allows a writer to be (base64 in either
// alphabet, padded or not; 64-bit integers quoted or not; enums by name or
// number); writing is canonical.
// Source: protobuf.dev/programming-guides/json.
package pbjson

import (
	"encoding/base64"
	"encoding/json/jsontext"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Bytes is a bytes field: base64 in JSON.
type Bytes []byte

var (
	stdEncoding = base64.StdEncoding.Strict()
	urlEncoding = base64.URLEncoding.Strict()
)

// DecodeBase64 decodes standard or URL-safe base64, padded or not. The two
// alphabets may not be mixed, and white space inside is refused, so that every
// reader sees the same bytes.
func DecodeBase64(s []byte) ([]byte, error) {
	enc := stdEncoding
	for _, c := range s {
		switch c {
		case '-', '_':
			enc = urlEncoding
		case '\r', '\n':
			return nil, errors.New("expected base64, found a line break inside it")
		}
	}
	if len(s)%4 != 0 {
		enc = enc.WithPadding(base64.NoPadding)
	}
	out := make([]byte, enc.DecodedLen(len(s)))
	n, err := enc.Decode(out, s)
	if err != nil {
		return nil, errors.New("expected base64, found other characters or a wrong length")
	}
	return out[:n], nil
}

func (b *Bytes) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	s, err := readString(dec, "a base64 string")
	if err != nil {
		return err
	}
	*b, err = DecodeBase64(s)
	return err
}

func (b Bytes) MarshalJSONTo(enc *jsontext.Encoder) error {
	return enc.WriteToken(jsontext.String(base64.StdEncoding.EncodeToString(b)))
}

// Int64 is an int64 field: a quoted decimal in JSON, or a bare one.
type Int64 int64

func (i *Int64) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	v, err := dec.ReadValue()
	if err != nil {
		return err
	}
	text := []byte(v)
	switch v.Kind() {
	case '"':
		text = text[1 : len(text)-1]
	case '0':
	default:
		return fmt.Errorf("expected an integer, found %s", v.Kind())
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != string(text) {
		return fmt.Errorf("expected a 64-bit integer, found %q", clip(text))
	}
	*i = Int64(n)
	return nil
}

func (i Int64) MarshalJSONTo(enc *jsontext.Encoder) error {
	return enc.WriteToken(jsontext.String(strconv.FormatInt(int64(i), 10)))
}

// Time is a google.protobuf.Timestamp: RFC 3339 in JSON, nanoseconds at most.
type Time time.Time

func (t *Time) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	s, err := readString(dec, "an RFC 3339 time")
	if err != nil {
		return err
	}
	parsed, err := time.Parse(time.RFC3339Nano, string(s))
	if err != nil || parsed.Year() < 1 || parsed.Year() > 9999 || strings.ContainsRune(string(s), ',') {
		return fmt.Errorf("expected an RFC 3339 time, found %q", clip(s))
	}
	*t = Time(parsed.UTC())
	return nil
}

func (t Time) MarshalJSONTo(enc *jsontext.Encoder) error {
	return enc.WriteToken(jsontext.String(time.Time(t).UTC().Format(time.RFC3339Nano)))
}

// ReadEnum reads an enum value: its name as names has it, or its number.
func ReadEnum(dec *jsontext.Decoder, names map[int32]string) (int32, error) {
	v, err := dec.ReadValue()
	if err != nil {
		return 0, err
	}
	switch v.Kind() {
	case '"':
		for n, name := range names {
			if name == string(v[1:len(v)-1]) {
				return n, nil
			}
		}
		return 0, &UnknownEnumError{Value: string(clip(v))}
	case '0':
		n, err := strconv.ParseInt(string(v), 10, 32)
		if _, ok := names[int32(n)]; err == nil && ok {
			return int32(n), nil
		}
		return 0, &UnknownEnumError{Value: string(clip(v))}
	}
	return 0, fmt.Errorf("expected a name, found %s", v.Kind())
}

// UnknownEnumError reports an enum value that this program does not know.
type UnknownEnumError struct{ Value string }

func (e *UnknownEnumError) Error() string { return "unknown value " + e.Value }

func readString(dec *jsontext.Decoder, want string) ([]byte, error) {
	v, err := dec.ReadValue()
	if err != nil {
		return nil, err
	}
	if v.Kind() != '"' {
		return nil, fmt.Errorf("expected %s, found %s", want, v.Kind())
	}
	if raw := v[1 : len(v)-1]; !strings.Contains(string(raw), `\`) {
		return raw, nil
	}
	return jsontext.AppendUnquote(nil, v)
}

func clip(b []byte) []byte {
	const most = 40
	if len(b) > most {
		return append(b[:most:most], "..."...)
	}
	return b
}
