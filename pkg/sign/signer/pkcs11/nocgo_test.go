//go:build !cgo

package pkcs11

import (
	"strings"
	"testing"
)

func TestBuildsWithoutCgoSaySo(t *testing.T) {
	t.Parallel()
	if _, err := Open(t.Context(), "pkcs11:token=a"+someModule, nil); err == nil || !strings.Contains(err.Error(), "without cgo") {
		t.Errorf("got %v, want an error that says so", err)
	}
	if _, err := Open(t.Context(), "pkcs11:token=a"+someModule+"&pin-value=1", nil); err == nil || !strings.Contains(err.Error(), "pin-source") {
		t.Errorf("got %v, want the URI's own error first", err)
	}
}
