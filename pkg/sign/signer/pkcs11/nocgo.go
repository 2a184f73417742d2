//go:build !cgo

package pkcs11

import (
	"context"
	"errors"

	"github.com/bundler-sign/bundler/pkg/sign/signer"
)

// Open says that this build can not load PKCS#11 modules.
func Open(_ context.Context, text string, _ *Options) (signer.Signer, error) {
	if _, err := parseURI(text); err != nil {
		return nil, err
	}
	return nil, errors.New("this build of the program has no PKCS#11: it was built without cgo; expected one built with CGO_ENABLED=1 and a C compiler")
}
