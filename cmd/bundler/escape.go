package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// clean returns text from others as it is safe to show on a terminal: control
// characters, line breaks, direction overrides and other invisible characters
// are shown as escapes, so that a name can not rewrite the line it stands in.
func clean(s string) string {
	if strings.IndexFunc(s, unprintable) < 0 && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i, c := range s {
		_, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case c == utf8.RuneError && size == 1:
			b.WriteString(`\x` + strconv.FormatUint(uint64(s[i]), 16))
		case unprintable(c):
			quoted := strconv.QuoteRuneToASCII(c)
			b.WriteString(quoted[1 : len(quoted)-1])
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

// unprintable reports whether a terminal would do anything else with c than
// show it.
func unprintable(c rune) bool {
	return !unicode.IsPrint(c) || unicode.Is(unicode.Cf, c)
}

// cleanJSON returns a JSON text with every character escaped that a terminal
// would do anything else with than show it. Such characters stand in strings
// alone, and a string with an escape is the same string.
func cleanJSON(text []byte) []byte {
	if bytes.IndexFunc(text, invisible) < 0 {
		return text
	}
	var b bytes.Buffer
	for _, c := range string(text) {
		switch {
		case !invisible(c):
			b.WriteRune(c)
		case c > 0xFFFF:
			hi, lo := utf16.EncodeRune(c)
			fmt.Fprintf(&b, `\u%04x\u%04x`, hi, lo)
		default:
			fmt.Fprintf(&b, `\u%04x`, c)
		}
	}
	return b.Bytes()
}

// invisible is unprintable, but for the white space of JSON texts.
func invisible(c rune) bool { return c >= 0x7f && unprintable(c) }
