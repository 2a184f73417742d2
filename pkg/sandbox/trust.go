package sandbox

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"time"

	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	prototrustroot "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/bundler-sign/bundler/pkg/trustroot"
)

// Media types of trust documents.
const (
	TrustedRootMediaType       = "application/vnd.dev.sigstore.trustedroot.v0.2+json"
	TrustedRootMediaTypeV01    = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"
	SigningConfigMediaType     = "application/vnd.dev.sigstore.signingconfig.v0.2+json"
	ClientTrustConfigMediaType = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"
)

// TrustedRoot returns a new trusted root that lists the usual services:
// Fulcio, CT, RekorV1, RekorV2 and TSA. Others are added with what their
// Instance and Authority methods return.
func (s *Sandbox) TrustedRoot() *prototrustroot.TrustedRoot {
	return &prototrustroot.TrustedRoot{
		MediaType:              TrustedRootMediaType,
		Tlogs:                  []*prototrustroot.TransparencyLogInstance{s.RekorV1.Instance(), s.RekorV2.Instance()},
		CertificateAuthorities: []*prototrustroot.CertificateAuthority{s.Fulcio.Authority()},
		Ctlogs:                 []*prototrustroot.TransparencyLogInstance{s.CT.Instance()},
		TimestampAuthorities:   []*prototrustroot.CertificateAuthority{s.TSA.Authority()},
	}
}

// PrivateRoot returns a new trusted root of a company without logs: PrivateCA
// and TSA.
func (s *Sandbox) PrivateRoot() *prototrustroot.TrustedRoot {
	return &prototrustroot.TrustedRoot{
		MediaType:              TrustedRootMediaType,
		CertificateAuthorities: []*prototrustroot.CertificateAuthority{s.PrivateCA.Authority()},
		TimestampAuthorities:   []*prototrustroot.CertificateAuthority{s.TSA.Authority()},
	}
}

// Instance returns how a trusted root lists the log.
func (l *Log) Instance() *prototrustroot.TransparencyLogInstance {
	return instance(l.URL, l.Key, l.ID(), l.Start)
}

// Instance returns how a trusted root lists the CT log.
func (c *CTLog) Instance() *prototrustroot.TransparencyLogInstance {
	id := c.ID()
	return instance(c.URL, c.Key, id[:], c.Start)
}

func instance(url string, key *Key, id []byte, start time.Time) *prototrustroot.TransparencyLogInstance {
	return &prototrustroot.TransparencyLogInstance{
		BaseUrl:       url,
		HashAlgorithm: protocommon.HashAlgorithm_SHA2_256,
		PublicKey:     key.Message(Window(start, time.Time{})),
		LogId:         &protocommon.LogId{KeyId: id},
	}
}

// Message returns the public key as trust documents have it. validFor may be
// nil.
func (k *Key) Message(validFor *protocommon.TimeRange) *protocommon.PublicKey {
	return &protocommon.PublicKey{RawBytes: k.SPKI(), KeyDetails: k.Algorithm, ValidFor: validFor}
}

// Window returns a range of time. A zero time is left open.
func Window(start, end time.Time) *protocommon.TimeRange {
	w := &protocommon.TimeRange{}
	if !start.IsZero() {
		w.Start = timestamppb.New(start)
	}
	if !end.IsZero() {
		w.End = timestamppb.New(end)
	}
	return w
}

// Authority returns how a trusted root lists the CA, with all of its chain.
func (ca *CA) Authority() *prototrustroot.CertificateAuthority {
	return authority(ca.URI, ca.Name, ca.Chain)
}

// Authority returns how a trusted root lists the TSA, with all of its chain.
func (t *TSA) Authority() *prototrustroot.CertificateAuthority {
	return authority(t.URI, t.Name, t.Chain)
}

func authority(uri, name string, chain []*x509.Certificate) *prototrustroot.CertificateAuthority {
	certs := &protocommon.X509CertificateChain{}
	for _, c := range chain {
		certs.Certificates = append(certs.Certificates, &protocommon.X509Certificate{RawBytes: c.Raw})
	}
	return &prototrustroot.CertificateAuthority{
		Subject:   &protocommon.DistinguishedName{Organization: "sandbox.example", CommonName: name},
		Uri:       uri,
		CertChain: certs,
		ValidFor:  Window(chain[len(chain)-1].NotBefore, time.Time{}),
	}
}

// SigningConfig returns a new signing config with the URLs that the usual
// services would have.
func (s *Sandbox) SigningConfig() *prototrustroot.SigningConfig {
	start := Window(s.Now().Add(-serviceAge), time.Time{})
	service := func(url string, version uint32) *prototrustroot.Service {
		return &prototrustroot.Service{Url: url, MajorApiVersion: version, ValidFor: start, Operator: "sandbox.example"}
	}
	anyOne := &prototrustroot.ServiceConfiguration{Selector: prototrustroot.ServiceSelector_ANY}
	return &prototrustroot.SigningConfig{
		MediaType:       SigningConfigMediaType,
		CaUrls:          []*prototrustroot.Service{service(s.Fulcio.URI, 1)},
		OidcUrls:        []*prototrustroot.Service{service(DefaultIssuer, 1)},
		RekorTlogUrls:   []*prototrustroot.Service{service(s.RekorV2.URL, 2), service(s.RekorV1.URL, 1)},
		TsaUrls:         []*prototrustroot.Service{service(s.TSA.URI, 1)},
		RekorTlogConfig: anyOne,
		TsaConfig:       anyOne,
	}
}

// ClientTrustConfig returns TrustedRoot and SigningConfig in one document.
func (s *Sandbox) ClientTrustConfig() *prototrustroot.ClientTrustConfig {
	return &prototrustroot.ClientTrustConfig{
		MediaType:     ClientTrustConfigMediaType,
		TrustedRoot:   s.TrustedRoot(),
		SigningConfig: s.SigningConfig(),
	}
}

// Config returns TrustedRoot as verifiers load it.
func (s *Sandbox) Config() (*trustroot.Config, error) {
	return trustroot.Parse(JSON(s.TrustedRoot()), "sandbox")
}

// JSON returns a message in protobuf's JSON, without spaces. It panics if the
// message has none, as invalid UTF-8 has not.
func JSON(m proto.Message) []byte {
	spaced, err := protojson.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("sandbox: marshalling %T: %v", m, err))
	}
	var b bytes.Buffer
	if err := json.Compact(&b, spaced); err != nil {
		panic(err)
	}
	return b.Bytes()
}
