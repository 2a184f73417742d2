package policy

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"errors"
	"fmt"
)

// MaxInput bounds an input document in a file, in bytes.
const MaxInput = 32 << 20

// A Document is an input that was written by verify --print-policy-input, and
// maybe edited: of one bundle, or of a set.
type Document struct {
	One *Input
	Set *SetInput
}

// ParseInput parses an input document. A member that the schema does not have
// is an error.
func ParseInput(text []byte) (*Document, error) {
	if len(text) > MaxInput {
		return nil, fmt.Errorf("expected at most %d bytes, found more", MaxInput)
	}
	var kind struct {
		Version int            `json:"schemaVersion"`
		Results jsontext.Value `json:"results"`
	}
	if err := json.Unmarshal(text, &kind); err != nil {
		return nil, err
	}
	if kind.Version != SchemaVersion {
		return nil, fmt.Errorf("expected schemaVersion %d, found %d", SchemaVersion, kind.Version)
	}
	d := &Document{}
	if kind.Results == nil {
		d.One = &Input{}
		if err := json.Unmarshal(text, d.One, json.RejectUnknownMembers(true)); err != nil {
			return nil, err
		}
		d.One.complete()
		return d, nil
	}
	d.Set = &SetInput{}
	if err := json.Unmarshal(text, d.Set, json.RejectUnknownMembers(true)); err != nil {
		return nil, err
	}
	for _, in := range d.Set.Results {
		if in == nil {
			return nil, errors.New("at /results: expected objects, found null")
		}
		in.complete()
	}
	return d, nil
}

// complete gives a statement without a predicate the null that it has.
func (in *Input) complete() {
	if s := in.Statement; s != nil && len(s.Predicate) == 0 {
		s.Predicate = jsontext.Value("null")
	}
}

// SetParams replaces the parameters, of every member of a set too.
func (d *Document) SetParams(params map[string]string) {
	if d.One != nil {
		d.One.Params = params
		return
	}
	d.Set.Params = params
	for _, in := range d.Set.Results {
		in.Params = params
	}
}
