package strictjson

import (
	"encoding/json/jsontext"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestLimitsAreExact(t *testing.T) {
	t.Parallel()
	limits := Limits{Bytes: 40, Depth: 3, Values: 5, Number: 4}
	for _, test := range []struct{ name, refused, accepted, want string }{
		{"bytes", strings.Repeat(" ", 39) + "{}", strings.Repeat(" ", 38) + "{}", "larger than the limit of 40 bytes"},
		{"depth", `[[[[]]]]`, `[[[]]]`, "deeper than the limit of 3"},
		{"depth-of-objects", `{"":{"":{"":{}}}}`, `{"":{"":{"":0}}}`, "deeper than the limit of 3"},
		{"depth-is-not-count", `[[],[[[]]]]`, `[[],[[]]]`, "deeper than the limit of 3"},
		{"elements", `[0,0,0,0,0,0]`, `[0,0,0,0,0]`, "more values than the limit of 5"},
		{"members", `{"a":0,"b":0,"c":0,"d":0,"e":0,"f":0}`, `{"a":0,"b":0,"c":0,"d":0,"e":0}`, "more values than the limit of 5"},
		{"containers", `[[],[],[]]`, `[[],[]]`, "more values than the limit of 5"},
		{"number", `[12345]`, `[1234]`, "longer than the limit of 4 bytes"},
		{"number-with-sign", `[-1234]`, `[-123]`, "longer than the limit of 4 bytes"},
		{"number-with-exponent", `[1e+10]`, `[1e10]`, "longer than the limit of 4 bytes"},
		{"brackets-in-a-string", `["[[[[",[[[]]]]`, `["[[[[",[[]]]`, "deeper than the limit of 3"},
		{"number-in-a-string", `["a",12345]`, `["12345",1]`, "longer than the limit of 4 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			wantError(t, Check([]byte(test.refused), limits), test.want)
			wantError(t, Valid([]byte(test.refused), limits), test.want)
			wantError(t, Unmarshal([]byte(test.refused), new(any), limits), test.want)
			if err := Unmarshal([]byte(test.accepted), new(any), limits); err != nil {
				t.Errorf("the twin %s: got %v, want it accepted", test.accepted, err)
			}
		})
	}
}

func TestZeroLimitsAreTheDefaults(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		make func(n int) string
		most int
	}{
		{"depth", func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }, DefaultDepth},
		{"number", func(n int) string { return strings.Repeat("1", n) }, DefaultNumber},
		{"values", func(n int) string { return "[0" + strings.Repeat(",0", n-1) + "]" }, DefaultValues},
		{"bytes", func(n int) string { return `"` + strings.Repeat("x", n-2) + `"` }, DefaultBytes},
	} {
		if err := Valid([]byte(test.make(test.most)), Limits{}); err != nil {
			t.Errorf("%s at the limit: got %v, want it accepted", test.name, err)
		}
		if err := Valid([]byte(test.make(test.most+1)), Limits{}); err == nil {
			t.Errorf("%s over the limit: accepted, want an error", test.name)
		}
	}
}

// TestHostileDocumentsAreRefusedEarly has the exhaustion cases that belong to
// every document. It measures, so it does not run beside other tests.
func TestHostileDocumentsAreRefusedEarly(t *testing.T) {
	for _, test := range []struct {
		name, refused, accepted, want string
		stop                          int // column at which reading must have stopped, at the latest
	}{
		{
			"R04-nested-200k-deep", strings.Repeat("[", 200_000), strings.Repeat("[", 60) + strings.Repeat("]", 60),
			"nested deeper", DefaultDepth + 1,
		},
		{
			"R04-objects-nested-200k-deep", strings.Repeat(`{"a":`, 200_000), strings.Repeat(`{"a":`, 60) + "0" + strings.Repeat("}", 60),
			"nested deeper", 5*DefaultDepth + 1,
		},
		{
			"R05-number-of-a-million-digits", "[" + strings.Repeat("9", 1_000_000) + "]", "[" + strings.Repeat("9", 60) + "]",
			"number is longer", 2,
		},
		{
			"R03-two-million-objects", `{"predicate":[{}` + strings.Repeat(",{}", 2_000_000-1) + "]}", `{"predicate":[{}` + strings.Repeat(",{}", 90_000) + "]}",
			"more values", 15 + 3*DefaultValues/2,
		},
		{
			"two-million-members", `{"":0` + strings.Repeat(`,"":`, 1_500_000) + "}", `{"":0}`,
			"more values", 6 + 4*DefaultValues,
		},
		{
			"quotes-all-escaped", `["` + strings.Repeat(`\"`, 4_000_000), `["` + strings.Repeat(`\"`, 4_000_000) + `"]`,
			"string is not closed", 2,
		},
		{
			"backslashes", `["` + strings.Repeat(`\`, 8_000_001) + `"]`, `["` + strings.Repeat(`\`, 8_000_000) + `"]`,
			"string is not closed", 2,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			refused := []byte(test.refused)
			start := time.Now()
			err := Unmarshal(refused, new(any), Limits{})
			// Far above what it takes, far below what a quadratic scan would.
			if took, most := time.Since(start), time.Second; took > most || strings.HasPrefix(test.name, "R05") && took > most/10 {
				t.Errorf("took %v", took)
			}
			wantError(t, err, test.want)
			if e, ok := errors.AsType[*Error](err); ok && e.Column > test.stop {
				t.Errorf("stopped at column %d, want %d at most", e.Column, test.stop)
			}
			// The error is all that a refused document costs.
			if n := testing.AllocsPerRun(1, func() { err = Check(refused, Limits{}) }); n > 10 {
				t.Errorf("got %v allocations, want those of the error", n)
			}
			if err := Valid([]byte(test.accepted), Limits{}); err != nil {
				t.Errorf("the twin: got %v, want it accepted", err)
			}
		})
	}
}

// A caller may ask for more depth than the parser is willing to go.
func TestDepthBeyondTheParserIsAnError(t *testing.T) {
	t.Parallel()
	deep := []byte(strings.Repeat("[", 200_000) + strings.Repeat("]", 200_000))
	limits := Limits{Depth: 1 << 20, Values: 1 << 20}
	if err := Check(deep, limits); err != nil {
		t.Fatalf("Check: got %v, want no fault: the limits allow it", err)
	}
	wantError(t, Unmarshal(deep, new(any), limits), "exceeded max depth")
	wantError(t, Valid(deep, limits), "exceeded max depth")
}

func TestCheckDoesNotAllocate(t *testing.T) {
	entry := `{"name":"x \"quoted\" \\","size":-12.5e3,"raw":{"flags":[true,false,null]}}`
	doc := []byte("[" + entry + strings.Repeat(",\n"+entry, 1000) + "]")
	limits := Limits{Null: []string{"other", "flags"}, AnyNull: true}
	for name, check := range map[string]func() error{
		"any null":   func() error { return Check(doc, limits) },
		"named null": func() error { return Check([]byte(`{"flags":null}`), Limits{Null: limits.Null}) },
	} {
		if n := testing.AllocsPerRun(10, func() {
			if err := check(); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: got %v allocations, want none", name, n)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	doc := []byte("[0" + strings.Repeat(`,{"name":"some text of usual length","size":1}`, 1000) + "]")
	b.SetBytes(int64(len(doc)))
	for b.Loop() {
		if err := Check(doc, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleUnmarshal() {
	var v struct {
		Name string         `json:"name"`
		Raw  jsontext.Value `json:"raw"`
	}
	fmt.Println(Unmarshal([]byte(`{"name":"a","raw":{"b":1}}`), &v, Limits{}), v.Name)
	fmt.Println(Unmarshal([]byte(`{"name":"a","raw":{"b":1,"b":2}}`), &v, Limits{}))
	// Output:
	// <nil> a
	// at /raw/b (line 1, column 26): member "b" appears twice
}
