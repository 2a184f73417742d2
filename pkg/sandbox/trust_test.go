package sandbox_test

import (
	"testing"

	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/trustroot"
)

func TestTrustDocumentsParse(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	c, err := s.Config()
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Root.Logs) != 2 || len(c.Root.CTLogs) != 1 || len(c.Root.CAs) != 1 || len(c.Root.TSAs) != 1 || len(c.Warnings) != 0 {
		t.Errorf("got %+v", c)
	}
	c, err = trustroot.Parse(sandbox.JSON(s.ClientTrustConfig()), "client")
	if err != nil {
		t.Fatal(err)
	}
	if c.Signing == nil || c.Root == nil {
		t.Errorf("got %+v", c)
	}
	if _, err := trustroot.Parse(sandbox.JSON(s.PrivateRoot()), "private"); err != nil {
		t.Fatal(err)
	}
	if _, err := trustroot.Parse(sandbox.JSON(s.SigningConfig()), "signing"); err != nil {
		t.Fatal(err)
	}
}
