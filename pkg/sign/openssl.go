package sign

import (
	"fmt"
	"strings"

	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
)

// OpenSSL returns the openssl command line that signs the file in with the
// private key in the file key, and writes the signature to out. in holds the
// bytes to sign: the artifact, or ToSign. note says which openssl it takes,
// where 3.0 is not enough.
func (q *Request) OpenSSL(key, in, out string) (argv []string, note string) {
	pkeyutl := []string{"openssl", "pkeyutl", "-sign", "-rawin", "-inkey", key}
	files := []string{"-in", in, "-out", out}
	switch {
	case q.algorithm == keyspec.Ed25519:
		return append(pkeyutl, files...), ""
	case q.algorithm == keyspec.Ed25519ph:
		return append(append(pkeyutl, "-pkeyopt", "instance:Ed25519ph"), files...), "openssl 3.2 or newer"
	case q.algorithm.Hash() == 0:
		return append(pkeyutl, files...), "openssl 3.5 or newer"
	}
	argv = []string{"openssl", "dgst", "-" + q.hash().String(), "-sign", key}
	if q.isPSS() {
		argv = append(argv, "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest")
	}
	return append(argv, "-out", out, in), ""
}

// OpenSSLDigest is OpenSSL for a key that signs digests: the file in holds the
// bytes of Digest. It returns an error if the algorithm does not hash first, or
// openssl can not sign a digest by it.
func (q *Request) OpenSSLDigest(key, in, out string) ([]string, error) {
	if q.algorithm.Hash() == 0 || q.algorithm == keyspec.Ed25519ph {
		return nil, fmt.Errorf("openssl signs no digests by %v", q.algorithm)
	}
	argv := []string{"openssl", "pkeyutl", "-sign", "-inkey", key, "-pkeyopt", "digest:" + q.hash().String()}
	if q.isPSS() {
		argv = append(argv, "-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:digest")
	}
	return append(argv, "-in", in, "-out", out), nil
}

func (q *Request) isPSS() bool { return strings.Contains(q.algorithm.String(), "RSA_PSS") }
