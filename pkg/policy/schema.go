package policy

import (
	"reflect"
)

// A SetInput is what a policy for a set of signers sees: one Input for each
// distinct signer of the same artifacts.
type SetInput struct {
	SchemaVersion int               `json:"schemaVersion"`
	Results       []*Input          `json:"results"`
	Params        map[string]string `json:"params"`
}

// Schema returns the JSON Schema (draft 7) of the Input, or of the SetInput,
// as Go's JSON values. policies/input.schema.json and policies/set.schema.json
// are its text.
func Schema(set bool) map[string]any {
	t := reflect.TypeFor[Input]()
	title := "Input of bundler's policies, schema version 1"
	if set {
		t, title = reflect.TypeFor[SetInput](), "Input of bundler's policies for sets of signers, schema version 1"
	}
	s := schemaOf(t)
	s["$schema"] = "http://json-schema.org/draft-07/schema#"
	s["title"] = title
	return s
}

// compileSchema is what policies are type-checked against. A policy for a set
// may look at one of its members with the library, by "with input as": both
// are inputs there.
func compileSchema(set bool) map[string]any {
	if !set {
		return schemaOf(reflect.TypeFor[Input]())
	}
	return map[string]any{"anyOf": []any{schemaOf(reflect.TypeFor[SetInput]()), schemaOf(reflect.TypeFor[Input]())}}
}

func schemaOf(t reflect.Type) map[string]any {
	switch t {
	case timeType:
		return map[string]any{"type": "string", "format": "date-time"}
	case jsonType:
		return map[string]any{}
	}
	switch t.Kind() {
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.Pointer:
		if t.Elem() == reflect.TypeFor[Input]() {
			return schemaOf(t.Elem())
		}
		return map[string]any{"anyOf": []any{map[string]any{"type": "null"}, schemaOf(t.Elem())}}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": schemaOf(t.Elem())}
	case reflect.Struct:
		return structSchema(t)
	}
	panic("policy: no schema for " + t.String())
}

func structSchema(t reflect.Type) map[string]any {
	properties, required := make(map[string]any), []any{}
	for i := range t.NumField() {
		name := t.Field(i).Tag.Get("json")
		properties[name] = schemaOf(t.Field(i).Type)
		required = append(required, name)
	}
	return map[string]any{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
}
