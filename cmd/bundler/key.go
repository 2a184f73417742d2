package main

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/bundler-sign/bundler/pkg/trustroot"
)

func newKeyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Import and generate keys to sign with",
		Long: `Import and generate keys to sign with.

A private key stays where it is: in a file, on a token, in a KMS, behind another
program. It is named by a URI. What verifiers need is its public half.
` + exitHelp,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newKeyImportCommand(), newKeyGenerateCommand())
	return cmd
}

// publicView is a public key as it is shown.
type publicView struct {
	SchemaVersion int      `json:"schemaVersion"`
	KeyDetails    string   `json:"keyDetails"`
	Hints         []string `json:"hints"`     // every hint that a bundle may name it by
	PublicKey     string   `json:"publicKey"` // PEM
}

func viewKey(key *trustroot.Key) publicView {
	return publicView{1, key.KeyDetails.String(), key.Hints(), string(publicPEM(key.SPKI))}
}

// text renders v for people. The PEM comes last: what is written to a file is a
// public key to every tool that passes over the text before it.
func (v publicView) text(w io.Writer) {
	fmt.Fprintf(w, "key      %s\n", v.KeyDetails)
	for _, hint := range v.Hints {
		fmt.Fprintf(w, "hint     %s\n", shown(hint))
	}
	io.WriteString(w, v.PublicKey)
}

func publicPEM(spki []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki})
}

func marshalPublic(pub crypto.PublicKey) ([]byte, error) {
	spki, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, err
	}
	return publicPEM(spki), nil
}
