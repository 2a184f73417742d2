// Package kms answers: how does a key in a KMS sign, when no KMS's client is
// linked here?
//
// Through sigstore's plugin protocol: a program sigstore-kms-NAME on PATH is
// responsible for keys NAME://KEY. It gets the protocol's version and the
// question, in JSON, as arguments, and the message on standard input, and
// answers in JSON on standard output. Nothing that it gets is secret.
//
// The client is our own, for the sake of its limits: sigstore's reads any
// amount of output, waits for as long as a plugin or its children take, and
// panics over an answer without the member that was asked for.
//
// Source: github.com/sigstore/sigstore/pkg/signature/kms/cliplugin, protocol v1.
package kms

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/sigstore/sigstore/pkg/signature/kms/cliplugin/common"

	"github.com/bundler-sign/bundler/pkg/internal/program"
	"github.com/bundler-sign/bundler/pkg/internal/strictjson"
	"github.com/bundler-sign/bundler/pkg/sign/signer"
)

// prefix begins the name of every plugin.
const prefix = "sigstore-kms-"

// maxReply bounds an answer, in bytes.
const maxReply = 64 << 10

// Options says how plugins are run; nil is its zero value.
type Options struct {
	// Timeout bounds one run. Zero stands for a minute.
	Timeout time.Duration

	// LookPath finds a program by name; nil stands for os/exec's.
	LookPath func(name string) (string, error)
}

// Open returns the signer for a key in a KMS, NAME://KEY, by the program
// sigstore-kms-NAME. What KEY looks like is up to the plugin: awskms://alias/a,
// hashivault://key. It asks for the public key and holds every later signature
// to it. If there is no such program the error is a signer.ErrScheme.
func Open(ctx context.Context, uri string, opts *Options) (signer.Signer, error) {
	if opts == nil {
		opts = &Options{}
	}
	scheme, ok := signer.Scheme(uri)
	if !ok {
		return nil, fmt.Errorf("%w: expected NAME://KEY, found %q", signer.ErrScheme, uri)
	}
	look := opts.LookPath
	if look == nil {
		look = exec.LookPath
	}
	name := prefix + uri[:len(scheme)] // as it was written: file names have case
	path, err := look(name)
	if err != nil {
		return nil, fmt.Errorf("%w %q: for the key of a KMS, expected the plugin %s: %w", signer.ErrScheme, scheme, name, err)
	}
	key, ok := strings.CutPrefix(uri[len(scheme):], "://")
	if !ok {
		return nil, fmt.Errorf("expected a KMS's key as %s://KEY, found %q", scheme, uri)
	}
	p := &plugin{path: path, key: key, timeout: opts.Timeout}
	if p.public, err = p.publicKey(ctx); err != nil {
		return nil, fmt.Errorf("asking for the public key: %w", err)
	}
	return signer.Verified(p)
}

type plugin struct {
	path, key string
	timeout   time.Duration
	public    crypto.PublicKey
}

func (p *plugin) Public() crypto.PublicKey { return p.public }

func (p *plugin) publicKey(ctx context.Context) (crypto.PublicKey, error) {
	// Which hash belongs to the key is known once the key is; clients ask with
	// SHA-256 until then.
	r, err := p.ask(ctx, crypto.SHA256, nil, &common.MethodArgs{
		MethodName: common.PublicKeyMethodName,
		PublicKey:  &common.PublicKeyArgs{PublicKeyOptions: &common.PublicKeyOptions{}},
	})
	if err != nil {
		return nil, err
	}
	if r.PublicKey == nil {
		return nil, fmt.Errorf("%q: expected an answer with publicKey, found none", p.path)
	}
	block, rest := pem.Decode(r.PublicKey.PEM)
	if block == nil || block.Type != "PUBLIC KEY" || len(strings.TrimSpace(string(rest))) > 0 {
		return nil, fmt.Errorf("%q: expected one PEM block PUBLIC KEY, found something else", p.path)
	}
	pub, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", p.path, err)
	}
	return pub, nil
}

func (p *plugin) Sign(ctx context.Context, alg signer.KeyDetails, input []byte) ([]byte, error) {
	args := &common.SignMessageArgs{SignOptions: &common.SignOptions{}}
	hash := alg.Hash()
	args.SignOptions.MessageOptions.HashFunc = &hash
	message := input
	if hash != 0 {
		args.SignOptions.MessageOptions.Digest, message = &input, nil
	}
	r, err := p.ask(ctx, hash, message, &common.MethodArgs{MethodName: common.SignMessageMethodName, SignMessage: args})
	if err != nil {
		return nil, fmt.Errorf("asking for a signature: %w", err)
	}
	if r.SignMessage == nil {
		return nil, fmt.Errorf("asking for a signature: %q: expected an answer with signMessage, found none", p.path)
	}
	return r.SignMessage.Signature, nil
}

// An answer is common.PluginResp as far as it is asked for here.
type answer struct {
	Error     string `json:"errorMessage"`
	PublicKey *struct {
		PEM []byte `json:"publicKeyPEM"`
	} `json:"publicKey"`
	SignMessage *struct {
		Signature []byte `json:"signature"`
	} `json:"signMessage"`
}

// ask runs the plugin once. Its exit status says nothing, by the protocol, if
// there is an answer.
func (p *plugin) ask(ctx context.Context, hash crypto.Hash, message []byte, method *common.MethodArgs) (*answer, error) {
	args := common.PluginArgs{
		InitOptions: &common.InitOptions{
			ProtocolVersion: common.ProtocolVersion,
			KeyResourceID:   p.key,
			HashFunc:        hash,
			RPCOptions:      &common.RPCOptions{},
		},
		MethodArgs: method,
	}
	if deadline, ok := ctx.Deadline(); ok {
		args.InitOptions.CtxDeadline = &deadline
	}
	text, err := json.Marshal(args)
	if err != nil {
		return nil, err
	}
	out, runErr := program.Command{
		Path: p.path, Args: []string{common.ProtocolVersion, string(text)}, Stdin: message,
		Timeout: p.timeout, Output: maxReply,
	}.Run(ctx)
	if runErr != nil && !errors.Is(runErr, program.ErrStatus) {
		return nil, runErr
	}
	r := &answer{}
	// Plugins in other languages may spell out what is absent, as null, and
	// later versions of the protocol may add members.
	err = strictjson.UnmarshalOpen(out, r, strictjson.Limits{Bytes: maxReply, Depth: 8, Values: 256, AnyNull: true})
	switch {
	case err == nil && r.Error != "":
		return nil, fmt.Errorf("%q: it says %s", p.path, program.Quote(r.Error))
	case err != nil && runErr != nil:
		return nil, runErr
	case err != nil:
		return nil, fmt.Errorf("%q: expected one JSON answer: %w", p.path, err)
	}
	return r, nil
}
