package trustroot

import "github.com/bundler-sign/bundler/pkg/internal/keyspec"

// ParseKeyDetails returns the KeyDetails that protobuf-specs gives this name,
// such as PKIX_ECDSA_P256_SHA_256, and whether this build knows it.
func ParseKeyDetails(name string) (KeyDetails, bool) { return keyspec.Parse(name) }
