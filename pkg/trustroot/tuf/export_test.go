package tuf_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/bundler-sign/bundler/pkg/trustroot/tuf"
)

// What Export writes is a repository: a client that starts from the pinned root
// and reads it alone ends with the same trust.
func TestExportIsARepository(t *testing.T) {
	t.Parallel()
	for _, consistent := range []bool{true, false} {
		tr := newTrial(t)
		tr.repo.Root.Signed.ConsistentSnapshot = consistent
		tr.repo.PublishRoot()
		tr.repo.Rotate("root")
		tr.repo.PublishRoot()
		tr.repo.Delegate("targets", "a/../role", "*.v0.2.json")
		delete(tr.repo.Targets["targets"].Signed.Targets, tuf.SigningConfigName)
		tr.repo.SetRoleTarget("a/../role", tuf.SigningConfigName, trust()[tuf.SigningConfigName])
		tr.repo.Publish()
		want := tr.accepted()
		dir := filepath.Join(t.TempDir(), "export")
		if err := tr.source().Export(dir); err != nil {
			t.Fatal(err)
		}
		if tr.source().Export(dir) == nil {
			t.Error("got an export over another one, want it refused")
		}
		tr.repo.Close()
		fetcher, err := tuf.DirFetcher(tr.repo.URL(), dir)
		if err != nil {
			t.Fatal(err)
		}
		got, err := tr.source(func(o *tuf.Options) { o.CacheDir, o.Fetcher = t.TempDir(), fetcher }).Update(context.Background())
		if err != nil {
			t.Fatalf("consistent %v: %v", consistent, err)
		}
		if got.Config.SHA256 != want.Config.SHA256 || len(got.Files) != len(want.Files) {
			t.Error("got other trust from the export")
		}
	}
}
