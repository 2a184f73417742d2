package trustroot

import (
	"crypto/x509"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"errors"

	"github.com/bundler-sign/bundler/pkg/internal/atomicfile"
)

// Marshal returns c as one document, in the smallest form that holds all of
// it: a trusted root, a signing config, a client trust config, or a keyring
// with what else there is. Entries that Parse skipped are not in it. Parse
// reads it back as c.
func (c *Config) Marshal() ([]byte, error) {
	var root *wireRoot
	var signing *wireSigning
	var err error
	if c.Root != nil {
		if root, err = c.Root.wire(); err != nil {
			return nil, err
		}
	}
	if c.Signing != nil {
		signing = c.Signing.wire()
	}
	switch {
	case c.Keyring != nil:
		keys, err := c.Keyring.wire()
		if err != nil {
			return nil, err
		}
		return encode(wireKeyring{MediaType: MediaTypeKeyring, Keys: keys, TrustedRoot: root, SigningConfig: signing})
	case root != nil && signing != nil:
		return encode(wireClient{MediaType: MediaTypeClient, TrustedRoot: root, SigningConfig: signing})
	case root != nil:
		return encode(root)
	case signing != nil:
		return encode(signing)
	}
	return nil, errors.New("expected a trusted root, a signing config or a keyring, found an empty trust config")
}

// WriteFile writes c.Marshal() to path, mode 0644: whole or not at all, and
// never over one of inputs, the files that c was made from.
func (c *Config) WriteFile(path string, inputs ...string) error {
	data, err := c.Marshal()
	if err != nil {
		return err
	}
	return atomicfile.Write(path, data, 0o644, inputs...)
}

// Marshal returns r as a TrustedRoot v0.2, whatever it was read from.
func (r *Root) Marshal() ([]byte, error) {
	w, err := r.wire()
	if err != nil {
		return nil, err
	}
	return encode(w)
}

// Marshal returns c as a SigningConfig v0.2.
func (c *SigningConfig) Marshal() ([]byte, error) { return encode(c.wire()) }

// encode fixes the layout: two spaces, members in the order of the messages,
// and a final newline.
func encode(v any) ([]byte, error) {
	data, err := json.Marshal(v, jsontext.WithIndent("  "))
	if err != nil {
		return nil, err
	}
	return append(data, '\n'), nil
}

func (r *Root) wire() (*wireRoot, error) {
	w := &wireRoot{MediaType: MediaTypeRoot}
	for _, l := range r.Logs {
		wl, err := l.wire()
		if err != nil {
			return nil, err
		}
		wl.CheckpointKeyID = &wireLogID{KeyID: l.CheckpointKeyID[:]}
		w.TLogs = append(w.TLogs, wl)
	}
	for _, l := range r.CTLogs {
		wl, err := l.wire()
		if err != nil {
			return nil, err
		}
		w.CTLogs = append(w.CTLogs, wl)
	}
	for _, a := range r.CAs {
		w.CAs = append(w.CAs, a.wire())
	}
	for _, a := range r.TSAs {
		w.TSAs = append(w.TSAs, a.wire())
	}
	return w, nil
}

func (l *Log) wire() (wireLog, error) {
	raw, err := encodeKey(l.Key, l.KeyDetails, l.SPKI)
	if err != nil {
		return wireLog{}, err
	}
	return wireLog{
		BaseURL:       l.BaseURL,
		HashAlgorithm: "SHA2_256",
		PublicKey:     &wirePublicKey{RawBytes: raw, KeyDetails: enum(l.KeyDetails.String()), ValidFor: wireValidity(l.ValidFor)},
		LogID:         &wireLogID{KeyID: l.ID},
		Operator:      l.Operator,
	}, nil
}

func (a *Authority) wire() wireAuthority {
	chain := &wireChain{}
	for _, cert := range a.Chain {
		chain.Certificates = append(chain.Certificates, wireCertificate{RawBytes: cert.Raw})
	}
	return wireAuthority{
		Subject:   subjectOf(a.Anchor()),
		URI:       a.URI,
		CertChain: chain,
		ValidFor:  wireValidity(a.ValidFor),
		Operator:  a.Operator,
	}
}

// subjectOf returns the two attributes of a name that the message has room for.
func subjectOf(cert *x509.Certificate) *wireName {
	name := &wireName{CommonName: cert.Subject.CommonName}
	if len(cert.Subject.Organization) > 0 {
		name.Organization = cert.Subject.Organization[0]
	}
	if *name == (wireName{}) {
		return nil
	}
	return name
}

func (r *Keyring) wire() ([]wireKey, error) {
	keys := []wireKey{}
	for _, k := range r.Keys {
		raw, err := k.rawBytes()
		if err != nil {
			return nil, err
		}
		keys = append(keys, wireKey{
			Hint:      k.Hint,
			PublicKey: &wirePublicKey{RawBytes: raw, KeyDetails: enum(k.KeyDetails.String()), ValidFor: wireValidity(k.ValidFor)},
		})
	}
	return keys, nil
}

func (c *SigningConfig) wire() *wireSigning {
	return &wireSigning{
		MediaType:       MediaTypeSigning,
		CAURLs:          wireServices(c.CAs),
		OIDCURLs:        wireServices(c.OIDC),
		RekorTLogURLs:   wireServices(c.Rekor),
		RekorTLogConfig: c.RekorSelection.wire(),
		TSAURLs:         wireServices(c.TSAs),
		TSAConfig:       c.TSASelection.wire(),
	}
}

func wireServices(services []Service) []wireService {
	var wires []wireService
	for _, s := range services {
		wires = append(wires, wireService{URL: s.URL, MajorAPIVersion: s.MajorAPIVersion, ValidFor: wireValidity(s.ValidFor), Operator: s.Operator})
	}
	return wires
}

func (s Selection) wire() *wireSelector {
	if s == (Selection{}) {
		return nil
	}
	return &wireSelector{Selector: enum(s.Selector.String()), Count: s.Count}
}
