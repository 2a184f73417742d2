package main

import (
	"strconv"
	"strings"
	"unicode"
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
