package tuf_test

import (
	"context"
	"encoding/json/jsontext"
	"strings"
	"testing"

	"github.com/bundler-sign/bundler/pkg/trustroot/tuf"
	"github.com/bundler-sign/bundler/pkg/trustroot/tuf/tufsim"
)

// A mirror changes any one value of any file into null or into another type:
// refused, and no parser panics.
func TestEveryNodeChanged(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"2.root.json", "timestamp.json", "3.snapshot.json", "3.targets.json", "2.role.json"} {
		for _, value := range []string{"null", "{}", "[]", `""`, "-1", "[null]"} {
			t.Run("J06-"+name+"-"+value, func(t *testing.T) {
				t.Parallel()
				tr := newTrial(t)
				tr.repo.Delegate("targets", "role", "keyring*") // who is asked, and has none
				tr.repo.Publish()
				tr.repo.PublishRoot()
				var body []byte
				tr.repo.Edit = func(path string, b []byte) []byte {
					if strings.HasSuffix(path, "/"+name) {
						body = b
					}
					return b
				}
				if _, err := memory(tr).Update(context.Background()); err != nil {
					t.Fatal(err)
				}
				if body == nil {
					t.Fatalf("%s was not asked for: %q", name, tr.repo.Requests())
				}
				changed := 0
				for _, variant := range variants(t, body, value) {
					tr.repo.Edit = func(path string, b []byte) []byte {
						if strings.HasSuffix(path, "/"+name) {
							return variant
						}
						return b
					}
					_, err := memory(tr).Update(context.Background())
					if err != nil && strings.Contains(err.Error(), "TUF library failed") {
						t.Errorf("a panic had to be contained: %v\n%s", err, variant)
					}
					if err == nil && value == "null" {
						t.Errorf("got an update, want it refused:\n%s", variant)
					}
					changed++
				}
				if changed < 5 {
					t.Errorf("changed %d nodes, want all of the document's", changed)
				}
			})
		}
	}
}

func memory(tr *trial) *tuf.Source {
	return tr.source(func(o *tuf.Options) { o.CacheDir = "" })
}

// variants lists what becomes of a document when one of its values, each in
// turn, is another.
func variants(t *testing.T, doc []byte, value string) (list [][]byte) {
	t.Helper()
	dec := jsontext.NewDecoder(strings.NewReader(string(doc)))
	var walk func()
	replace := func(end int64, length int) {
		list = append(list, []byte(string(doc[:end-int64(length)])+value+string(doc[end:])))
	}
	walk = func() {
		switch kind := dec.PeekKind(); kind {
		case '{', '[':
			if _, err := dec.ReadToken(); err != nil {
				t.Fatal(err)
			}
			start := dec.InputOffset() - 1
			for dec.PeekKind() != '}' && dec.PeekKind() != ']' {
				if kind == '{' {
					if _, err := dec.ReadToken(); err != nil {
						t.Fatal(err)
					}
				}
				walk()
			}
			if _, err := dec.ReadToken(); err != nil {
				t.Fatal(err)
			}
			replace(dec.InputOffset(), int(dec.InputOffset()-start))
		default:
			v, err := dec.ReadValue()
			if err != nil {
				t.Fatal(err)
			}
			replace(dec.InputOffset(), len(v))
		}
	}
	walk()
	return list
}

// FuzzRoot: no root, however made, brings a parser to panic, and what is
// accepted has been signed.
func FuzzRoot(f *testing.F) {
	repo := tufsim.New(start)
	defer repo.Close()
	good := repo.Root1()
	if len(good) == 0 {
		f.Fatal("the seed is empty")
	}
	f.Add(good)
	f.Add([]byte(strings.Replace(string(good), `"timestamp": {`, `"timestamp": null, "x": {`, 1)))
	f.Add([]byte(`{"signed":{"_type":"root","roles":{"root":null}},"signatures":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, err := tuf.NewSession(tuf.Metadata{Roots: [][]byte{data}}, "https://h.example", nil, start)
		if err != nil && strings.Contains(err.Error(), "TUF library failed") {
			t.Error(err)
		}
		if err == nil && !strings.Contains(string(data), "signatures") {
			t.Error("got a root without signatures accepted")
		}
	})
}
