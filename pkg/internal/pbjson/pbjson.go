// Package pbjson answers: how does Protocol Buffers' JSON mapping spell this
// value? It has the scalar types that Sigstore's JSON documents are made of,
// for use as struct fields with encoding/json/v2.
//
// Reading is as wide as the mapping allows a writer to be (base64 in either
// alphabet, padded or not; 64-bit integers quoted or not; enums by name or
// number; times in any zone), but no wider: a value has one spelling in each of
// these forms, so integers have no exponent and base64 no stray bits. Writing is
// canonical.
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

// Time is a google.protobuf.Timestamp: RFC 3339 in JSON, nanoseconds at most,
// years 1 to 9999 in UTC.
type Time time.Time

func (t *Time) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	s, err := readString(dec, "an RFC 3339 time")
	if err != nil {
		return err
	}
	parsed, err := time.Parse(time.RFC3339Nano, string(s))
	if err != nil || !isRFC3339(string(s)) || !inRange(parsed) {
		return fmt.Errorf("expected an RFC 3339 time, found %q", clip(s))
	}
	*t = Time(parsed.UTC())
	return nil
}

func (t Time) MarshalJSONTo(enc *jsontext.Encoder) error {
	u := time.Time(t).UTC()
	if !inRange(u) {
		return fmt.Errorf("expected a time in the years 1 to 9999, found year %d", u.Year())
	}
	layout := "2006-01-02T15:04:05.000000000Z"
	switch ns := u.Nanosecond(); {
	case ns == 0:
		layout = "2006-01-02T15:04:05Z"
	case ns%1_000_000 == 0:
		layout = "2006-01-02T15:04:05.000Z"
	case ns%1_000 == 0:
		layout = "2006-01-02T15:04:05.000000Z"
	}
	return enc.WriteToken(jsontext.String(u.Format(layout)))
}

func inRange(t time.Time) bool {
	year := t.UTC().Year()
	return 1 <= year && year <= 9999
}

// isRFC3339 refuses what time.Parse lets through: an hour of one digit, a comma
// before the fraction, a fraction of more than nine digits (it would be cut
// off), and an offset of a day or an hour in minutes. s has been parsed.
func isRFC3339(s string) bool {
	const seconds = len("2006-01-02T15:04:05")
	if s[len("2006-01-02T15")] != ':' {
		return false
	}
	zone := strings.IndexAny(s[seconds:], "Z+-")
	if zone > len(".999999999") || s[seconds] == ',' {
		return false
	}
	offset := s[seconds+zone:]
	return offset == "Z" || offset[1:3] < "24" && offset[4:6] < "60"
}

// ReadEnum reads an enum value: its name as names has it, or its number. A value
// that names does not have is an *UnknownEnumError.
func ReadEnum(dec *jsontext.Decoder, names map[int32]string) (int32, error) {
	v, err := dec.ReadValue()
	if err != nil {
		return 0, err
	}
	switch v.Kind() {
	case '"':
		text := string(v[1 : len(v)-1])
		for n, name := range names {
			if name == text {
				return n, nil
			}
		}
		return 0, &UnknownEnumError{Value: string(clip([]byte(text)))}
	case '0':
		n, err := strconv.ParseInt(string(v), 10, 32)
		_, known := names[int32(n)]
		if err == nil && known && strconv.FormatInt(n, 10) == string(v) {
			return int32(n), nil
		}
		return 0, &UnknownEnumError{Value: string(clip(v))}
	}
	return 0, fmt.Errorf("expected a name, found %s", v.Kind())
}

// UnknownEnumError reports an enum value that this program does not know.
type UnknownEnumError struct {
	Value string // the name or number as the document spells it, cut off if long
}

func (e *UnknownEnumError) Error() string { return fmt.Sprintf("unknown value %q", e.Value) }

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
