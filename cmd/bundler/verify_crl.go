package main

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/bundler-sign/bundler/pkg/verify"
)

// maxCRLs bounds the bytes of one file of revocation lists.
const maxCRLs = 64 << 20

// readCRLs adds the lists of the files given to q. A list that can not be read
// says nothing about anybody: there is no verdict then.
func (f *verifyFlags) readCRLs(q *verify.Requirements) error {
	for _, path := range f.crls {
		data, err := readInput(path, maxCRLs)
		if err != nil {
			return err
		}
		lists, err := parseCRLs(data)
		if err != nil {
			return noVerdictf("--crl %s: expected a certificate revocation list: %w", path, err)
		}
		q.CRLs = append(q.CRLs, lists...)
	}
	return nil
}

// parseCRLs parses one list in DER, or all of a file's in PEM: one that was
// passed over could be the one that revokes.
func parseCRLs(data []byte) ([]*x509.RevocationList, error) {
	begin := []byte("-----BEGIN ")
	blocks := bytes.Count(data, begin)
	if block, _ := pem.Decode(data); block == nil {
		list, err := parseCRL(data)
		if err != nil {
			return nil, err
		}
		return []*x509.RevocationList{list}, nil
	}
	var lists []*x509.RevocationList
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "X509 CRL" {
			return nil, fmt.Errorf("found PEM of type %q, expected X509 CRL", block.Type)
		}
		list, err := parseCRL(block.Bytes)
		if err != nil {
			return nil, err
		}
		lists = append(lists, list)
	}
	if len(lists) != blocks {
		return nil, errors.New("found PEM that is cut off or broken")
	}
	return lists, nil
}

// parseCRL parses exactly one list: crypto/x509 passes over what follows it.
func parseCRL(der []byte) (*x509.RevocationList, error) {
	list, err := x509.ParseRevocationList(der)
	if err == nil && len(list.Raw) != len(der) {
		return nil, fmt.Errorf("found %d bytes after it", len(der)-len(list.Raw))
	}
	return list, err
}
