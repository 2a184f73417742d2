// Package strictjson answers one question: does this text have exactly one
// reading as JSON, within the limits its reader set?
//
// It refuses what two parsers could read differently: duplicate members,
// members that the target type does not know (a name in another case is another
// name), invalid UTF-8 and lone surrogates, bytes before or after the document,
// and null where a value belongs. Limits are enforced by one scan of the bytes
// that allocates nothing, before any value is built.
//
// It says nothing about what the values mean.
package strictjson

import (
	"bytes"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
)

// Limits bounds a document before it is parsed. A zero field takes the
// default named beside it.
type Limits struct {
	Bytes  int // size of the document; default 8 MiB
	Depth  int // nesting of objects and arrays; default 64
	Values int // commas and opening brackets, which bounds members and elements; default 200,000
	Number int // bytes in one number; default 64

	// Null lists the member names whose value may be null, spelled without
	// escapes. Elsewhere, and in an array under such a name, null is refused: it would be read as "absent" by one reader and as a value by
	// another. AnyNull allows null everywhere, for documents whose format
	// gives it a meaning.
	Null    []string
	AnyNull bool
}

// Defaults for the fields of Limits.
const (
	DefaultBytes  = 8 << 20
	DefaultDepth  = 64
	DefaultValues = 200_000
	DefaultNumber = 64
)

// An Error says where a document stops being acceptable, and why.
type Error struct {
	Line, Column int    // 1-based, of the byte at which reading stopped
	Pointer      string // RFC 6901 pointer to the value, if known
	Reason       string // what was expected and what was found
}

func (e *Error) Error() string {
	where := fmt.Sprintf("line %d, column %d", e.Line, e.Column)
	if e.Pointer != "" {
		where = fmt.Sprintf("%s (%s)", printable(e.Pointer), where)
	}
	return fmt.Sprintf("at %s: %s", where, e.Reason)
}

// Unmarshal parses data into v, which must be a pointer. Members that v has no
// field for are refused. On error v holds nothing of use. The error is an
// *Error.
func Unmarshal(data []byte, v any, limits Limits) error {
	return unmarshal(data, v, limits, true)
}

// UnmarshalOpen is like Unmarshal but passes over members that v has no field
// for, for formats that reserve the right to add some. They are still held to
// every other rule. A member named like a field of v but in another case is
// passed over too: a format that some read without regard to case needs
// Unmarshal.
func UnmarshalOpen(data []byte, v any, limits Limits) error {
	return unmarshal(data, v, limits, false)
}

func unmarshal(data []byte, v any, limits Limits, closed bool) error {
	if err := Check(data, limits); err != nil {
		return err
	}
	if err := json.Unmarshal(data, v, json.RejectUnknownMembers(closed)); err != nil {
		return locate(data, err)
	}
	return nil
}

// Valid reports whether data is one strict JSON document within limits,
// without building anything from it.
func Valid(data []byte, limits Limits) error {
	if err := Check(data, limits); err != nil {
		return err
	}
	dec := jsontext.NewDecoder(bytes.NewReader(data))
	if err := dec.SkipValue(); err != nil {
		return locate(data, err)
	}
	if rest := bytes.TrimLeft(data[dec.InputOffset():], " \t\r\n"); len(rest) > 0 {
		return errorAt(data, len(data)-len(rest), "expected the end of the document, found more")
	}
	return nil
}

// locate rewrites an error of encoding/json/v2 as an *Error.
func locate(data []byte, err error) error {
	if syn, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		e := errorAt(data, int(syn.ByteOffset), "")
		e.Pointer = string(syn.JSONPointer)
		e.Reason = syn.Err.Error()
		switch {
		case errors.Is(syn.Err, jsontext.ErrDuplicateName):
			e.Reason = fmt.Sprintf("member %s appears twice", quote(syn.JSONPointer.LastToken()))
		case errors.Is(syn.Err, io.ErrUnexpectedEOF):
			e.Reason = endOfText
		}
		return e
	}
	if sem, ok := errors.AsType[*json.SemanticError](err); ok {
		e := errorAt(data, int(sem.ByteOffset), "")
		e.Pointer = string(sem.JSONPointer)
		e.Reason = reason(sem)
		return e
	}
	if errors.Is(err, io.EOF) { // the decoder's word for a text without a value
		return errorAt(data, len(data), endOfText)
	}
	return errorAt(data, len(data), err.Error())
}

const endOfText = "the text ends where more was expected"

// reason says in the reader's words what encoding/json/v2 says in Go's.
func reason(sem *json.SemanticError) string {
	switch {
	case errors.Is(sem.Err, json.ErrUnknownName):
		return "unknown member " + quote(sem.JSONPointer.LastToken())
	case sem.Err != nil:
		return sem.Err.Error()
	}
	return fmt.Sprintf("expected %s, found %s", expected(sem.GoType), found(sem.JSONKind))
}

func expected(t reflect.Type) string {
	if t == nil {
		return "another type"
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Pointer:
		return expected(t.Elem())
	}
	return "a number"
}

func found(kind jsontext.Kind) string {
	switch kind {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case '0':
		return "a number"
	}
	return kind.String()
}

// quote quotes text from the document, and no more of it than a message needs.
func quote(text string) string {
	const most = 80
	if len(text) > most {
		return strconv.Quote(text[:most]) + "..."
	}
	return strconv.Quote(text)
}

// printable is text as it stands, unless it is long or holds what a terminal
// would act on.
func printable(text string) string {
	if q := quote(text); q != `"`+text+`"` {
		return q
	}
	return text
}

func errorAt(data []byte, offset int, reason string) *Error {
	offset = min(max(offset, 0), len(data))
	before := data[:offset]
	return &Error{
		Line:   bytes.Count(before, []byte("\n")) + 1,
		Column: offset - bytes.LastIndexByte(before, '\n'),
		Reason: reason,
	}
}
