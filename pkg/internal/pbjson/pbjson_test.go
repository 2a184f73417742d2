package pbjson

import (
	"bytes"
	"encoding/base64"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"errors"
	"math"
	"strings"
	"testing"
	"time"
	"unicode"
)

func TestBytesReadsEitherAlphabet(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, accepted string
		want           string // the decoded bytes
		refused        []string
	}{
		{"empty", `""`, "", []string{`"="`, `"===="`}},
		{"padded", `"/+8="`, "\xff\xef", []string{`"/+8=="`, `"/+8= "`, `"/+8=\n"`, `"=/+8"`}},
		{"unpadded", `"/+8"`, "\xff\xef", []string{`"/+8A8"`, `"/"`}},
		{"url", `"_-8="`, "\xff\xef", []string{`"_+8="`, `"/-8="`}},
		{"url-unpadded", `"_-8"`, "\xff\xef", []string{`"_+8"`}},
		{"whole-groups", `"AAEC"`, "\x00\x01\x02", []string{`"AAEC===="`, `"A\nAEC"`, `"AAEC\r\n"`, `"AA EC"`}},
		{"trailing-bits", `"QQ=="`, "A", []string{`"QR=="`, `"Qf=="`}},
		{"trailing-bits-unpadded", `"QQ"`, "A", []string{`"QR"`}},
		{"escaped", `"QQ\u003d="`, "A", []string{`"QQ\u003d\u003d\u003d"`}},
		{"type", `"QQ=="`, "A", []string{`1`, `true`, `null`, `{}`, `["QQ=="]`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var got Bytes
			if err := json.Unmarshal([]byte(test.accepted), &got); err != nil || string(got) != test.want {
				t.Errorf("%s: got %q, %v, want %q", test.accepted, got, err, test.want)
			}
			refuseAll[Bytes](t, test.refused)
		})
	}
}

func TestInt64ReadsQuotedAndBare(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, accepted string
		want           Int64
		refused        []string
	}{
		{"quoted", `"12"`, 12, []string{`"012"`, `"+12"`, `" 12"`, `"12 "`, `"1_2"`, `"0x12"`, `"\u0031"`, `"12\u0000"`}},
		{"bare", `12`, 12, []string{`12.0`, `12e0`, `1.2e1`, `-12.0`}},
		{"zero", `"0"`, 0, []string{`"-0"`, `-0`, `"00"`, `""`, `"-"`}},
		{"most", `"9223372036854775807"`, math.MaxInt64, []string{`"9223372036854775808"`, `9223372036854775808`, `"1` + strings.Repeat("0", 1_000_000) + `"`}},
		{"least", `-9223372036854775808`, math.MinInt64, []string{`-9223372036854775809`, `"-9223372036854775809"`}},
		{"type", `"1"`, 1, []string{`true`, `null`, `{}`, `[1]`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var got Int64
			if err := json.Unmarshal([]byte(test.accepted), &got); err != nil || got != test.want {
				t.Errorf("%s: got %d, %v, want %d", test.accepted, got, err, test.want)
			}
			refuseAll[Int64](t, test.refused)
		})
	}
}

func TestTimeReadsRFC3339(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, accepted, want string // want as it is written
		refused              []string
	}{
		{"utc", `"2026-01-02T03:04:05Z"`, `"2026-01-02T03:04:05Z"`, []string{
			`"2026-01-02T3:04:05Z"`, `"2026-01-02T03:04:05"`, `"2026-01-02t03:04:05z"`, `"2026-01-02 03:04:05Z"`,
			`"2026-1-02T03:04:05Z"`, `"2026-01-02T03:04:05ZZ"`, `"2026-01-02"`, `""`, `"now"`, `1767323045`, `null`, `{}`,
		}},
		{"milliseconds", `"2026-01-02T03:04:05.5Z"`, `"2026-01-02T03:04:05.500Z"`, []string{`"2026-01-02T03:04:05,5Z"`, `"2026-01-02T03:04:05.Z"`}},
		{"microseconds", `"2026-01-02T03:04:05.123400Z"`, `"2026-01-02T03:04:05.123400Z"`, nil},
		{"nanoseconds", `"2026-01-02T03:04:05.123456789Z"`, `"2026-01-02T03:04:05.123456789Z"`, []string{
			`"2026-01-02T03:04:05.1234567890Z"`, `"2026-01-02T03:04:05.1234567891+01:00"`,
		}},
		{"offset", `"2026-01-02T03:04:05+23:59"`, `"2026-01-01T03:05:05Z"`, []string{
			`"2026-01-02T03:04:05+24:00"`, `"2026-01-02T03:04:05+23:60"`, `"2026-01-02T03:04:05+2359"`, `"2026-01-02T03:04:05 +23:59"`,
		}},
		{"calendar", `"2024-02-29T23:59:59Z"`, `"2024-02-29T23:59:59Z"`, []string{
			`"2026-02-29T23:59:59Z"`, `"2024-02-29T24:00:00Z"`, `"2024-02-29T23:60:00Z"`, `"2024-02-29T23:59:60Z"`,
		}},
		{"first-year", `"0001-01-01T00:00:00Z"`, `"0001-01-01T00:00:00Z"`, []string{`"0000-12-31T23:59:59Z"`, `"0001-01-01T00:00:00+00:01"`}},
		{"last-year", `"9999-12-31T23:59:59Z"`, `"9999-12-31T23:59:59Z"`, []string{`"9999-12-31T23:59:59-00:01"`, `"10000-01-01T00:00:00Z"`}},
		{"escaped", `"2026-01-02\u005403:04:05Z"`, `"2026-01-02T03:04:05Z"`, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var got Time
			if err := json.Unmarshal([]byte(test.accepted), &got); err != nil {
				t.Fatalf("%s: got %v, want it accepted", test.accepted, err)
			}
			if text, err := json.Marshal(got); string(text) != test.want {
				t.Errorf("%s: written as %s, %v, want %s", test.accepted, text, err, test.want)
			}
			refuseAll[Time](t, test.refused)
		})
	}
}

func TestTimeRefusesToWriteWhatItWouldNotRead(t *testing.T) {
	t.Parallel()
	for _, bad := range []time.Time{time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)} {
		if text, err := json.Marshal(Time(bad)); err == nil {
			t.Errorf("wrote %s, want an error", text)
		}
	}
}

// enum stands for the enums that are read with ReadEnum.
type enum int32

var enumNames = map[int32]string{0: "NONE", 1: "SHA2_256", -3: "NEGATIVE"}

func (e *enum) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	n, err := ReadEnum(dec, enumNames)
	*e = enum(n)
	return err
}

func TestReadEnumKnowsNamesAndNumbers(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]enum{`"SHA2_256"`: 1, `1`: 1, `0`: 0, `"NONE"`: 0, `-3`: -3} {
		var got enum
		if err := json.Unmarshal([]byte(text), &got); err != nil || got != want {
			t.Errorf("%s: got %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{
		`"sha2_256"`, `"SHA2_256 "`, `"SHA2\u005f256"`, `"1"`, `""`, `2`, `1.0`, `1e0`, `-0`, `4294967297`, `9223372036854775808`,
		`"\u001b[2J"`, "\"\u202e\"", `"` + strings.Repeat("x", 1<<20) + `"`,
	} {
		got := enum(1)
		err := json.Unmarshal([]byte(text), &got)
		unknown, ok := errors.AsType[*UnknownEnumError](err)
		if !ok || got != 0 {
			t.Errorf("%.40s: got %d, %v, want an unknown value", text, got, err)
			continue
		}
		if s := unknown.Error(); len(s) > 400 || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%.40s: got %.200q, want a short message for people", text, s)
		}
	}
	refuseAll[enum](t, []string{`true`, `null`, `{}`, `[1]`})
}

// refuseAll asserts that each text is an error that says what was expected.
func refuseAll[T any](t *testing.T, texts []string) {
	t.Helper()
	for _, text := range texts {
		var v T
		err := json.Unmarshal([]byte(text), &v)
		if err == nil {
			t.Errorf("%.60s: accepted as %v, want an error", text, v)
		} else if len(err.Error()) > 400 || !strings.Contains(err.Error(), "expected") {
			t.Errorf("%.60s: got %.200v, want a short message that says what was expected", text, err)
		}
	}
}

// FuzzRoundTrip asserts that writing is canonical: what is read from any text
// is written in a form that is read as the same value and written the same.
func FuzzRoundTrip(f *testing.F) {
	seeds := []string{`""`, `"_-8"`, `"QQ=="`, `12`, `"-9223372036854775808"`, `"2026-01-02T03:04:05.5+01:00"`, `"0001-01-01T00:00:00Z"`, `null`, `{}`}
	accepted := 0
	for _, seed := range seeds {
		f.Add([]byte(seed))
		accepted += roundTrip[Bytes](f, []byte(seed)) + roundTrip[Int64](f, []byte(seed)) + roundTrip[Time](f, []byte(seed))
	}
	if accepted < 7 {
		f.Fatalf("%d seeds are accepted, want 7 at least", accepted)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		roundTrip[Bytes](t, data)
		roundTrip[Int64](t, data)
		roundTrip[Time](t, data)
	})
}

// roundTrip returns 1 if data is a T.
func roundTrip[T any](t testing.TB, data []byte) int {
	t.Helper()
	var first, second T
	if json.Unmarshal(data, &first) != nil {
		return 0
	}
	text, err := json.Marshal(first)
	if err != nil {
		t.Errorf("%T from %q: not written: %v", first, data, err)
		return 1
	}
	if err := json.Unmarshal(text, &second); err != nil {
		t.Errorf("%T from %q: written as %s, which is refused: %v", first, data, text, err)
	}
	if again, err := json.Marshal(second); !bytes.Equal(again, text) {
		t.Errorf("%T from %q: written as %s, then as %s, %v", first, data, text, again, err)
	}
	return 1
}

// FuzzDecodeBase64 asserts that no other decoder finds other bytes in what is
// accepted, and that what it takes without its padding it takes with it.
func FuzzDecodeBase64(f *testing.F) {
	accepted := 0
	for _, seed := range []string{"", "QQ", "QQ==", "_-8", "/+8=", "QR==", "Q\nQ=="} {
		f.Add([]byte(seed))
		if _, err := DecodeBase64([]byte(seed)); err == nil {
			accepted++
		}
	}
	if accepted != 5 {
		f.Fatalf("%d seeds are accepted, want 5", accepted)
	}
	toStd := strings.NewReplacer("-", "+", "_", "/")
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := DecodeBase64(data)
		if err != nil {
			return
		}
		std := strings.TrimRight(toStd.Replace(string(data)), "=")
		want, err := base64.RawStdEncoding.DecodeString(std)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%q: got %x, a lenient decoder %x, %v", data, got, want, err)
		}
		if base64.RawStdEncoding.EncodeToString(got) != std {
			t.Errorf("%q: accepted, and not the one spelling of its bytes", data)
		}
		if _, err := DecodeBase64([]byte(std + strings.Repeat("=", (4-len(std)%4)%4))); err != nil {
			t.Errorf("%q: refused with its padding: %v", data, err)
		}
	})
}
