package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// docsPolicies is what docs/policies.md says there is.
const docsPolicies = `
mkbundle app.tar private subject=alice,Acme,Release
mkbundle other.tar private subject=mallory,Acme,Audit
mkbundle release.tar email=alice@acme.example issuer=https://login.acme.example out=alice.json
mkbundle release.tar email=bob@acme.example issuer=https://login.acme.example out=bob.json
`

// TestDocsPolicies runs every command of docs/policies.md, with the files that
// it shows. A command's exit status is 0 unless a comment says otherwise.
func TestDocsPolicies(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "policies.md"))
	if err != nil {
		t.Fatal(err)
	}
	script, commands := scriptOf(t, string(text))
	if commands < 8 {
		t.Fatalf("got %d commands: the test does not see the page", commands)
	}
	dir := t.TempDir()
	files := "-- app.tar --\napp\n-- other.tar --\nother\n-- release.tar --\nrelease\n"
	if err := os.WriteFile(filepath.Join(dir, "policies.txtar"), []byte(docsPolicies+script+files), 0o644); err != nil {
		t.Fatal(err)
	}
	params := scriptParams()
	params.Dir = dir
	testscript.Run(t, params)
}

// scriptOf turns a page's blocks into a script: those of sh are commands, and
// those with a name after the language are files.
func scriptOf(t *testing.T, page string) (script string, commands int) {
	t.Helper()
	var run, files strings.Builder
	blocks := strings.Split(page, "```")
	for i := 1; i < len(blocks); i += 2 {
		head, body, _ := strings.Cut(blocks[i], "\n")
		if language, name, ok := strings.Cut(head, " "); ok {
			fmt.Fprintf(&files, "-- %s --\n%s", name, body)
			continue
		} else if language != "sh" {
			t.Fatalf("a block of %q is neither a command nor a file", head)
		}
		for line := range strings.Lines(body) {
			commands++
			run.WriteString(commandLine(strings.TrimSpace(line)))
		}
	}
	return run.String() + files.String(), commands
}

func commandLine(line string) string {
	command, status, ok := strings.Cut(line, " # exit ")
	if !ok {
		status = "0"
	}
	command, file, redirected := strings.Cut(command, " >")
	if redirected {
		file = fmt.Sprintf("cp stdout %s\n", file)
	}
	words := strings.Fields(command)
	if words[1] == "verify" {
		words = append(words[:2], append([]string{"--now=2026-01-02T03:04:05Z"}, words[2:]...)...)
	}
	return fmt.Sprintf("status %s %s\n%s", status, strings.Join(words, " "), file)
}
