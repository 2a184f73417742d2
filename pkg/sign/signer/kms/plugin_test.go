//go:build unix

package kms

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/kms/cliplugin/common"
	"github.com/sigstore/sigstore/pkg/signature/kms/cliplugin/handler"
)

// TestMain makes this program a plugin too, as the protocol calls one.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == common.ProtocolVersion {
		if err := pluginMain(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(7)
		}
		os.Exit(0)
	}
	// Programs built for the race detector sleep for a second when they end.
	os.Setenv("GORACE", "atexit_sleep_ms=0")
	os.Exit(m.Run())
}

// behaviours are what a plugin may print instead of an honest answer.
var behaviours = map[string]func(){
	"hang":          func() { time.Sleep(time.Hour) },
	"flood":         func() { io.Copy(os.Stdout, strings.NewReader(strings.Repeat("x", maxReply+1))) },
	"nothing":       func() {},
	"dies":          func() { fmt.Print(`{"publicKey"`); os.Exit(3) },
	"no member":     func() { fmt.Print(`{}`) },
	"null":          func() { fmt.Print(`{"errorMessage":null,"publicKey":null,"signMessage":null}`) },
	"empty":         func() { fmt.Print(`{"publicKey":{},"signMessage":{}}`) },
	"duplicate":     func() { fmt.Print(`{"publicKey":{},"publicKey":{},"signMessage":{},"signMessage":{}}`) },
	"wrong type":    func() { fmt.Print(`{"publicKey":1,"signMessage":1}`) },
	"no PEM":        func() { fmt.Print(`{"publicKey":{"publicKeyPEM":"AAAA"},"signMessage":{"signature":"AAAA"}}`) },
	"says an error": func() { fmt.Print(`{"errorMessage":"denied \u001b[2J"}`); os.Exit(1) },
	"grandchild": func() {
		cmd := exec.Command("sleep", "1000")
		cmd.Stdout = os.Stdout
		cmd.Start()
		fmt.Print(`{}`)
	},
}

// pluginMain answers by sigstore's own handler with the key in the file that
// the key's name says: BEHAVIOUR/METHOD:FILE misbehaves for one method.
func pluginMain() error {
	args, err := handler.GetPluginArgs(os.Args)
	if err != nil {
		return err
	}
	behaviour, file, ok := strings.Cut(args.InitOptions.KeyResourceID, ":")
	if !ok {
		return errors.New("no key")
	}
	if what, method, _ := strings.Cut(behaviour, "/"); method == args.MethodName {
		behaviours[what]()
		return nil
	}
	der, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "some chatter of the plugin")
	_, err = handler.Dispatch(os.Stdout, os.Stdin, args, &local{key: key.(crypto.Signer)})
	return err
}

// local is a KMS with one key.
type local struct{ key crypto.Signer }

func (l *local) PublicKey(...signature.PublicKeyOption) (crypto.PublicKey, error) {
	return l.key.Public(), nil
}

func (l *local) SignMessage(message io.Reader, opts ...signature.SignOption) ([]byte, error) {
	var digest []byte
	var hash crypto.SignerOpts = crypto.SHA256
	for _, opt := range opts {
		opt.ApplyDigest(&digest)
		opt.ApplyCryptoSignerOpts(&hash)
	}
	if hash.HashFunc() == 0 {
		var err error
		if digest, err = io.ReadAll(message); err != nil {
			return nil, err
		}
	}
	return l.key.Sign(rand.Reader, digest, hash)
}

func (l *local) VerifySignature(_, _ io.Reader, _ ...signature.VerifyOption) error {
	return errors.New("not asked for")
}

func (l *local) CreateKey(context.Context, string) (crypto.PublicKey, error) {
	return nil, errors.New("not asked for")
}

func (l *local) CryptoSigner(context.Context, func(error)) (crypto.Signer, crypto.SignerOpts, error) {
	return nil, nil, errors.New("not asked for")
}

func (l *local) SupportedAlgorithms() []string { return nil }
func (l *local) DefaultAlgorithm() string      { return "" }
