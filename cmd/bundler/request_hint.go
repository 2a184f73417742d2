package main

import (
	"fmt"
	"strings"

	"github.com/bundler-sign/bundler/pkg/sign"
)

// hints says how to sign, and what comes then.
func (f *requestFlags) hints(q *sign.Request, args []string) {
	sig := q.Name() + ".sig"
	in := q.Name()
	if !f.isEnvelope() && len(args) == 1 {
		in = args[0]
	}
	switch {
	case f.toSign != "":
		in = f.toSign
	case f.isEnvelope():
		in = q.Name() + ".tosign"
		f.hint("--to-sign %s writes the bytes to sign to a file, for the next command", shellQuote(in))
	}
	in, sig = notAFlag(in), notAFlag(sig)
	argv, note := q.OpenSSL("KEY.pem", in, sig)
	if note != "" {
		note = " (" + note + ")"
	}
	f.hint("sign it, for instance with: %s%s", shellQuote(argv...), note)
	if f.toSignDigest != "" {
		if argv, err := q.OpenSSLDigest("KEY.pem", notAFlag(f.toSignDigest), sig); err == nil {
			f.hint("or by its digest: %s", shellQuote(argv...))
		}
	}
	request := f.out
	if request == "" {
		request = "REQUEST.json"
	}
	f.hint("then: %s", shellQuote("bundler", "assemble", notAFlag(request), "--signature", sig, f.assembleFlag, f.assembleArgument))
}

func (f *requestFlags) hint(format string, args ...any) {
	fmt.Fprintf(f.stderr, "bundler: hint: "+format+"\n", args...)
}

// notAFlag returns a path for the same file that no program takes for a flag.
func notAFlag(path string) string {
	if strings.HasPrefix(path, "-") {
		return "./" + path
	}
	return path
}

// shellQuote returns argv as a command line for a POSIX shell, safe to show.
func shellQuote(argv ...string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-"
	var words []string
	for _, word := range argv {
		if word == "" || strings.Trim(word, plain) != "" {
			word = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
		words = append(words, clean(word))
	}
	return strings.Join(words, " ")
}
