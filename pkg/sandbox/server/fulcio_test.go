package server_test

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"

	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/sandbox/server"
)

func base64of(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// certRequest asks for a certificate for key, proving its possession by a
// signature over challenge.
func certRequest(key *sandbox.Key, challenge string) []byte {
	return must(json.Marshal(map[string]any{"publicKeyRequest": map[string]any{
		"publicKey":         map[string]any{"algorithm": "ECDSA", "content": string(key.PEM())},
		"proofOfPossession": key.Sign([]byte(challenge)),
	}}))
}

func bearer(token string) []string { return []string{"Authorization", "Bearer " + token} }

// leafOf returns the certificate of an answer.
func leafOf(t *testing.T, text string) *x509.Certificate {
	t.Helper()
	var answer struct {
		Embedded struct {
			Chain struct{ Certificates []string }
		} `json:"signedCertificateEmbeddedSct"`
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil || len(answer.Embedded.Chain.Certificates) != 3 {
		t.Fatalf("expected a chain of three: %v %s", err, text)
	}
	block, _ := pem.Decode([]byte(answer.Embedded.Chain.Certificates[0]))
	return must(x509.ParseCertificate(block.Bytes))
}

func TestFulcioCertifiesWhoTheTokenIsAbout(t *testing.T) {
	t.Parallel()
	w := serve(t, nil)
	for name, test := range map[string]struct {
		form      url.Values
		challenge string
		want      string
	}{
		"default":  {url.Values{}, sandbox.DefaultIdentity, sandbox.DefaultIdentity},
		"email":    {url.Values{"email": {"bob@example.com"}}, "bob@example.com", "bob@example.com"},
		"workload": {url.Values{"sub": {"https://ci.example.com/job/1"}}, "https://ci.example.com/job/1", "https://ci.example.com/job/1"},
	} {
		for _, algorithm := range []sandbox.Algorithm{sandbox.P256, sandbox.P384, sandbox.Ed25519, sandbox.MLDSA65} {
			t.Run(name+"-"+algorithm.String(), func(t *testing.T) {
				t.Parallel()
				key := w.box.Key("client", algorithm)
				status, text := w.post(t, server.Fulcio, "/api/v2/signingCert", certRequest(key, test.challenge), bearer(w.token(t, test.form))...)
				if status != http.StatusOK {
					t.Fatalf("got %d %s", status, text)
				}
				leaf := leafOf(t, text)
				summary := must(certificate.SummarizeCertificate(leaf))
				if summary.SubjectAlternativeName != test.want || summary.Issuer != w.URL(server.OIDC) {
					t.Errorf("got %+v, want subject %s of issuer %s", summary, test.want, w.URL(server.OIDC))
				}
				if string(must(x509.MarshalPKIXPublicKey(leaf.PublicKey))) != string(key.SPKI()) {
					t.Error("the certificate is for another key")
				}
				if !leaf.NotBefore.Equal(w.box.Now()) || leaf.NotAfter.Sub(leaf.NotBefore) != 10*time.Minute {
					t.Errorf("valid from %v to %v", leaf.NotBefore, leaf.NotAfter)
				}
			})
		}
	}
}

// token asks the provider for one.
func (w world) token(t *testing.T, form url.Values) string {
	t.Helper()
	status, text := w.postForm(t, "/sandbox/token", form)
	var answer struct {
		Token string `json:"id_token"`
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil || status != http.StatusOK {
		t.Fatalf("got %d %s", status, text)
	}
	return answer.Token
}

func TestFulcioTakesRequestsOfEveryForm(t *testing.T) {
	t.Parallel()
	w := serve(t, nil)
	key := w.box.Key("client", sandbox.P256)
	token := must(w.Token(""))
	csrDER := must(x509.CreateCertificateRequest(rand.Reader,
		&x509.CertificateRequest{Subject: pkix.Name{CommonName: "whoever"}}, key.Signer))
	csr := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csrDER})
	csrDER[len(csrDER)-1] ^= 1 // the end of the signature
	spoilt := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csrDER})
	withToken := func(token string) []byte {
		return []byte(strings.Replace(string(certRequest(key, sandbox.DefaultIdentity)), "{", `{"credentials":{"oidcIdentityToken":"`+token+`"},`, 1))
	}
	v1 := func(content []byte, challenge string) []byte {
		return must(json.Marshal(map[string]any{
			"publicKey": map[string]any{"content": content, "algorithm": "ecdsa"}, "signedEmailAddress": key.Sign([]byte(challenge)),
		}))
	}
	for name, test := range map[string]struct {
		path   string
		body   []byte
		header []string
		want   int
	}{
		"csr":             {"/api/v2/signingCert", must(json.Marshal(map[string]any{"certificateSigningRequest": csr})), bearer(token), 200},
		"csr-spoilt":      {"/api/v2/signingCert", must(json.Marshal(map[string]any{"certificateSigningRequest": spoilt})), bearer(token), 400},
		"credentials":     {"/api/v2/signingCert", withToken(token), nil, 200},
		"credentials-bad": {"/api/v2/signingCert", withToken("x" + token), nil, 401},
		"v1-der":          {"/api/v1/signingCert", v1(key.SPKI(), sandbox.DefaultIdentity), bearer(token), 201},
		"v1-pem":          {"/api/v1/signingCert", v1(key.PEM(), sandbox.DefaultIdentity), bearer(token), 201},
		"v1-bad-proof":    {"/api/v1/signingCert", v1(key.PEM(), "mallory@example.com"), bearer(token), 400},
		"v1-no-key":       {"/api/v1/signingCert", v1(nil, sandbox.DefaultIdentity), bearer(token), 400},
		"v1-no-token":     {"/api/v1/signingCert", v1(key.PEM(), sandbox.DefaultIdentity), nil, 401},
		"v1-csr":          {"/api/v1/signingCert", must(json.Marshal(map[string]any{"certificateSigningRequest": csr})), bearer(token), 201},
	} {
		status, text := w.post(t, server.Fulcio, test.path, test.body, test.header...)
		if status != test.want {
			t.Errorf("%s: got %d %s, want %d", name, status, text, test.want)
		}
		if status == 201 && strings.Count(text, "BEGIN CERTIFICATE") != 3 {
			t.Errorf("%s: got %s, want a chain of three", name, text)
		}
	}
	for path, want := range map[string]string{
		"/api/v2/trustBundle": "BEGIN CERTIFICATE", "/api/v1/rootCert": "BEGIN CERTIFICATE", "/api/v2/configuration": w.URL(server.OIDC),
	} {
		if status, text := w.get(t, server.Fulcio, path); status != 200 || !strings.Contains(text, want) {
			t.Errorf("%s: got %d %s", path, status, text)
		}
	}
}

// retoken signs a token of the provider anew, with header and claims edited.
func (w world) retoken(token string, key *sandbox.Key, editHeader, editClaims func(string) string) string {
	parts := strings.Split(token, ".")
	segment := func(text string, edit func(string) string) string {
		if edit == nil {
			return text
		}
		return base64.RawURLEncoding.EncodeToString([]byte(edit(string(must(base64.RawURLEncoding.DecodeString(text))))))
	}
	signed := segment(parts[0], editHeader) + "." + segment(parts[1], editClaims)
	if key == nil {
		return signed + "."
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(rawSignature(key.Sign([]byte(signed))))
}

func replace(old, new string) func(string) string {
	return func(text string) string {
		if strings.Count(text, old) != 1 {
			panic("no " + old + " in " + text)
		}
		return strings.Replace(text, old, new, 1)
	}
}

func TestFulcioRefusesHostileTokens(t *testing.T) {
	t.Parallel()
	w := serve(t, nil)
	oidcKey, client := w.box.Key("oidc", sandbox.P256), w.box.Key("client", sandbox.P256)
	good := must(w.Token(""))
	parts := strings.Split(good, ".")
	again := func(editHeader, editClaims func(string) string) string {
		return w.retoken(good, oidcKey, editHeader, editClaims)
	}
	none := replace(`"ES256"`, `"none"`)
	tokens := map[string]string{
		"other-audience":     w.token(t, url.Values{"aud": {"another"}}),
		"none":               w.retoken(good, nil, none, nil),
		"none-signed":        again(none, nil),
		"hmac":               again(replace(`"ES256"`, `"HS256"`), nil),
		"other-key-id":       again(replace(`"kid":"`, `"kid":"x`), nil),
		"critical-header":    again(replace(`{`, `{"crit":["exp"],`), nil),
		"key-in-header":      again(replace(`{`, `{"jwk":{"kty":"EC"},`), nil),
		"strangers-key":      w.retoken(good, w.box.Key("stranger", sandbox.P256), nil, nil),
		"unsigned-edit":      parts[0] + "." + strings.Split(again(nil, replace(`"email":"alice`, `"email":"carol`)), ".")[1] + "." + parts[2],
		"no-signature":       parts[0] + "." + parts[1] + ".",
		"other-issuer":       again(nil, replace(`"iss":"`, `"iss":"https://other.example`)),
		"audience-prefix":    again(nil, replace(`"sigstore"`, `"sigstore2"`)),
		"no-audience":        again(nil, replace(`"aud":"sigstore",`, ``)),
		"audience-object":    again(nil, replace(`"sigstore"`, `{"a":"sigstore"}`)),
		"unverified-email":   again(nil, replace(`"email_verified":true`, `"email_verified":false`)),
		"verified-as-text":   again(nil, replace(`"email_verified":true`, `"email_verified":"yes"`)),
		"no-expiry":          again(nil, replace(`"exp":`, `"exq":`)),
		"issued-in-future":   again(nil, replace(`"iat":1`, `"iat":2`)),
		"two-subjects":       again(nil, replace(`"sub":`, `"sub":"mallory","sub":`)),
		"email-with-newline": again(nil, replace(`"email":"`, `"email":"x\n`)),
		"two-parts":          parts[0] + "." + parts[1],
		"four-parts":         good + ".x",
		"padded":             parts[0] + "." + parts[1] + "." + parts[2] + "=",
		"garbage":            "garbage",
		"empty":              "",
		"long":               good + strings.Repeat("A", 9<<10),
	}
	for name, token := range tokens {
		status, text := w.post(t, server.Fulcio, "/api/v2/signingCert", certRequest(client, sandbox.DefaultIdentity), bearer(token)...)
		if status != http.StatusUnauthorized || strings.Contains(text, "CERTIFICATE") {
			t.Errorf("%s: got %d %s, want 401", name, status, text)
		}
	}
	for name, token := range map[string]string{
		"as-it-is":        good,
		"signed-again":    again(nil, nil),
		"audiences":       again(nil, replace(`"sigstore"`, `["other","sigstore"]`)),
		"unknown-claim":   again(nil, replace(`"sub":`, `"groups":["a"],"sub":`)),
		"other-workload":  again(nil, replace(`"email_verified":true`, `"email_verified":true,"amr":null`)),
		"token-from-form": w.token(t, nil),
	} {
		want := 200
		if name == "other-workload" {
			want = 401 // null has no reading
		}
		if status, text := w.post(t, server.Fulcio, "/api/v2/signingCert", certRequest(client, sandbox.DefaultIdentity), bearer(token)...); status != want {
			t.Errorf("%s: got %d %s, want %d", name, status, text, want)
		}
	}
	if status, _ := w.post(t, server.Fulcio, "/api/v2/signingCert", certRequest(client, sandbox.DefaultIdentity)); status != 401 {
		t.Errorf("no token: got %d, want 401", status)
	}
}

func TestTokensExpireByTheSandboxsClock(t *testing.T) {
	t.Parallel()
	w := serve(t, nil)
	client, token := w.box.Key("client", sandbox.P256), must(w.Token(""))
	for _, step := range []struct {
		advance time.Duration
		want    int
	}{{0, 200}, {server.TokenLife - time.Second, 200}, {time.Second, 401}, {-server.TokenLife - time.Second, 401}, {time.Second, 200}} {
		w.box.Advance(step.advance)
		if status, text := w.post(t, server.Fulcio, "/api/v2/signingCert", certRequest(client, sandbox.DefaultIdentity), bearer(token)...); status != step.want {
			t.Errorf("at %v: got %d %s, want %d", w.box.Now(), status, text, step.want)
		}
	}
}

func TestFulcioWantsProofOfPossession(t *testing.T) {
	t.Parallel()
	w := serve(t, nil)
	client, stranger := w.box.Key("client", sandbox.P256), w.box.Key("stranger", sandbox.P256)
	honest := string(certRequest(client, sandbox.DefaultIdentity))
	proof := base64of(client.Sign([]byte(sandbox.DefaultIdentity)))
	pemText := func(k *sandbox.Key) string { return strings.Trim(string(must(json.Marshal(string(k.PEM())))), `"`) }
	header := bearer(must(w.Token("")))
	leaf := must(w.box.Fulcio.Issue(sandbox.Request{}))
	for name, body := range map[string]string{
		"missing":          replace(`"`+proof+`"`, `""`)(honest),
		"of-another-name":  string(certRequest(client, "mallory@example.com")),
		"by-another-key":   replace(proof, base64of(stranger.Sign([]byte(sandbox.DefaultIdentity))))(honest),
		"for-another-key":  replace(pemText(client), pemText(stranger))(honest),
		"certificate":      replace(pemText(client), strings.Trim(string(must(json.Marshal(string(leaf.PEM())))), `"`))(honest),
		"no-base64":        replace(proof, "???")(honest),
		"no-key":           replace(pemText(client), "")(honest),
		"neither":          `{}`,
		"both":             replace(`{"publicKeyRequest"`, `{"certificateSigningRequest":"AA==","publicKeyRequest"`)(honest),
		"unknown-member":   replace(`{"publicKeyRequest"`, `{"extra":1,"publicKeyRequest"`)(honest),
		"not-json":         "hello",
		"trailing":         honest + "{}",
		"null":             "null",
		"csr-is-no-csr":    `{"certificateSigningRequest":"aGVsbG8="}`,
		"csr-is-key":       `{"certificateSigningRequest":"` + base64of(client.PEM()) + `"}`,
		"private-key-type": replace("BEGIN PUBLIC", "BEGIN PRIVATE")(honest),
	} {
		if status, text := w.post(t, server.Fulcio, "/api/v2/signingCert", []byte(body), header...); status != 400 || strings.Contains(text, "BEGIN CERT") {
			t.Errorf("%s: got %d %s, want 400", name, status, text)
		}
	}
	if status, text := w.post(t, server.Fulcio, "/api/v2/signingCert", []byte(honest), header...); status != 200 {
		t.Errorf("the honest twin: got %d %s", status, text)
	}
}

// TestSerialNumbersDiffer: also when the clock stands still and the key is the
// same.
func TestSerialNumbersDiffer(t *testing.T) {
	t.Parallel()
	w := serve(t, nil)
	client := w.box.Key("client", sandbox.P256)
	seen := map[string]bool{}
	for range 3 {
		_, text := w.post(t, server.Fulcio, "/api/v2/signingCert", certRequest(client, sandbox.DefaultIdentity), bearer(must(w.Token("")))...)
		seen[leafOf(t, text).SerialNumber.String()] = true
	}
	if len(seen) != 3 {
		t.Errorf("got %d serial numbers, want 3", len(seen))
	}
}
