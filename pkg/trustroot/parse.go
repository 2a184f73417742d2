package trustroot

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/bundler-sign/bundler/pkg/internal/strictjson"
)

// Media types of the documents that Parse reads. The two old spellings of a
// trusted root are read and never written.
const (
	MediaTypeRoot    = "application/vnd.dev.sigstore.trustedroot.v0.2+json"
	MediaTypeClient  = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"
	MediaTypeSigning = "application/vnd.dev.sigstore.signingconfig.v0.2+json"
	MediaTypeKeyring = "application/vnd.bundler.keyring.v1+json"

	mediaTypeRoot01  = "application/vnd.dev.sigstore.trustedroot.v0.1+json"
	mediaTypeRootOld = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"
)

// Limits on a trust document. Real ones have a dozen entries.
const (
	MaxBytes = 8 << 20 // of a document

	maxEntries = 256  // in one list of logs, authorities, services or keys
	maxChain   = 16   // certificates in one chain
	maxCerts   = 1024 // certificates in one document
	maxText    = 2048 // bytes of a URL, a name or a hint
)

// A FormatError says which rule a trust document breaks, and where. Parse and
// File return it; any other error of File means that the document could not be
// read.
type FormatError struct {
	Source string // the file, or the name given to Parse
	Path   string // RFC 6901 pointer to the offending value; "" if Err says where
	Err    error
}

func (e *FormatError) Error() string {
	s := e.Source + ": "
	if e.Path != "" {
		s += e.Path + ": "
	}
	return s + e.Err.Error()
}

func (e *FormatError) Unwrap() error { return e.Err }

// fail reports that the value at path breaks a rule. Parse adds the source.
func fail(path, format string, args ...any) error {
	return &FormatError{Path: path, Err: fmt.Errorf(format, args...)}
}

// File reads the trust document at path, which must be a regular file or a
// pipe of at most MaxBytes. It is read once. No network, ever.
func File(path string) (*Config, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(data, path)
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if mode := info.Mode(); !mode.IsRegular() && mode.Type() != fs.ModeNamedPipe {
		return nil, fmt.Errorf("%s: expected a file or a pipe, found %s", path, describeMode(mode))
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return data, nil
}

func describeMode(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a directory"
	case mode.Type()&fs.ModeSocket != 0:
		return "a socket"
	}
	return "a device"
}

// Parse reads one trust document; its media type says which kind. source names
// it in errors and reports. The error is a *FormatError.
//
// An entry whose key type this build does not know is left out, with a line in
// Config.Warnings; every other fault refuses the whole document.
func Parse(data []byte, source string) (*Config, error) {
	l := &loader{}
	c, err := l.parse(data)
	if err != nil {
		fe, ok := errors.AsType[*FormatError](err)
		if !ok {
			fe = &FormatError{Err: err}
		}
		fe.Source = source
		return nil, fe
	}
	c.Source = source
	c.SHA256 = sha256.Sum256(data)
	c.skipped = l.skipped
	for _, f := range l.skipped {
		c.Warnings = append(c.Warnings, f.Path+": skipped: "+f.Message)
	}
	return c, nil
}

// A loader turns wire messages into values, and remembers what spans entries.
type loader struct {
	skipped []Finding              // entries left out
	certs   int                    // seen so far, against maxCerts
	links   map[[2]string]struct{} // verified pairs of child and issuer, by DER
}

func (l *loader) parse(data []byte) (*Config, error) {
	var head struct {
		MediaType string `json:"mediaType"`
	}
	if err := strictjson.UnmarshalOpen(data, &head, limits); err != nil {
		return nil, explain(data, err)
	}
	switch head.MediaType {
	case MediaTypeRoot, mediaTypeRoot01, mediaTypeRootOld:
		return parseAs(l, data, (*loader).rootConfig)
	case MediaTypeClient:
		return parseAs(l, data, (*loader).clientConfig)
	case MediaTypeSigning:
		return parseAs(l, data, (*loader).signingConfig)
	case MediaTypeKeyring:
		return parseAs(l, data, (*loader).keyringConfig)
	case "":
		return nil, fail("/mediaType", "expected the media type of a trust document, found none")
	}
	return nil, fail("/mediaType", "expected a trusted root (%s), a client trust config (%s), a signing config (%s) or a keyring (%s), found %q",
		MediaTypeRoot, MediaTypeClient, MediaTypeSigning, MediaTypeKeyring, head.MediaType)
}

var limits = strictjson.Limits{Bytes: MaxBytes}

func parseAs[W any](l *loader, data []byte, load func(*loader, *W) (*Config, error)) (*Config, error) {
	w := new(W)
	if err := strictjson.Unmarshal(data, w, limits); err != nil {
		return nil, err
	}
	return load(l, w)
}

// explain adds what to do where the document is not JSON but something else
// that people have at hand.
func explain(data []byte, err error) error {
	switch {
	case len(data) == 0:
		return errors.New("expected a trust document in JSON, found an empty file")
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		return errors.New("expected JSON, found a byte order mark before it: save the file as UTF-8 without one")
	case bytes.Contains(data[:min(len(data), 4096)], []byte("-----BEGIN ")):
		return errors.New("expected a trust document in JSON, found PEM: bundler trust create makes one from PEM keys and certificates")
	}
	return err
}

func (l *loader) rootConfig(w *wireRoot) (*Config, error) {
	root, err := l.root(w, "")
	return &Config{Root: root}, err
}

func (l *loader) signingConfig(w *wireSigning) (*Config, error) {
	signing, err := loadSigning(w, "")
	return &Config{Signing: signing}, err
}

func (l *loader) clientConfig(w *wireClient) (*Config, error) {
	if w.TrustedRoot == nil {
		return nil, fail("/trustedRoot", "expected a trusted root, found none")
	}
	if w.SigningConfig == nil {
		return nil, fail("/signingConfig", "expected a signing config, found none")
	}
	return l.parts(w.TrustedRoot, w.SigningConfig)
}

func (l *loader) keyringConfig(w *wireKeyring) (*Config, error) {
	keyring, err := l.keyring(w.Keys, "/keys")
	if err != nil {
		return nil, err
	}
	c, err := l.parts(w.TrustedRoot, w.SigningConfig)
	if err != nil {
		return nil, err
	}
	c.Keyring = keyring
	return c, nil
}

// parts loads the documents embedded in another; each may be absent.
func (l *loader) parts(root *wireRoot, signing *wireSigning) (*Config, error) {
	c := &Config{}
	var err error
	if root != nil {
		if c.Root, err = l.root(root, "/trustedRoot"); err != nil {
			return nil, err
		}
	}
	if signing != nil {
		if c.Signing, err = loadSigning(signing, "/signingConfig"); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (l *loader) root(w *wireRoot, path string) (*Root, error) {
	switch w.MediaType {
	case MediaTypeRoot, mediaTypeRoot01, mediaTypeRootOld:
	default:
		return nil, fail(path+"/mediaType", "expected %s, found %q", MediaTypeRoot, w.MediaType)
	}
	root := &Root{MediaType: w.MediaType}
	var err error
	if root.Logs, err = l.logs(w.TLogs, path+"/tlogs", rekorLog); err != nil {
		return nil, err
	}
	if root.CTLogs, err = l.logs(w.CTLogs, path+"/ctlogs", ctLog); err != nil {
		return nil, err
	}
	if root.CAs, err = l.authorities(w.CAs, path+"/certificateAuthorities", caRole); err != nil {
		return nil, err
	}
	if root.TSAs, err = l.authorities(w.TSAs, path+"/timestampAuthorities", tsaRole); err != nil {
		return nil, err
	}
	return root, nil
}

// checkCount bounds a list before its entries are looked at.
func checkCount(n int, path string) error {
	if n > maxEntries {
		return fail(path, "expected at most %d entries, found %d", maxEntries, n)
	}
	return nil
}

// checkText accepts what can be shown to people: bounded, and without control
// characters and others that a terminal would act upon.
func checkText(s, path string) error {
	if len(s) > maxText {
		return fail(path, "expected at most %d bytes, found %d", maxText, len(s))
	}
	if !isPrintable(s) {
		return fail(path, "expected printable text, found %q", s)
	}
	return nil
}

// unknownKeyError reports a key type that this build does not know.
type unknownKeyError struct{ name string }

func (e *unknownKeyError) Error() string {
	return fmt.Sprintf("key type %s is not known to this build of bundler", e.name)
}

// skip reports whether err is about an unknown key type, and if so notes that
// the entry at path is left out.
func (l *loader) skip(path string, err error) bool {
	unknown, ok := errors.AsType[*unknownKeyError](err)
	if ok {
		l.skipped = append(l.skipped, Finding{Severity: SeverityError, Path: path, Message: unknown.Error()})
	}
	return ok
}
