package main

import (
	"bytes"
	"encoding/pem"
	"slices"
	"testing"
	"time"

	"github.com/bundler-sign/bundler/pkg/sandbox"
)

// A file of several lists is read whole or not at all.
func TestParseCRLs(t *testing.T) {
	t.Parallel()
	s, err := sandbox.New(&sandbox.Options{Seed: t.Name()})
	if err != nil {
		t.Fatal(err)
	}
	der, err := s.PrivateCA.CRL(s.Now(), s.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	encode := func(kind string, der []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	}
	one := encode("X509 CRL", der)
	broken := bytes.Replace(one, []byte("END X509 CRL"), []byte("END X509"), 1)
	for name, tt := range map[string]struct {
		data []byte
		want int // lists; 0 for an error
	}{
		"DER":              {der, 1},
		"PEM":              {one, 1},
		"text around PEM":  {slices.Concat([]byte("# root\n"), one, []byte("# end\n")), 1},
		"two":              {slices.Concat(one, one), 2},
		"three":            {slices.Concat(one, []byte("\n"), one, one), 3},
		"nothing":          {nil, 0},
		"text":             {[]byte("hello\n"), 0},
		"DER and more":     {slices.Concat(der, []byte{0}), 0},
		"DER twice":        {slices.Concat(der, der), 0},
		"a certificate":    {encode("CERTIFICATE", der), 0},
		"one and a key":    {slices.Concat(one, encode("PUBLIC KEY", s.CT.Key.SPKI())), 0},
		"second cut off":   {slices.Concat(one, one[:len(one)/2]), 0},
		"first cut off":    {slices.Concat(one[:len(one)/2], one), 0},
		"first broken":     {slices.Concat(broken, one), 0},
		"second not a CRL": {slices.Concat(one, encode("X509 CRL", der[:len(der)-1])), 0},
	} {
		t.Run(name, func(t *testing.T) {
			lists, err := parseCRLs(tt.data)
			if len(lists) != tt.want || (err == nil) != (tt.want > 0) {
				t.Errorf("got %d lists and error %v, want %d", len(lists), err, tt.want)
			}
		})
	}
}
