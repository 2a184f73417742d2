package verify

import (
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"unicode/utf8"
)

// FulcioExtensions are what Fulcio certifies about a signer beside the name.
// Source: sigstore/fulcio docs/oid-info.md.
type FulcioExtensions struct {
	Issuer string // the OIDC issuer that vouched for the signer
	Fields []FulcioField
}

// A FulcioField is one extension, named as Fulcio's documentation has it.
type FulcioField struct {
	Name, Value string
}

// Get returns the value of the field with that name, "" if there is none.
func (f *FulcioExtensions) Get(name string) string {
	for _, field := range f.Fields {
		if field.Name == name {
			return field.Value
		}
	}
	return ""
}

// oidFulcio is the arc of Fulcio's extensions. Numbers 1 to 6 hold bare text,
// from 8 on DER UTF8Strings.
var oidFulcio = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1}

var fulcioNames = map[int]string{
	2: "githubWorkflowTrigger", 3: "githubWorkflowSHA", 4: "githubWorkflowName",
	5: "githubWorkflowRepository", 6: "githubWorkflowRef",
	9: "buildSignerURI", 10: "buildSignerDigest", 11: "runnerEnvironment",
	12: "sourceRepositoryURI", 13: "sourceRepositoryDigest", 14: "sourceRepositoryRef",
	15: "sourceRepositoryIdentifier", 16: "sourceRepositoryOwnerURI", 17: "sourceRepositoryOwnerIdentifier",
	18: "buildConfigURI", 19: "buildConfigDigest", 20: "buildTrigger",
	21: "runInvocationURI", 22: "sourceRepositoryVisibilityAtSigning", 23: "deploymentEnvironment",
}

const (
	fulcioIssuerV1  = 1
	fulcioIssuerV2  = 8
	fulcioFirstDER  = 8
	fulcioFirstText = 1
)

// parseFulcio returns nil if c does not have Fulcio's profile, which an issuer
// extension makes. The two forms of the issuer must agree.
func parseFulcio(c *x509.Certificate) (*FulcioExtensions, error) {
	var f FulcioExtensions
	issuers := map[int]string{}
	for _, ext := range c.Extensions {
		n, ok := fulcioNumber(ext.Id)
		if !ok {
			continue
		}
		value, err := fulcioValue(n, ext.Value)
		if err != nil {
			return nil, fmt.Errorf("extension %v: %w", ext.Id, err)
		}
		if n == fulcioIssuerV1 || n == fulcioIssuerV2 {
			issuers[n] = value
		} else if name := fulcioNames[n]; name != "" {
			f.Fields = append(f.Fields, FulcioField{name, value})
		}
	}
	v1, has1 := issuers[fulcioIssuerV1]
	v2, has2 := issuers[fulcioIssuerV2]
	switch {
	case !has1 && !has2:
		return nil, nil
	case has1 && has2 && v1 != v2:
		return nil, fmt.Errorf("it names two OIDC issuers, %q and %q", v1, v2)
	case has2:
		f.Issuer = v2
	default:
		f.Issuer = v1
	}
	return &f, nil
}

func fulcioNumber(oid asn1.ObjectIdentifier) (int, bool) {
	if len(oid) != len(oidFulcio)+1 || !oid[:len(oidFulcio)].Equal(oidFulcio) {
		return 0, false
	}
	n := oid[len(oidFulcio)]
	return n, n >= fulcioFirstText && n != 7
}

func fulcioValue(n int, value []byte) (string, error) {
	if n < fulcioFirstDER {
		if !utf8.Valid(value) {
			return "", fmt.Errorf("expected UTF-8 text, found %q", value)
		}
		return string(value), nil
	}
	var raw asn1.RawValue
	if err := unmarshalAll(value, &raw, "a UTF8String"); err != nil {
		return "", err
	}
	if raw.Class != asn1.ClassUniversal || raw.Tag != asn1.TagUTF8String || raw.IsCompound || !utf8.Valid(raw.Bytes) {
		return "", fmt.Errorf("expected a UTF8String, found tag %d", raw.Tag)
	}
	return string(raw.Bytes), nil
}
