package server_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/sigstore/sigstore/pkg/oauthflow"

	"github.com/bundler-sign/bundler/pkg/sandbox/server"
)

// TestSigstoresOwnLogins: the browser and the device flow of sigstore's client,
// which verifies discovery, keys, signature, nonce and expiry. It goes by the
// system's clock, and so does the sandbox here.
func TestSigstoresOwnLogins(t *testing.T) {
	t.Parallel()
	w := serve(t, &server.Options{Clock: time.Now})
	device := oauthflow.NewDeviceFlowTokenGetterForIssuer(w.URL(server.OIDC))
	device.MessagePrinter = func(string) {}
	for name, getter := range map[string]oauthflow.TokenGetter{
		"device": device,
		"browser": &oauthflow.InteractiveIDTokenGetter{Output: io.Discard, BrowserOpener: func(u string) error {
			go func() {
				if response, err := http.Get(u); err == nil {
					response.Body.Close()
				}
			}()
			return nil
		}},
	} {
		token, err := oauthflow.OIDConnect(w.URL(server.OIDC), server.Audience, "", "", getter)
		if err != nil || token.Subject != "alice@example.com" {
			t.Errorf("%s: got %+v, %v", name, token, err)
		}
	}
}
