package strictjson

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
)

// Check enforces limits on data in one pass that allocates nothing and does not
// recurse. It is not a parser: it finds the strings and counts the rest, so
// that what a parser does afterwards is bounded. Text that is not JSON may pass
// it. The error is an *Error.
func Check(data []byte, limits Limits) error {
	s := scanner{
		data:   data,
		depth:  cmp.Or(limits.Depth, DefaultDepth),
		values: cmp.Or(limits.Values, DefaultValues),
		number: cmp.Or(limits.Number, DefaultNumber),
		limits: limits,
	}
	if most := cmp.Or(limits.Bytes, DefaultBytes); len(data) > most {
		return errorAt(data[:most], most, fmt.Sprintf("document is larger than the limit of %d bytes", most))
	}
	return s.run()
}

type scanner struct {
	data                  []byte
	depth, values, number int // limits
	limits                Limits
	name                  []byte // the last string: the member name, when a null follows it
}

func (s *scanner) run() error {
	depth, values := 0, 0
	for i := 0; i < len(s.data); i++ {
		switch c := s.data[i]; c {
		case '"':
			end, err := s.skipString(i)
			if err != nil {
				return err
			}
			s.name = s.data[i+1 : end]
			i = end
		case '{', '[':
			depth++
			values++
			s.name = nil // an element of an array is not the member's value
			if depth > s.depth {
				return errorAt(s.data, i, fmt.Sprintf("nested deeper than the limit of %d", s.depth))
			}
		case '}', ']':
			depth--
			s.name = nil
		case ',':
			values++
			s.name = nil
		case 'n':
			if !s.limits.AnyNull && !s.nullAllowed() {
				return errorAt(s.data, i, fmt.Sprintf("expected a value, found null%s", s.member()))
			}
		case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			end := i + 1
			for end < len(s.data) && isNumber(s.data[end]) {
				end++
			}
			if end-i > s.number {
				return errorAt(s.data, i, fmt.Sprintf("number is longer than the limit of %d bytes", s.number))
			}
			i = end - 1
		}
		if values > s.values {
			return errorAt(s.data, i, fmt.Sprintf("more values than the limit of %d", s.values))
		}
	}
	return nil
}

// skipString returns the index of the quote that closes the string opened at i.
func (s *scanner) skipString(i int) (int, error) {
	for j := i + 1; ; j++ {
		n := bytes.IndexByte(s.data[j:], '"')
		if n < 0 {
			return 0, errorAt(s.data, i, "string is not closed")
		}
		j += n
		escapes := 0
		for k := j - 1; k > i && s.data[k] == '\\'; k-- {
			escapes++
		}
		if escapes%2 == 0 {
			return j, nil
		}
	}
}

func (s *scanner) nullAllowed() bool {
	return s.name != nil && slices.ContainsFunc(s.limits.Null, func(n string) bool { return n == string(s.name) })
}

func (s *scanner) member() string {
	if s.name == nil {
		return ""
	}
	return " for " + quote(string(s.name))
}

func isNumber(c byte) bool {
	return '0' <= c && c <= '9' || c == '.' || c == 'e' || c == 'E' || c == '+' || c == '-'
}
