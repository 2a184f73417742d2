package strictjson

import (
	jsonv1 "encoding/json"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"reflect"
	"testing"
)

// FuzzUnmarshal asserts that what is accepted has one reading: the strict and
// the lenient parser of the standard library build the same value from it. It
// also asserts that Valid accepts what Unmarshal can read, no more, no less.
func FuzzUnmarshal(f *testing.F) {
	accepted := 0
	for _, test := range faults {
		f.Add([]byte(test.refused))
		f.Add([]byte(test.accepted))
		if Unmarshal([]byte(test.accepted), new(any), Limits{}) == nil {
			accepted++
		}
	}
	if accepted == 0 {
		f.Fatal("no seed is accepted: the properties hold for nothing")
	}
	limits := Limits{AnyNull: true}
	f.Fuzz(func(t *testing.T, data []byte) {
		valid := Valid(data, limits)
		var raw jsontext.Value
		if err := Unmarshal(data, &raw, limits); (err == nil) != (valid == nil) {
			t.Errorf("Valid says %v, Unmarshal says %v", valid, err)
		}
		var got, lenient, strict any
		err := Unmarshal(data, &got, limits)
		if err != nil && valid == nil && jsonv1.Unmarshal(data, &lenient) == nil {
			t.Errorf("valid, and refused: %v", err)
		}
		if err != nil {
			return
		}
		if valid != nil {
			t.Errorf("read, but not valid: %v", valid)
		}
		if err := jsonv1.Unmarshal(data, &lenient); err != nil || !reflect.DeepEqual(got, lenient) {
			t.Errorf("got %#v, the lenient parser %#v, %v", got, lenient, err)
		}
		if err := json.Unmarshal(data, &strict); err != nil || !reflect.DeepEqual(got, strict) {
			t.Errorf("got %#v, the strict parser %#v, %v", got, strict, err)
		}
	})
}
