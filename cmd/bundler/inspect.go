package main

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/bundler-sign/bundler/pkg/bundle"
)

func newInspectCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "inspect FILE",
		Short: "Show what a bundle claims, without trusting it",
		Long: `Show what a bundle claims: its signer, what was signed, log entries, timestamps.
Nothing is verified, and nothing shown here is a reason to trust anything: use
bundler verify for that.

FILE may be - for standard input. A file that ends in .jsonl holds a bundle a
line.

Exit status:
  0  shown
  1  FILE is not a bundle, or something in it is not what it should be
  2  wrong usage
  3  FILE could not be read`,
		Example: "  bundler inspect app.tar.sigstore.json\n  bundler inspect -o json - < app.tar.sigstore.json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkTextOrJSON(output); err != nil {
				return err
			}
			result, err := inspect(cmd, args[0])
			if output == "json" {
				if werr := writeIndented(cmd.OutOrStdout(), result); werr != nil {
					return noVerdictf("%w", werr)
				}
			} else if err == nil {
				result.text(cmd.OutOrStdout())
			}
			if err == nil && result.isDamaged() {
				return errNo
			}
			return err
		},
	}
	outputFlag(cmd, &output)
	return cmd
}

// inspection is the result of inspect. Version 1 of its JSON. Everything in it
// is a claim of whoever made the file.
type inspection struct {
	SchemaVersion int           `json:"schemaVersion"`
	Verified      bool          `json:"verified"` // never
	Source        string        `json:"source"`
	Bundles       []bundleClaim `json:"bundles"`
	Error         string        `json:"error,omitempty"`
}

type bundleClaim struct {
	MediaType  string           `json:"mediaType"`
	Version    string           `json:"version"`
	SHA256     string           `json:"sha256"` // of the JSON
	Signer     signerClaim      `json:"signer"`
	Message    *messageClaim    `json:"messageSignature,omitempty"`
	Envelope   *envelopeClaim   `json:"dsse,omitempty"`
	Entries    []entryClaim     `json:"tlogEntries"`
	Timestamps []timestampClaim `json:"timestamps"`
}

// signerClaim is a certificate with those above it, or a key's hint.
type signerClaim struct {
	Certificate *certificateClaim  `json:"certificate,omitempty"`
	Chain       []certificateClaim `json:"chain,omitempty"`
	Hint        *string            `json:"hint,omitempty"`
}

type certificateClaim struct {
	Subject     string      `json:"subject"`
	Issuer      string      `json:"issuer"`
	Serial      string      `json:"serial"`
	NotBefore   time.Time   `json:"notBefore"`
	NotAfter    time.Time   `json:"notAfter"`
	SHA256      string      `json:"sha256"`
	Names       []nameClaim `json:"names"`
	OIDCIssuers []string    `json:"oidcIssuers,omitempty"`
	Error       string      `json:"error,omitempty"`
}

type messageClaim struct {
	Digest string `json:"digest"`
}

type envelopeClaim struct {
	PayloadType string          `json:"payloadType"`
	KeyID       string          `json:"keyid,omitempty"`
	Statement   *statementClaim `json:"statement,omitempty"`
	Error       string          `json:"error,omitempty"` // why there is no statement
}

type statementClaim struct {
	Type          string         `json:"_type"`
	PredicateType string         `json:"predicateType"`
	Subjects      []subjectClaim `json:"subject"`
}

type subjectClaim struct {
	Name    string   `json:"name,omitempty"`
	Digests []string `json:"digests"`
}

type entryClaim struct {
	Kind           string      `json:"kind"`
	Version        string      `json:"version"`
	LogID          string      `json:"logId"`
	LogIndex       int64       `json:"logIndex"`
	IntegratedTime *time.Time  `json:"integratedTime"`
	Promise        bool        `json:"inclusionPromise"`
	Proof          *proofClaim `json:"inclusionProof"`
}

type proofClaim struct {
	Index      int64           `json:"logIndex"`
	TreeSize   int64           `json:"treeSize"`
	Checkpoint checkpointClaim `json:"checkpoint"`
}

// inspect reads the file. With an error the result holds what is to be shown
// as JSON all the same.
func inspect(cmd *cobra.Command, path string) (*inspection, error) {
	result := &inspection{SchemaVersion: 1, Source: path, Bundles: []bundleClaim{}}
	bundles, err := readClaims(cmd, path)
	if err != nil {
		result.Error = err.Error()
		return result, err
	}
	for _, b := range bundles {
		result.Bundles = append(result.Bundles, claimsOf(b))
	}
	return result, nil
}

func readClaims(cmd *cobra.Command, path string) (bundles []*bundle.Bundle, err error) {
	data, unread, err := readBundle(path, cmd.InOrStdin())
	switch {
	case unread != nil:
		return nil, noVerdictf("%w", unread)
	case err != nil:
	case filepath.Ext(path) == ".jsonl" || path == "-" && isLines(data):
		bundles, err = bundle.ParseLines(data)
	default:
		var b *bundle.Bundle
		b, err = bundle.Parse(data)
		bundles = []*bundle.Bundle{b}
	}
	if err != nil {
		return nil, nof("%s: not a bundle: %w", clean(path), err)
	}
	return bundles, nil
}

// isLines reports whether data, of which there is no file name, is JSON Lines:
// its first line is a bundle, and more follows.
func isLines(data []byte) bool {
	first, rest, _ := bytes.Cut(data, []byte("\n"))
	if len(bytes.TrimSpace(rest)) == 0 {
		return false
	}
	_, err := bundle.Parse(first)
	return err == nil
}

func claimsOf(b *bundle.Bundle) bundleClaim {
	c := bundleClaim{
		MediaType: b.MediaType, Version: b.Version.String(), SHA256: b.SHA256.Hex(),
		Entries: []entryClaim{}, Timestamps: []timestampClaim{},
	}
	if b.HasCertificate() {
		leaf := certificateClaims(b.Certificates[0])
		c.Signer.Certificate = &leaf
		for _, der := range b.Certificates[1:] {
			c.Signer.Chain = append(c.Signer.Chain, certificateClaims(der))
		}
	} else {
		c.Signer.Hint = &b.KeyHint
	}
	if b.Envelope != nil {
		c.Envelope = envelopeClaims(b.Envelope)
	} else {
		c.Message = &messageClaim{b.Message.Digest.String()}
	}
	for i := range b.Entries {
		c.Entries = append(c.Entries, entryClaims(&b.Entries[i]))
	}
	for _, der := range b.Timestamps {
		c.Timestamps = append(c.Timestamps, readTimestamp(der))
	}
	return c
}

func certificateClaims(der []byte) certificateClaim {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return certificateClaim{SHA256: fingerprint(der), Names: []nameClaim{}, Error: err.Error()}
	}
	return certificateClaim{
		Subject: c.Subject.String(), Issuer: c.Issuer.String(), Serial: c.SerialNumber.String(),
		NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC(), SHA256: fingerprint(der),
		Names: alternativeNames(c), OIDCIssuers: oidcIssuers(c),
	}
}

func envelopeClaims(e *bundle.Envelope) *envelopeClaim {
	c := &envelopeClaim{PayloadType: e.PayloadType, KeyID: e.KeyID}
	if e.PayloadType != bundle.PayloadTypeInToto {
		return c
	}
	s, err := bundle.ParseStatement(e.Payload)
	if err != nil {
		c.Error = err.Error()
		return c
	}
	c.Statement = &statementClaim{Type: s.Type, PredicateType: s.PredicateType}
	for _, subject := range s.Subjects {
		sc := subjectClaim{Name: subject.Name, Digests: []string{}}
		for _, d := range subject.Digests {
			sc.Digests = append(sc.Digests, d.String())
		}
		c.Statement.Subjects = append(c.Statement.Subjects, sc)
	}
	return c
}

func entryClaims(e *bundle.LogEntry) entryClaim {
	c := entryClaim{Kind: e.Kind, Version: e.Version, LogID: hex.EncodeToString(e.LogID), LogIndex: e.LogIndex, Promise: e.Promise != nil}
	if at := time.Unix(e.IntegratedTime, 0).UTC(); e.IntegratedTime > 0 && at.Year() <= 9999 {
		c.IntegratedTime = &at
	}
	if p := e.Proof; p != nil {
		c.Proof = &proofClaim{p.LogIndex, p.TreeSize, readCheckpoint(p.Checkpoint)}
	}
	return c
}

// isDamaged reports whether something could not be shown.
func (r *inspection) isDamaged() bool {
	for _, b := range r.Bundles {
		damaged := b.Envelope != nil && b.Envelope.Error != "" || b.Signer.Certificate != nil && b.Signer.Certificate.Error != ""
		for _, c := range b.Signer.Chain {
			damaged = damaged || c.Error != ""
		}
		for _, t := range b.Timestamps {
			damaged = damaged || t.Error != ""
		}
		if damaged {
			return true
		}
	}
	return false
}
