package service

import (
	"context"
	"crypto/sha256"
	encoding_asn1 "encoding/asn1"
	"fmt"
	"mime"
	"net/http"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/bundler-sign/bundler/pkg/internal/fetch"
)

// TSA is an RFC 3161 timestamp authority.
type TSA struct {
	url    string
	client *fetch.Client
}

func (t *TSA) String() string { return t.url }

const maxToken = 64 << 10 // bytes, as pkg/bundle reads them

// Timestamp returns a TimeStampResp over the bytes of a signature, by their
// SHA-256. No nonce is sent: a token for the same signature from earlier would
// prove more, not less, and the caller holds the time to its clock.
//
// Source: RFC 3161 sections 2.4.1 and 3.4.
func (t *TSA) Timestamp(ctx context.Context, signature []byte) ([]byte, error) {
	resp, err := t.client.Do(ctx, &fetch.Request{
		Method:  http.MethodPost,
		URL:     t.url,
		Header:  http.Header{"Content-Type": {"application/timestamp-query"}, "Accept": {"application/timestamp-reply"}},
		Body:    timestampRequest(signature),
		MaxBody: maxToken,
		Accept:  []int{http.StatusOK, http.StatusCreated},
	})
	if err != nil {
		return nil, err
	}
	if found, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil || found != "application/timestamp-reply" {
		return nil, fmt.Errorf("expected an answer of type application/timestamp-reply, found %q", clip(resp.Header.Get("Content-Type")))
	}
	return resp.Body, nil
}

var oidSHA256 = encoding_asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}

// timestampRequest asks for the authority's certificates too: a trusted root
// may list no more than the CA that issued them.
func timestampRequest(signature []byte) []byte {
	sum := sha256.Sum256(signature)
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(oidSHA256)
				b.AddASN1NULL()
			})
			b.AddASN1OctetString(sum[:])
		})
		b.AddASN1Boolean(true)
	})
	return b.BytesOrPanic() // fails only above 4 GiB
}
