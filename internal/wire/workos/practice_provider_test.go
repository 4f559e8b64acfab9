package workos_test

import (
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/token"
)

// crook is an OpenID Connect provider that does as the test says. What it does by
// itself is right.
type crook struct {
	*httptest.Server
	h    *house
	key  *rsa.PrivateKey
	seen url.Values // the last authorize request

	mu      sync.Mutex // guards what follows
	changes map[string]any
	raw     func(claims map[string]any) string // makes the ID token
	info    map[string]any                     // of the user info; nil if there is none
	meta    map[string]any                     // changes of the metadata
	answer  http.HandlerFunc                   // in place of the token endpoint's
	asked   int                                // requests to the token endpoint
}

// newCrook starts one.
func newCrook(h *house) *crook {
	h.t.Helper()
	key, err := token.GenerateKey()
	check(h.t, err)
	c := &crook{h: h, key: key}
	c.Server = httptest.NewServer(c)
	h.t.Cleanup(c.Close)
	return c
}

// ServeHTTP is the back channel.
func (c *crook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	reply := func(v any) {
		w.Header().Set("Content-Type", "application/json")
		check(c.h.t, json.NewEncoder(w).Encode(v))
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		m := map[string]any{"issuer": c.URL, "authorization_endpoint": c.URL + "/authorize", "token_endpoint": c.URL + "/token", "jwks_uri": c.URL + "/jwks",
			"authorization_response_iss_parameter_supported": true}
		if c.info != nil {
			m["userinfo_endpoint"] = c.URL + "/userinfo"
		}
		for k, v := range c.meta {
			m[k] = v
		}
		reply(m)
	case "/jwks":
		set, err := token.NewLocalKeySet(token.PublicKey{ID: "k1", Algorithm: token.AlgRS256, Key: &c.key.PublicKey})
		check(c.h.t, err)
		w.Header().Set("Content-Type", "application/json")
		w.Write(set.JWKS())
	case "/token":
		c.asked++
		if c.answer != nil {
			c.answer(w, r)
			return
		}
		sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
		if base64.RawURLEncoding.EncodeToString(sum[:]) != c.seen.Get("code_challenge") || r.PostFormValue("client_secret") != "s3cret" {
			w.WriteHeader(http.StatusBadRequest)
			reply(map[string]string{"error": "invalid_grant"})
			return
		}
		claims := map[string]any{"iss": c.URL, "aud": "lentil", "sub": "ada", "email": "ada@corp.example", "email_verified": true, "nonce": c.seen.Get("nonce"),
			"iat": time.Now().Unix(), "exp": time.Now().Add(5 * time.Minute).Unix(), "auth_time": time.Now().Unix()}
		for k, v := range c.changes {
			if claims[k] = v; v == nil {
				delete(claims, k)
			}
		}
		id := ""
		if c.raw != nil {
			id = c.raw(claims)
		} else {
			id = c.sign(c.key, claims)
		}
		reply(map[string]any{"access_token": "at", "token_type": "Bearer", "id_token": id})
	case "/userinfo":
		reply(c.info)
	default:
		http.NotFound(w, r)
	}
}

// sign signs claims as the key k1.
func (c *crook) sign(key *rsa.PrivateKey, claims map[string]any) string {
	s, err := token.NewSigner("k1", key)
	check(c.h.t, err)
	text, err := s.Sign(claims)
	check(c.h.t, err)
	return text
}

// be sets what the provider does from now on.
func (c *crook) be(change func(*crook)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes, c.raw, c.answer = nil, nil, nil
	if change != nil {
		change(c)
	}
}

// connected gives an organization this provider; the id of the connection.
func (c *crook) connected(org identity.OrganizationID) string {
	c.h.t.Helper()
	return c.h.operate("POST", "/_lentil/v1/connections", map[string]any{"organization_id": org, "connection_type": "GenericOIDC", "client_id": "lentil", "client_secret": "s3cret", "issuer": c.URL})["id"].(string)
}

// social puts this provider in a social one's place.
func (c *crook) social(kind string, endpoints map[string]any) {
	c.h.t.Helper()
	c.h.operate("PUT", "/_lentil/v1/providers/"+kind, map[string]any{"client_id": "lentil", "client_secret": "s3cret", "endpoints": endpoints})
}

// away sends a browser through an authorize request to the provider, and gives what
// it brings there.
func (c *crook) away(b *browser, more ...string) url.Values {
	c.h.t.Helper()
	b.visit(c.h.authorize("state of the app", more...))
	if b.left == nil || !strings.HasPrefix(b.left.String(), c.URL+"/authorize?") {
		c.h.t.Fatalf("not at the provider: %s %v %s %s", b.at, b.left, b.heading(), b.alert())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = b.left.Query()
	return c.seen
}

// home sends the browser back with what the provider says, changed.
func (c *crook) home(b *browser, seen url.Values, change ...string) *browser {
	c.h.t.Helper()
	q := url.Values{"code": {"c0de"}, "state": {seen.Get("state")}, "iss": {c.URL}}
	to := seen.Get("redirect_uri")
	for i := 0; i+1 < len(change); i += 2 {
		switch {
		case change[i] == "to":
			to = change[i+1]
		case change[i+1] == "":
			q.Del(change[i])
		default:
			q.Set(change[i], change[i+1])
		}
	}
	return b.visit(to + "?" + q.Encode())
}

// in is the app's code if the browser is signed in.
func (b *browser) in() string {
	if b.left == nil {
		return ""
	}
	return b.left.Query().Get("code")
}

func TestCrookedProvidersSignNobodyIn(t *testing.T) {
	t.Parallel()
	h := open(t)
	c := newCrook(h)
	stranger, err := token.GenerateKey()
	check(t, err)
	conn := c.connected(h.organization("corp.example"))
	part := func(v any) string {
		b, err := json.Marshal(v)
		check(t, err)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	mac := func(secret []byte) func(map[string]any) string {
		return func(claims map[string]any) string {
			text := part(map[string]string{"alg": "HS256", "kid": "k1", "typ": "JWT"}) + "." + part(claims)
			m := hmac.New(sha256.New, secret)
			m.Write([]byte(text))
			return text + "." + base64.RawURLEncoding.EncodeToString(m.Sum(nil))
		}
	}
	claim := func(name string, v any) func(*crook) {
		return func(c *crook) { c.changes = map[string]any{name: v} }
	}
	// First that all this would work.
	b := h.browser()
	if c.home(b, c.away(b, "connection_id", conn)); b.in() == "" {
		t.Fatalf("an honest sign-in: %s %v %s", b.at, b.left, b.alert())
	}
	h.exchange(b.in())
	for name, change := range map[string]func(*crook){
		"nonce absent":               claim("nonce", nil),
		"nonce of another sign-in":   claim("nonce", c.seen.Get("nonce")),
		"audience of another client": claim("aud", "somebody-else"),
		"audience absent":            claim("aud", nil),
		"issued to another":          func(c *crook) { c.changes = map[string]any{"aud": []string{"lentil", "other"}, "azp": "other"} },
		"issuer another":             claim("iss", "https://accounts.google.com"),
		"issuer with a slash more":   claim("iss", c.URL+"/"),
		"issuer absent":              claim("iss", nil),
		"subject absent":             claim("sub", nil),
		"subject empty":              claim("sub", ""),
		"expired":                    claim("exp", time.Now().Add(-time.Hour).Unix()),
		"without end":                claim("exp", nil),
		"not yet":                    claim("nbf", time.Now().Add(time.Hour).Unix()),
		"no algorithm": func(c *crook) {
			c.raw = func(claims map[string]any) string {
				return part(map[string]string{"alg": "none", "kid": "k1"}) + "." + part(claims) + "."
			}
		},
		"signed with our secret":     func(c *crook) { c.raw = mac([]byte("s3cret")) },
		"signed with the public key": func(c *crook) { c.raw = mac(c.key.N.Bytes()) },
		"keys of a stranger":         func(c *crook) { c.raw = func(claims map[string]any) string { return c.sign(stranger, claims) } },
		"no ID token":                func(c *crook) { c.raw = func(map[string]any) string { return "" } },
		"a redirect to a neighbour": func(c *crook) {
			c.answer = func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "http://169.254.169.254/latest/meta-data/", http.StatusTemporaryRedirect)
			}
		},
		"a giant answer": func(c *crook) {
			c.answer = func(w http.ResponseWriter, _ *http.Request) {
				line := []byte(strings.Repeat(" ", 64<<10))
				for range 40 {
					w.Write(line)
				}
			}
		},
		"a deep answer": func(c *crook) {
			c.answer = func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(strings.Repeat("[", 500_000))) }
		},
		"a page": func(c *crook) {
			c.answer = func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html><script>1</script>")) }
		},
	} {
		b := h.browser()
		seen := c.away(b, "connection_id", conn)
		c.be(change)
		if c.home(b, seen); b.in() != "" || b.left == nil || b.left.Query().Get("error") == "" {
			t.Errorf("%s: at %s, sent to %v", name, b.at, b.left)
		} else if text := b.left.Query().Get("error_description"); strings.ContainsAny(text, "<>\r\n") || strings.Contains(text, "s3cret") {
			t.Errorf("%s: told %q", name, text)
		}
		c.be(nil)
	}
}

func TestAnswersOfProvidersBelongToTheirRequest(t *testing.T) {
	t.Parallel()
	h := open(t)
	c, other := newCrook(h), newCrook(h)
	conn := c.connected(h.organization("corp.example"))
	second := other.connected(h.organization("other.example"))
	eve := h.browser()
	hers := c.away(eve, "connection_id", conn)
	for name, change := range map[string][]string{
		"no state":                       {"state", ""},
		"a guessed state":                {"state", strings.Repeat("A", 52)},
		"half a state":                   {"state", hers.Get("state")[:26]},
		"the state of another browser":   {"state", hers.Get("state")},
		"no issuer where one is due":     {"iss", ""},
		"another issuer":                 {"iss", other.URL},
		"no code":                        {"code", ""},
		"the address of another":         {"to", h.url + "/sso/oidc/" + second + "/callback"},
		"another issuer, at its address": {"to", h.url + "/sso/oidc/" + second + "/callback", "iss", other.URL},
	} {
		b := h.browser()
		before := other.asked
		if c.home(b, c.away(b, "connection_id", conn), change...); b.in() != "" {
			t.Errorf("%s: signed in, %v", name, b.left)
		}
		if other.asked != before {
			t.Errorf("%s: the code went to the other provider", name)
		}
	}
	// Every request goes out with values of its own, and PKCE.
	b := h.browser()
	seen := map[string]bool{}
	for range 3 {
		q := c.away(b, "connection_id", conn)
		for _, name := range []string{"state", "nonce", "code_challenge"} {
			if v := q.Get(name); len(v) < 43 || seen[v] {
				t.Errorf("%s is %q", name, v)
			}
			seen[q.Get(name)] = true
		}
		if q.Get("code_challenge_method") != "S256" || q.Get("response_type") != "code" || !strings.Contains(q.Get("redirect_uri"), conn) {
			t.Errorf("asked with %v", q)
		}
	}
	// What came back once does not come back again.
	q := c.away(b, "connection_id", conn)
	if c.home(b, q); b.in() == "" {
		t.Fatalf("at %s, %v", b.at, b.left)
	}
	if c.home(b, q); b.in() != "" {
		t.Errorf("an answer worked twice: %v", b.left)
	}
}

func TestPeopleAreKnownByConnectionAndSubject(t *testing.T) {
	t.Parallel()
	h := open(t)
	c, other := newCrook(h), newCrook(h)
	first := c.connected(h.organization("corp.example"))
	second := other.connected(h.organization("other.example"))
	sign := func(c *crook, conn string) map[string]any {
		t.Helper()
		b := h.browser()
		if c.home(b, c.away(b, "connection_id", conn)); b.in() == "" {
			t.Fatalf("at %s: %v %s", b.at, b.left, b.alert())
		}
		return h.exchange(b.in())["user"].(map[string]any)
	}
	ada := sign(c, first)
	// The same subject elsewhere is somebody else.
	other.be(func(c *crook) { c.changes = map[string]any{"email": "eve@other.example"} })
	if eve := sign(other, second); eve["id"] == ada["id"] {
		t.Error("a subject of another provider is taken for Ada")
	}
	// Another subject with Ada's address, of a provider that may not speak for it.
	other.be(func(c *crook) { c.changes = map[string]any{"sub": "mallory"} })
	b := h.browser()
	if other.home(b, other.away(b, "connection_id", second)); b.in() != "" {
		t.Errorf("a stranger's provider speaks for Ada: %v", b.left)
	}
	// Ada stays Ada when her address there changes.
	c.be(func(c *crook) { c.changes = map[string]any{"email": "ada.lovelace@corp.example"} })
	if again := sign(c, first); again["id"] != ada["id"] || again["email"] != ada["email"] {
		t.Errorf("another address, another person: %v", again)
	}
}

func TestAddressesThatNobodyVouchesForProveNothing(t *testing.T) {
	t.Parallel()
	h := open(t)
	ada := h.user("ada@corp.example", password)
	c := newCrook(h)
	c.social("GoogleOAuth", map[string]any{"issuer": c.URL, "authorization_endpoint": c.URL + "/authorize", "token_endpoint": c.URL + "/token", "jwks_uri": c.URL + "/jwks", "userinfo_endpoint": c.URL + "/userinfo"})
	c.info = map[string]any{"sub": "ada"}
	for name, change := range map[string]func(*crook){
		"said to be unverified": func(c *crook) { c.changes = map[string]any{"email_verified": false} },
		"not said":              func(c *crook) { c.changes = map[string]any{"email_verified": nil} },
		"said in other words":   func(c *crook) { c.changes = map[string]any{"email_verified": "yes"} },
		"said in an object":     func(c *crook) { c.changes = map[string]any{"email_verified": map[string]any{"x": true}} },
		"verified by the user info alone": func(c *crook) {
			c.changes = map[string]any{"email_verified": false}
			c.info = map[string]any{"sub": "ada", "email_verified": true}
		},
	} {
		b := h.browser()
		seen := c.away(b, "provider", "GoogleOAuth")
		c.be(change)
		if c.home(b, seen); b.in() != "" {
			t.Errorf("%s: signed in as %v", name, h.exchange(b.in())["user"])
		} else if b.heading() != "Check your email" {
			t.Errorf("%s: at %s, %s", name, b.at, b.heading())
		}
		c.be(func(c *crook) { c.info = map[string]any{"sub": "ada"} })
	}
	// The user info is about somebody else.
	b := h.browser()
	seen := c.away(b, "provider", "GoogleOAuth")
	c.be(func(c *crook) { c.info = map[string]any{"sub": "eve", "email": "eve@corp.example"} })
	if c.home(b, seen); b.in() != "" {
		t.Error("user info of another subject is believed")
	}
	// And nothing was tied to Ada's account by all that.
	list, err := h.front.SSO.Identities(t.Context(), h.env.ID, identity.UserID(ada))
	check(t, err)
	if len(list) != 0 {
		t.Errorf("identities: %v", list)
	}
}

func TestMetadataOfAnotherIssuerIsRefused(t *testing.T) {
	t.Parallel()
	for name, meta := range map[string]map[string]any{
		"another issuer":     {"issuer": "https://accounts.google.com"},
		"a slash more":       {"issuer": "$/"},
		"no issuer":          {"issuer": nil},
		"a file for keys":    {"jwks_uri": "file:///etc/passwd"},
		"script for a door":  {"authorization_endpoint": "javascript:alert(1)"},
		"a token elsewhere":  {"token_endpoint": "gopher://127.0.0.1/"},
		"a name in the door": {"authorization_endpoint": "https://user:pass@evil.example/"},
	} {
		h := open(t)
		c := newCrook(h)
		conn := c.connected(h.organization("corp.example"))
		for k, v := range meta {
			if s, ok := v.(string); ok {
				meta[k] = strings.ReplaceAll(s, "$", c.URL)
			}
		}
		c.meta = meta
		b := h.browser()
		b.visit(h.authorize("s", "connection_id", conn))
		if b.left != nil && (b.left.Query().Get("error") == "" || !strings.HasPrefix(b.left.String(), callback)) {
			t.Errorf("%s: sent to %v", name, b.left)
		}
	}
}

func TestProvidersSayWhenPeopleSignedIn(t *testing.T) {
	t.Parallel()
	h := open(t)
	c := newCrook(h)
	conn := c.connected(h.organization("corp.example"))
	long := time.Now().Add(-2 * time.Hour).Unix()
	for _, tt := range []struct {
		name     string
		more     []string
		authTime any
		in       bool
	}{
		{"nothing asked", nil, long, true},
		{"nothing asked, nothing said", nil, nil, true},
		{"recent enough", []string{"max_age", "10800"}, long, true},
		{"too long ago", []string{"max_age", "3600"}, long, false},
		{"not said", []string{"max_age", "3600"}, nil, false},
		{"said in words", []string{"max_age", "3600"}, "now", false},
		{"just now", []string{"max_age", "0"}, time.Now().Unix(), true},
		{"not anew", []string{"prompt", "login"}, long, false},
		{"anew", []string{"prompt", "login"}, time.Now().Unix(), true},
	} {
		b := h.browser()
		seen := c.away(b, append(tt.more, "connection_id", conn)...)
		for i := 0; i+1 < len(tt.more); i += 2 {
			if seen.Get(tt.more[i]) != tt.more[i+1] {
				t.Errorf("%s: %s is not passed on: %v", tt.name, tt.more[i], seen)
			}
		}
		c.be(func(c *crook) { c.changes = map[string]any{"auth_time": tt.authTime} })
		if c.home(b, seen); (b.in() != "") != tt.in {
			t.Errorf("%s: sent to %v", tt.name, b.left)
		} else if !tt.in && b.left.Query().Get("error") != "login_required" {
			t.Errorf("%s: told %v", tt.name, b.left.Query())
		}
		c.be(nil)
	}
}

// TestNoBackChannelLogout shows that nothing takes logout tokens: sessions that
// began at a provider end by our own rules, and by SAML single logout.
func TestNoBackChannelLogout(t *testing.T) {
	t.Parallel()
	h := open(t)
	c := newCrook(h)
	conn := c.connected(h.organization("corp.example"))
	b := h.browser()
	if c.home(b, c.away(b, "connection_id", conn)); b.in() == "" {
		t.Fatalf("at %s: %v", b.at, b.left)
	}
	g := h.exchange(b.in())
	logout := c.sign(c.key, map[string]any{"iss": c.URL, "aud": "lentil", "sub": "ada", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(), "jti": "1",
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}})
	for _, path := range []string{"/sso/oidc/" + conn + "/logout", "/sso/oidc/" + conn + "/backchannel-logout", "/sso/oidc/" + conn + "/callback", "/sso/saml/logout/" + conn, "/oauth2/backchannel-logout"} {
		if status, _ := h.form(path, url.Values{"logout_token": {logout}}); status < 400 {
			t.Errorf("%s took a logout token: %d", path, status)
		}
	}
	if status, m := h.refresh(g); status != http.StatusOK {
		t.Errorf("the session ended: %d %v", status, m)
	}
	// A logout token is no ID token either.
	c.be(func(c *crook) {
		c.changes = map[string]any{"nonce": nil, "events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}}
	})
	other := h.browser()
	if c.home(other, c.away(other, "connection_id", conn)); other.in() != "" {
		t.Error("a logout token signed somebody in")
	}
	// Signing out here ends what began there.
	sid := claims(t, g["access_token"])["sid"].(string)
	b.visit(h.url + "/user_management/sessions/logout?session_id=" + sid + "&return_to=" + url.QueryEscape(origin))
	if status, _ := h.refresh(g); status == http.StatusOK {
		t.Error("the session goes on after a sign-out")
	}
	if c.be(nil); b.visit(h.authorize("again", "connection_id", conn)).in() != "" {
		t.Error("the browser is signed in still")
	}
}
