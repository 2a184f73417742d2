package verify_test

import (
	"errors"
	"fmt"
	"io"
	"log"
	"strings"

	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/trustroot"
	"github.com/bundler-sign/bundler/pkg/verify"
)

// A gate: trust and requirements are set up once, bundles come and go.
func Example() {
	// A sandbox stands in for a Sigstore deployment and a signer.
	s, err := sandbox.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	signed, err := s.Sign(sandbox.SignOptions{Artifact: []byte("release 1.0")})
	if err != nil {
		log.Fatal(err)
	}

	trust, err := trustroot.Parse(sandbox.JSON(s.TrustedRoot()), "trusted_root.json")
	if err != nil {
		log.Fatal(err)
	}
	require := verify.DefaultRequirements()
	require.Now = s.Now() // time.Now() in a program
	require.Identities = []verify.Identity{{Name: "alice@example.com", Issuer: sandbox.DefaultIssuer}}
	verifier, err := verify.New(trust, require)
	if err != nil {
		log.Fatal(err)
	}

	for _, content := range []string{"release 1.0", "release 1.1"} {
		artifact := &verify.Artifact{Name: "release", Open: func() (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(content)), nil
		}}
		report, err := verifier.VerifyJSON(sandbox.JSON(signed), artifact)
		rejected, no := errors.AsType[*verify.Error](err)
		switch {
		case err == nil:
			fmt.Println("yes: signed by", report.Signer.Summary(), "at", report.Times[0].Time.Format("2006-01-02"))
		case no:
			fmt.Println("no:", rejected)
		default:
			fmt.Println("no verdict:", err)
		}
	}
	// Output:
	// yes: signed by alice@example.com at 2026-01-02
	// no: artifact: the bundle is about another artifact
}
