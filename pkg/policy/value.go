package policy

import (
	"encoding/json/jsontext"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

// toValue returns the Rego value of a part of an Input: what its JSON would be
// read as, without writing and reading it.
func toValue(v reflect.Value) (ast.Value, error) {
	switch v.Type() {
	case timeType:
		return ast.String(v.Interface().(time.Time).UTC().Format(time.RFC3339Nano)), nil
	case jsonType:
		return ast.ValueFromReader(strings.NewReader(string(v.Bytes())))
	}
	switch v.Kind() {
	case reflect.String:
		return ast.String(strings.ToValidUTF8(v.String(), "\uFFFD")), nil
	case reflect.Bool:
		return ast.Boolean(v.Bool()), nil
	case reflect.Int, reflect.Int64:
		return ast.IntNumberTerm(int(v.Int())).Value, nil
	case reflect.Pointer:
		if v.IsNil() {
			return ast.NullValue, nil
		}
		return toValue(v.Elem())
	case reflect.Slice:
		return sliceValue(v)
	case reflect.Map:
		return mapValue(v)
	case reflect.Struct:
		return structValue(v)
	}
	return nil, fmt.Errorf("no Rego value for %v", v.Type())
}

var (
	timeType = reflect.TypeFor[time.Time]()
	jsonType = reflect.TypeFor[jsontext.Value]()
)

func sliceValue(v reflect.Value) (ast.Value, error) {
	terms, backing := make([]*ast.Term, v.Len()), make([]ast.Term, v.Len())
	for i := range terms {
		elem, err := toValue(v.Index(i))
		if err != nil {
			return nil, err
		}
		backing[i].Value = elem
		terms[i] = &backing[i]
	}
	return ast.NewArray(terms...), nil
}

func mapValue(v reflect.Value) (ast.Value, error) {
	pairs := make([][2]*ast.Term, 0, v.Len())
	for iter := v.MapRange(); iter.Next(); {
		elem, err := toValue(iter.Value())
		if err != nil {
			return nil, err
		}
		key, err := toValue(iter.Key())
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, [2]*ast.Term{{Value: key}, {Value: elem}})
	}
	return ast.NewObject(pairs...), nil
}

func structValue(v reflect.Value) (ast.Value, error) {
	keys := keysOf(v.Type())
	pairs, backing := make([][2]*ast.Term, len(keys)), make([]ast.Term, len(keys))
	for i, key := range keys {
		elem, err := toValue(v.Field(i))
		if err != nil {
			return nil, err
		}
		backing[i].Value = elem
		pairs[i] = [2]*ast.Term{key, &backing[i]}
	}
	return ast.NewObject(pairs...), nil
}

// fieldKeys caches the keys of structs: reflect.Type to []*ast.Term.
var fieldKeys sync.Map

func keysOf(t reflect.Type) []*ast.Term {
	if keys, ok := fieldKeys.Load(t); ok {
		return keys.([]*ast.Term)
	}
	keys := make([]*ast.Term, t.NumField())
	for i := range keys {
		keys[i] = ast.StringTerm(t.Field(i).Tag.Get("json"))
	}
	fieldKeys.Store(t, keys)
	return keys
}
