package main

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
)

// Names from certificates reach the terminal; none may move its cursor, change
// its colours, break its lines or reverse its direction.
func TestOutputEscapesWhatATerminalObeys(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ in, want string }{
		"plain":         {"alice@example.com", "alice@example.com"},
		"umlaut":        {"Jürgen 日本", "Jürgen 日本"},
		"C14-NUL":       {"good\x00.evil", `good\x00.evil`},
		"C14-line":      {"a\nVERIFIED", `a\nVERIFIED`},
		"C14-ANSI":      {"\x1b[32mok", `\x1b[32mok`},
		"C14-RTL":       {"a\u202etxt.exe", `a\u202etxt.exe`},
		"C14-invisible": {"a\u200bb", `a\u200bb`},
		"C14-C1":        {"a\u009b31m", `a\u009b31m`},
		"bytes":         {"a\xffb", `a\xffb`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := clean(tt.in); got != tt.want {
				t.Errorf("clean(%q): got %q, want %q", tt.in, got, tt.want)
			}
			valid := strings.ToValidUTF8(tt.in, "?")
			text, err := json.Marshal(valid)
			if err != nil {
				t.Fatal(err)
			}
			text = cleanJSON(text)
			if i := strings.IndexFunc(string(text), func(c rune) bool { return unicode.In(c, unicode.Cc, unicode.Cf) }); i >= 0 {
				t.Errorf("cleanJSON leaves %q", text)
			}
			var back string
			if err := json.Unmarshal(text, &back); err != nil || back != valid {
				t.Errorf("cleanJSON(%q) reads as %q: %v", valid, back, err)
			}
		})
	}
}
