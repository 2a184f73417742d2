// Command tuf is the client that tuf-conformance runs: package
// pkg/trustroot/tuf behind the suite's protocol (CLIENT-CLI.md).
//
//	tuf --metadata-dir DIR init ROOT
//	tuf --metadata-dir DIR --metadata-url URL refresh
//	tuf --metadata-dir DIR --metadata-url URL --target-name NAME... --target-base-url URL --target-dir DIR download
//
// It exits 0 if that worked, and 1 if not. DIR holds the trusted metadata as the
// suite expects to find it, a file ROLE.json for each role. The time is that of
// FAKETIME, if libfaketime's variable is set.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/bundler-sign/bundler/pkg/trustroot/tuf"
)

const maxTarget = 1 << 30 // bytes; the suite downloads any

func main() {
	now, err := fakeTime(os.Getenv("FAKETIME"), time.Now())
	if err == nil {
		err = run(os.Args[1:], now, os.Stderr)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "tuf: error: %v\n", err)
		os.Exit(1)
	}
}

// arguments are those of one command line.
type arguments struct {
	command, root            string
	metadataDir, metadataURL string
	targetNames              []string
	targetBaseURL, targetDir string
}

// parse takes flags before and after the command.
func parse(args []string) (*arguments, error) {
	a := &arguments{}
	fs := flag.NewFlagSet("tuf", flag.ContinueOnError)
	fs.StringVar(&a.metadataDir, "metadata-dir", "", "")
	fs.StringVar(&a.metadataURL, "metadata-url", "", "")
	fs.StringVar(&a.targetBaseURL, "target-base-url", "", "")
	fs.StringVar(&a.targetDir, "target-dir", "", "")
	fs.Func("target-name", "", func(name string) error { a.targetNames = append(a.targetNames, name); return nil })
	var words []string
	for len(args) > 0 {
		if err := fs.Parse(args); err != nil {
			return nil, err
		}
		if args = fs.Args(); len(args) > 0 {
			words, args = append(words, args[0]), args[1:]
		}
	}
	switch {
	case len(words) == 2 && words[0] == "init":
		a.root = words[1]
	case len(words) == 1 && (words[0] == "refresh" || words[0] == "download") && a.metadataURL != "":
	default:
		return nil, errors.New("expected init ROOT, or refresh or download with --metadata-url")
	}
	if a.metadataDir == "" {
		return nil, errors.New("expected --metadata-dir")
	}
	a.command = words[0]
	return a, nil
}

func run(args []string, now time.Time, stderr io.Writer) error {
	a, err := parse(args)
	if err != nil {
		return err
	}
	if a.command == "init" {
		return initialise(a)
	}
	local, err := readMetadata(a.metadataDir)
	if err != nil {
		return err
	}
	session, err := tuf.NewSession(local, a.metadataURL, tuf.NewFetcher(nil, false), now)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), tuf.DefaultTimeout)
	defer cancel()
	err = session.Refresh(ctx)
	if err == nil && a.command == "download" {
		err = download(ctx, session, a)
	}
	err = errors.Join(err, writeMetadata(a.metadataDir, local, session.Verified()))
	// The specification has another timestamp of the same version discarded
	// without an error (5.4.3). A Source says that it was.
	if re, ok := errors.AsType[*tuf.RefusedError](err); ok && re.File == "timestamp.json" && errors.Is(re, tuf.ErrEquivocation) && a.command == "refresh" {
		fmt.Fprintf(stderr, "tuf: warning: %v\n", err)
		return nil
	}
	return err
}

// initialise trusts a root, if it is one.
func initialise(a *arguments) error {
	root, err := os.ReadFile(a.root)
	if err != nil {
		return err
	}
	if _, err := tuf.NewSession(tuf.Metadata{Roots: [][]byte{root}}, "", nil, time.Time{}); err != nil {
		return err
	}
	if err := os.MkdirAll(a.metadataDir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(a.metadataDir, "root.json"), root, 0o644)
}

func readMetadata(dir string) (m tuf.Metadata, err error) {
	m.Targets = make(map[string][]byte)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return m, err
	}
	for _, e := range entries {
		escaped, ok := strings.CutSuffix(e.Name(), ".json")
		role, err := url.PathUnescape(escaped)
		if !ok || err != nil || e.IsDir() {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return m, err
		}
		switch role {
		case "root":
			m.Roots = [][]byte{data}
		case "timestamp":
			m.Timestamp = data
		case "snapshot":
			m.Snapshot = data
		default:
			m.Targets[role] = data
		}
	}
	return m, nil
}

// writeMetadata writes what has changed.
func writeMetadata(dir string, before, after tuf.Metadata) error {
	write := func(role string, old, data []byte) error {
		if len(data) == 0 || bytes.Equal(old, data) {
			return nil
		}
		return os.WriteFile(filepath.Join(dir, url.PathEscape(role)+".json"), data, 0o644)
	}
	err := errors.Join(
		write("root", before.Roots[0], after.Roots[len(after.Roots)-1]),
		write("timestamp", before.Timestamp, after.Timestamp),
		write("snapshot", before.Snapshot, after.Snapshot),
	)
	for role, data := range after.Targets {
		err = errors.Join(err, write(role, before.Targets[role], data))
	}
	return err
}

// download puts targets into the target directory, unless they are there.
func download(ctx context.Context, session *tuf.Session, a *arguments) error {
	if len(a.targetNames) == 0 || a.targetBaseURL == "" || a.targetDir == "" {
		return errors.New("expected --target-name, --target-base-url and --target-dir")
	}
	for _, name := range a.targetNames {
		target, err := session.Find(ctx, name)
		if err != nil {
			return err
		}
		path := filepath.Join(a.targetDir, url.PathEscape(name))
		old, err := os.ReadFile(path)
		if err == nil && target.Verify(old) == nil {
			continue
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		data, err := session.Download(ctx, target, a.targetBaseURL, maxTarget)
		if err != nil {
			return err
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}
