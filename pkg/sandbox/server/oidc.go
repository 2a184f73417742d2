package server

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/bundler-sign/bundler/pkg/sandbox"
)

// strangerEmail is who a lying provider says everybody is.
const strangerEmail = "mallory@example.com"

const (
	maxForm   = 16 << 10 // bytes
	maxGrants = 1024     // logins that nobody has fetched a token for
	grantLife = 5 * time.Minute

	grantCode   = "authorization_code"
	grantDevice = "urn:ietf:params:oauth:grant-type:device_code"

	// outOfBand is the redirect URI of clients that cannot listen: the user
	// carries the code.
	outOfBand = "urn:ietf:wg:oauth:2.0:oob"
)

// A provider issues identity tokens to everybody: every login is approved.
type provider struct {
	sandbox *sandbox.Sandbox
	issuer  string
	key     *sandbox.Key // ECDSA P-256
	keyID   string
	x, y    string // of the public key, in base64url

	mu     sync.Mutex
	grants map[string]grant // by code
}

// A grant is an approved login whose token nobody has fetched yet.
type grant struct {
	kind      string
	client    string
	redirect  string
	challenge string // of PKCE, by S256; "" if the client sent none
	claims    claims
	expires   time.Time
}

func newProvider(box *sandbox.Sandbox, issuer string) *provider {
	p := &provider{sandbox: box, issuer: issuer, key: box.Key("oidc", sandbox.P256), grants: map[string]grant{}}
	point, err := p.key.Public().(*ecdsa.PublicKey).Bytes()
	if err != nil {
		panic(err) // the key is ours
	}
	p.x, p.y = encodeSegment(point[1:33]), encodeSegment(point[33:])
	thumbprint := sha256.Sum256(fmt.Appendf(nil, `{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}`, p.x, p.y)) // RFC 7638
	p.keyID = encodeSegment(thumbprint[:])
	return p
}

// oidcHandler is an OpenID Connect provider. Beside the usual endpoints it has
// POST /sandbox/token, which issues a token for the asking: form values email
// or sub (a URI), and aud.
//
// Source: OpenID Connect Discovery 1.0; RFC 6749, 7636, 8628.
func (s *Server) oidcHandler() http.Handler {
	mux := http.NewServeMux()
	d := dialect(oauth)
	mux.Handle("GET /.well-known/openid-configuration", d.handle(s.discovery))
	mux.Handle("GET /keys", d.handle(s.keys))
	mux.Handle("GET /auth", d.handle(s.authorize))
	mux.Handle("GET /device", d.handle(devicePage))
	mux.Handle("POST /device/code", d.handle(s.deviceCode))
	mux.Handle("POST /token", d.handle(s.token))
	mux.Handle("POST /sandbox/token", d.handle(s.anyToken))
	return mux
}

func (s *Server) discovery(w http.ResponseWriter, _ *http.Request) error {
	issuer := s.oidc.issuer
	replyJSON(w, http.StatusOK, map[string]any{
		"issuer":                                issuer,
		"authorization_endpoint":                issuer + "/auth",
		"token_endpoint":                        issuer + "/token",
		"device_authorization_endpoint":         issuer + "/device/code",
		"jwks_uri":                              issuer + "/keys",
		"grant_types_supported":                 []string{grantCode, grantDevice},
		"response_types_supported":              []string{"code"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"ES256"},
		"code_challenge_methods_supported":      []string{"S256"},
		"scopes_supported":                      []string{"openid", "email"},
		"token_endpoint_auth_methods_supported": []string{"none", "client_secret_basic", "client_secret_post"},
		"claims_supported":                      []string{"iss", "sub", "aud", "exp", "iat", "email", "email_verified", "nonce"},
	})
	return nil
}

func (s *Server) keys(w http.ResponseWriter, _ *http.Request) error {
	p := s.oidc
	replyJSON(w, http.StatusOK, map[string]any{"keys": []any{map[string]any{
		"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": p.keyID, "x": p.x, "y": p.y,
	}}})
	return nil
}

// authorize approves a login and sends the browser back with a code.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	back, err := redirectURI(q.Get("redirect_uri"))
	if err != nil {
		return badRequest("redirect_uri: %w", err)
	}
	if q.Get("response_type") != "code" {
		return badRequest("response_type: expected code, found %q", clip(q.Get("response_type")))
	}
	if q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43 {
		return badRequest("expected a code_challenge by method S256 (RFC 7636)")
	}
	g, err := s.newGrant(grantCode, q)
	if err != nil {
		return err
	}
	g.redirect = q.Get("redirect_uri")
	code, err := s.oidc.keep(g)
	if err != nil {
		return err
	}
	if g.redirect == outOfBand {
		reply(w, http.StatusOK, "text/plain; charset=utf-8", []byte(code+"\n"))
		return nil
	}
	values := back.Query()
	values.Set("code", code)
	values.Set("state", q.Get("state"))
	back.RawQuery = values.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
	return nil
}

// redirectURI accepts what a program on this machine listens at.
func redirectURI(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	ip := net.ParseIP(u.Hostname())
	loopback := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	if text != outOfBand && (u.Scheme != "http" || !loopback || u.User != nil) {
		return nil, fmt.Errorf("expected an http URL on loopback or %s, found %q", outOfBand, clip(text))
	}
	return u, nil
}

// newGrant approves what a client asks for. A login hint says who logs in.
func (s *Server) newGrant(kind string, q url.Values) (grant, error) {
	client := q.Get("client_id")
	if client == "" || len(client) > 100 || !utf8.ValidString(client) {
		return grant{}, badRequest("client_id: expected 1 to 100 bytes of UTF-8, found %d", len(client))
	}
	if nonce := q.Get("nonce"); len(nonce) > 512 || !utf8.ValidString(nonce) {
		return grant{}, badRequest("nonce: expected at most 512 bytes of UTF-8, found %d", len(nonce))
	}
	who := q.Get("login_hint")
	if who == "" {
		who = s.options.Identity
	}
	if err := checkEmail(who); err != nil {
		return grant{}, badRequest("login_hint: %w", err)
	}
	c := emailClaims(who, client)
	c.Nonce = q.Get("nonce")
	return grant{kind: kind, client: client, challenge: q.Get("code_challenge"), claims: c}, nil
}

// keep remembers a grant until its token is fetched, and returns its code.
func (p *provider) keep(g grant) (code string, err error) {
	now := p.sandbox.Now()
	g.expires = now.Add(grantLife)
	p.mu.Lock()
	defer p.mu.Unlock()
	for code, old := range p.grants {
		if !now.Before(old.expires) {
			delete(p.grants, code)
		}
	}
	if len(p.grants) >= maxGrants {
		return "", refuse(http.StatusServiceUnavailable, "%d logins wait for their tokens to be fetched: try again later", maxGrants)
	}
	code = rand.Text()
	p.grants[code] = g
	return code, nil
}

// take returns a grant, once.
func (p *provider) take(code string) (grant, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g, ok := p.grants[code]
	delete(p.grants, code)
	return g, ok && p.sandbox.Now().Before(g.expires)
}

func (s *Server) deviceCode(w http.ResponseWriter, r *http.Request) error {
	form, err := readForm(w, r)
	if err != nil {
		return err
	}
	if m := form.Get("code_challenge_method"); m != "" && m != "S256" {
		return badRequest("code_challenge_method: expected S256, found %q", clip(m))
	}
	g, err := s.newGrant(grantDevice, form)
	if err != nil {
		return err
	}
	code, err := s.oidc.keep(g)
	if err != nil {
		return err
	}
	replyJSON(w, http.StatusOK, map[string]any{
		"device_code": code, "user_code": "SANDBOX",
		"verification_uri":          s.oidc.issuer + "/device",
		"verification_uri_complete": s.oidc.issuer + "/device?user_code=SANDBOX",
		"expires_in":                int(grantLife.Seconds()), "interval": 1,
	})
	return nil
}

func devicePage(w http.ResponseWriter, _ *http.Request) error {
	reply(w, http.StatusOK, "text/plain; charset=utf-8", []byte("The sandbox has approved this login already.\n"))
	return nil
}
