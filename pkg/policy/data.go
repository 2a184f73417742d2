package policy

import (
	"bytes"
	jsonv1 "encoding/json"
	"encoding/json/v2"
	"errors"
	"fmt"
)

// ParseData parses a file of data.params: one JSON object, without duplicate
// names. Its numbers stay exact.
func ParseData(text []byte) (map[string]any, error) {
	if len(text) > MaxData {
		return nil, fmt.Errorf("expected at most %d bytes, found more", MaxData)
	}
	var strict any // for the errors alone: duplicate names, text that is not UTF-8
	if err := json.Unmarshal(text, &strict); err != nil {
		return nil, err
	}
	dec := jsonv1.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var data map[string]any
	if err := dec.Decode(&data); err != nil {
		return nil, err
	}
	if data == nil {
		return nil, errors.New("expected an object, found null")
	}
	return data, nil
}
