// Package exec answers: how does any program become a signer?
//
// The program is run once for each question. It reads one JSON object from
// standard input, which is one line, and writes one to standard output:
//
//	{"version":1,"request":"public-key"}
//	{"version":1,"publicKey":"MFkwEwYH…"}                  DER, base64
//
//	{"version":1,"request":"sign","algorithm":"PKIX_ECDSA_P256_SHA_256","hash":"sha256","digest":"47DEQp…"}
//	{"version":1,"request":"sign","algorithm":"PKIX_ED25519","message":"aGVsbG8="}
//	{"version":1,"signature":"MEUCIQ…"}                    base64; ECDSA in DER
//
//	{"version":1,"error":"the token is locked"}            to any request
//
// docs/exec-signer.md is the manual. The program is not trusted: it is held to
// limits of time and output, and its signatures count only if they verify under
// the public key that it named when it was opened.
package exec

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/json/v2"
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"strings"
	"time"

	"github.com/bundler-sign/bundler/pkg/internal/program"
	"github.com/bundler-sign/bundler/pkg/internal/strictjson"
	"github.com/bundler-sign/bundler/pkg/sign/signer"
)

// Version is the version of the protocol.
const Version = 1

// maxReply bounds a reply, in bytes: an ML-DSA-87 signature has 4627.
const maxReply = 64 << 10

// Options says how programs are run; nil is its zero value.
type Options struct {
	// Timeout bounds one run. Zero stands for a minute.
	Timeout time.Duration

	// LookPath finds a program by name; nil stands for os/exec's.
	LookPath func(name string) (string, error)
}

// Open returns the signer for a program: exec:/PATH?arg=A&arg=B, or exec:NAME
// for one on PATH, percent-encoded. It asks the program for its public key and
// holds every later signature to that key.
func Open(ctx context.Context, uri string, opts *Options) (signer.Signer, error) {
	if opts == nil {
		opts = &Options{}
	}
	name, args, err := parseURI(uri)
	if err != nil {
		return nil, err
	}
	look := opts.LookPath
	if look == nil {
		look = exec.LookPath
	}
	path, err := look(name)
	if err != nil {
		return nil, fmt.Errorf("expected a program that signs: %w", err)
	}
	h := &helper{path: path, args: args, timeout: opts.Timeout}
	r, err := h.ask(ctx, request{Version: Version, Request: "public-key"})
	if err != nil {
		return nil, fmt.Errorf("asking for the public key: %w", err)
	}
	if h.public, err = r.key(); err != nil {
		return nil, fmt.Errorf("asking for the public key: %q: %w", path, err)
	}
	return signer.Verified(h)
}

// parseURI returns the program, by path or name, and its arguments.
func parseURI(uri string) (name string, args []string, err error) {
	if scheme, _ := signer.Scheme(uri); scheme != "exec" {
		return "", nil, fmt.Errorf("%w: expected exec:PROGRAM, found %q", signer.ErrScheme, uri)
	}
	rest := uri[len("exec:"):]
	if strings.Contains(rest, "#") {
		return "", nil, fmt.Errorf("expected exec:PROGRAM?arg=…, found a fragment in %q: write %%23 for #", uri)
	}
	path, query, _ := strings.Cut(rest, "?")
	if strings.HasPrefix(path, "//") && !strings.HasPrefix(path, "///") {
		return "", nil, fmt.Errorf("expected a program on this machine, exec:/PATH or exec:NAME, found %q", uri)
	}
	if name, err = url.PathUnescape(strings.TrimPrefix(path, "//")); err != nil {
		return "", nil, fmt.Errorf("expected a percent-encoded program: %w", err)
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return "", nil, fmt.Errorf("expected arguments as ?arg=A&arg=B: %w", err)
	}
	for key := range values {
		if key != "arg" {
			return "", nil, fmt.Errorf("expected arguments as ?arg=A&arg=B, found %q", key)
		}
	}
	if name == "" || strings.Contains(name+strings.Join(values["arg"], ""), "\x00") {
		return "", nil, fmt.Errorf("expected exec:PROGRAM?arg=…, found %q", uri)
	}
	return name, values["arg"], nil
}

type helper struct {
	path    string
	args    []string
	timeout time.Duration
	public  crypto.PublicKey
}

// A request is one question. The order of its members is part of the protocol,
// for programs that read it with sed.
type request struct {
	Version   int    `json:"version"`
	Request   string `json:"request"`
	Algorithm string `json:"algorithm,omitzero"`
	Hash      string `json:"hash,omitzero"`
	Digest    []byte `json:"digest,omitzero"`
	Message   []byte `json:"message,omitzero"` // may be empty, and is there then
}

// A reply is an answer: Error, or the member that was asked for.
type reply struct {
	Version   int    `json:"version"`
	Error     string `json:"error"`
	PublicKey []byte `json:"publicKey"`
	Signature []byte `json:"signature"`
}

func (h *helper) Public() crypto.PublicKey { return h.public }

func (h *helper) Sign(ctx context.Context, alg signer.KeyDetails, input []byte) ([]byte, error) {
	q := request{Version: Version, Request: "sign", Algorithm: alg.String()}
	if hash := alg.Hash(); hash != 0 {
		q.Hash, q.Digest = strings.ToLower(strings.ReplaceAll(hash.String(), "-", "")), input
	} else {
		q.Message = append([]byte{}, input...)
	}
	r, err := h.ask(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("asking for a signature: %w", err)
	}
	if len(r.Signature) == 0 || r.PublicKey != nil {
		return nil, fmt.Errorf("asking for a signature: %q: expected a reply with signature alone, found another", h.path)
	}
	return r.Signature, nil
}

// ask runs the program once.
func (h *helper) ask(ctx context.Context, q request) (*reply, error) {
	line, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	out, runErr := program.Command{
		Path: h.path, Args: h.args, Stdin: append(line, '\n'),
		Timeout: h.timeout, Output: maxReply,
	}.Run(ctx)
	if runErr != nil && !errors.Is(runErr, program.ErrStatus) {
		return nil, runErr
	}
	r := &reply{}
	err = strictjson.Unmarshal(out, r, strictjson.Limits{Bytes: maxReply, Depth: 2, Values: 16, Number: 16})
	// A program that failed may say why in a reply; nothing else it says counts.
	switch {
	case err == nil && r.Version == Version && r.Error != "":
		return nil, fmt.Errorf("%q: it says %s", h.path, program.Quote(r.Error))
	case runErr != nil:
		return nil, runErr
	case err != nil:
		return nil, fmt.Errorf("%q: expected one JSON reply: %w", h.path, err)
	case r.Version != Version:
		return nil, fmt.Errorf("%q: expected a reply of version %d, found %d", h.path, Version, r.Version)
	}
	return r, nil
}

// key returns the public key of a reply to public-key.
func (r *reply) key() (crypto.PublicKey, error) {
	if len(r.PublicKey) == 0 || r.Signature != nil {
		return nil, errors.New("expected a reply with publicKey alone, found another")
	}
	return x509.ParsePKIXPublicKey(r.PublicKey)
}
