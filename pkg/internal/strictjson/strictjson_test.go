package strictjson

import (
	"encoding/json/jsontext"
	"errors"
	"strings"
	"testing"
)

// document stands for the formats that are read with this package.
type document struct {
	Name  string         `json:"name"`
	Size  int64          `json:"size"`
	Items []document     `json:"items"`
	Raw   jsontext.Value `json:"raw"`
}

// Each row is a document with one fault, and its twin without it.
var faults = []struct {
	name, refused, accepted string
	want                    string // part of the error
}{
	{"duplicate-member", `{"name":"a","name":"a"}`, `{"name":"a","size":1}`, `member "name" appears twice`},
	{"duplicate-by-escape", `{"name":"a","n\u0061me":"b"}`, `{"n\u0061me":"b"}`, `member "name" appears twice`},
	{"duplicate-in-nested", `{"items":[{"size":1,"size":2}]}`, `{"items":[{"size":1},{"size":2}]}`, `member "size" appears twice`},
	{"duplicate-in-raw", `{"raw":{"x":{"y":1,"y":1}}}`, `{"raw":{"x":{"y":1,"Y":1}}}`, `member "y" appears twice`},
	{"unknown-member", `{"nane":"a"}`, `{"name":"a"}`, `unknown member "nane"`},
	{"unknown-in-nested", `{"items":[{"x":1}]}`, `{"items":[{"size":1}]}`, `unknown member "x"`},
	{"other-case", `{"Name":"a"}`, `{"name":"a"}`, `unknown member "Name"`},
	{"trailing-document", `{"name":"a"}{}`, `{"name":"a"}`, "invalid character '{' after top-level value"},
	{"trailing-nul", "{}\x00", "{}\n", `invalid character '\x00' after top-level value`},
	{"leading-bom", "\ufeff{}", " {}", `invalid character '\ufeff'`},
	{"comma-after-last", `{"size":1,}`, `{"size":1}`, "invalid character ','"},
	{"comment", `{/* */"size":1}`, `{"size":1}`, "invalid character '/'"},
	{"null-document", `null`, `{}`, "found null"},
	{"null-member", `{"name":null}`, `{"name":""}`, `found null for "name"`},
	{"null-element", `{"items":[null]}`, `{"items":[{}]}`, "found null"},
	{"null-element-after-a-string", `{"raw":["name",null]}`, `{"raw":["name",0]}`, "found null"},
	{"null-in-raw", `{"raw":{"x":null}}`, `{"raw":{"x":"null"}}`, `found null for "x"`},
	{"invalid-utf8", "{\"name\":\"\xff\"}", `{"name":"ÿ"}`, "invalid UTF-8"},
	{"invalid-utf8-in-a-name", "{\"raw\":{\"\xc0\xaf\":1}}", `{"raw":{"/":1}}`, "invalid UTF-8"},
	{"lone-high-surrogate", `{"name":"\ud83d"}`, `{"name":"\ud83d\ude00"}`, `invalid surrogate pair`},
	{"lone-low-surrogate", `{"name":"\ude00"}`, `{"name":"\ud83d\ude00"}`, `invalid surrogate pair`},
	{"control-character", "{\"name\":\"\x01\"}", `{"name":"\u0001"}`, "invalid character"},
	{"string-not-closed", `{"name":"a`, `{"name":"a"}`, "string is not closed"},
	{"closing-quote-escaped", `{"name":"a\\\"}`, `{"name":"a\\"}`, "string is not closed"},
	{"object-not-closed", `{"name":"a"`, `{"name":"a"}`, "the text ends"},
	{"empty", ``, `{}`, "the text ends"},
	{"only-space", " \n", `{}`, "the text ends"},
	{"string-for-number", `{"size":"1"}`, `{"size":1}`, "expected a number, found a string"},
	{"number-for-string", `{"name":1}`, `{"name":"1"}`, "expected a string, found a number"},
	{"object-for-array", `{"items":{}}`, `{"items":[]}`, "expected an array, found an object"},
	{"number-out-of-range", `{"size":9223372036854775808}`, `{"size":9223372036854775807}`, "out of range"},
}

func TestUnmarshalRefusesASecondReading(t *testing.T) {
	t.Parallel()
	for _, test := range faults {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := Unmarshal([]byte(test.refused), new(document), Limits{})
			wantError(t, err, test.want)
			if err := Unmarshal([]byte(test.accepted), new(document), Limits{}); err != nil {
				t.Errorf("the twin %s: got %v, want it accepted", test.accepted, err)
			}
		})
	}
}

func TestValidRefusesASecondReading(t *testing.T) {
	t.Parallel()
	for _, test := range faults {
		err := Valid([]byte(test.refused), Limits{})
		if raw := Unmarshal([]byte(test.refused), new(jsontext.Value), Limits{}); (err == nil) != (raw == nil) {
			t.Errorf("%s: Valid says %v, Unmarshal says %v", test.name, err, raw)
		}
		if err := Valid([]byte(test.accepted), Limits{}); err != nil {
			t.Errorf("%s: the twin %s: got %v, want it accepted", test.name, test.accepted, err)
		}
	}
}

func TestUnmarshalOpenPassesOverUnknownMembersOnly(t *testing.T) {
	t.Parallel()
	var got document
	if err := UnmarshalOpen([]byte(`{"x":{"y":[1]},"name":"a"}`), &got, Limits{}); err != nil || got.Name != "a" {
		t.Errorf("got %+v, %v, want the name and no error", got, err)
	}
	for _, bad := range []string{
		`{"x":{"y":1,"y":2}}`, `{"x":1,"x":2}`, `{"x":null}`, "{\"x\":\"\xff\"}", `{"x":1}{}`, `{"name":1}`,
	} {
		if err := UnmarshalOpen([]byte(bad), new(document), Limits{}); err == nil {
			t.Errorf("%s: accepted, want an error", bad)
		}
	}
}

func TestNullOnlyWhereItMayStand(t *testing.T) {
	t.Parallel()
	limits := Limits{Null: []string{"raw"}}
	for text, accepted := range map[string]bool{
		`{"raw":null}`:               true,
		`{"raw" : null}`:             true,
		`{"items":[{"raw":null}]}`:   true,
		`{"name":null}`:              false,
		`{"raw":[null]}`:             false,
		`{"raw":{"x":null}}`:         false,
		`{"raw":["raw",null]}`:       false,
		`{"r\u0061w":null}`:          false,
		`{"name":"raw","x":null}`:    false,
		`{"raw":"a","items":[null]}`: false,
	} {
		if err := UnmarshalOpen([]byte(text), new(document), limits); (err == nil) != accepted {
			t.Errorf("%s: got %v, want accepted %v", text, err, accepted)
		}
	}
	if err := Valid([]byte(`{"name":[null]}`), Limits{AnyNull: true}); err != nil {
		t.Errorf("with AnyNull: got %v, want it accepted", err)
	}
}

func TestErrorNamesThePlace(t *testing.T) {
	t.Parallel()
	text := "{\n  \"items\": [\n    {\"name\": 7}\n  ]\n}"
	err := Unmarshal([]byte(text), new(document), Limits{})
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Line != 3 || e.Pointer != "/items/0/name" {
		t.Fatalf("got %v, want line 3 and /items/0/name", err)
	}
	text = "{\n  \"name\": \"a\",\n  \"name\": \"b\"\n}"
	err = Unmarshal([]byte(text), new(document), Limits{})
	if e, ok := errors.AsType[*Error](err); !ok || e.Line != 3 || e.Column != 3 || e.Pointer != "/name" {
		t.Fatalf("got %v, want line 3, column 3 and /name", err)
	}
}

func TestErrorIsFitForATerminal(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{"\u001b[2J\u202e":1}`,
		`{"raw":{"\u001b[2J":1,"\u001b[2J":1}}`,
		`{"raw":{"\u001b[2J":null}}`,
		`{"` + strings.Repeat("x", 1<<20) + `":1}`,
		`{"` + strings.Repeat("x", 1<<20) + `":null}`,
	} {
		err := Unmarshal([]byte(text), new(document), Limits{})
		if err == nil {
			t.Fatalf("%.40s: accepted, want an error", text)
		}
		if got := err.Error(); len(got) > 500 || strings.ContainsAny(got, "\x1b\u202e") {
			t.Errorf("got %d bytes, %.200q: want a short line without control characters", len(got), got)
		}
	}
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if _, ok := errors.AsType[*Error](err); !ok {
		t.Errorf("got %v, want an *Error", err)
	} else if !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q in it", err, want)
	}
}
