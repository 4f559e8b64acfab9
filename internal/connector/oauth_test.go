package connector

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/token"
)

// upstream is a provider on this machine that stands in for every family: it checks
// what it is sent as strictly as any of them, and answers as the case says.
type upstream struct {
	*httptest.Server
	t      testing.TB
	signer *token.Signer

	basic, pkce bool
	challenge   string // of the authorize request
	claims      map[string]any
	info        any
	emails      any
	answer      map[string]any // of the token endpoint, in place of a good one
	secret      func(string) bool
	redirects   bool // every endpoint leads elsewhere
	asked       []string
}

// newUpstream starts one.
func newUpstream(t testing.TB) *upstream {
	t.Helper()
	key, err := token.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	s, err := token.NewSigner("k1", key)
	if err != nil {
		t.Fatal(err)
	}
	u := &upstream{t: t, signer: s, secret: func(s string) bool { return s == "s3cret/+ü" }}
	u.Server = httptest.NewServer(u)
	t.Cleanup(u.Close)
	return u
}

// ServeHTTP answers the back channel.
func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u.asked = append(u.asked, r.URL.Path)
	reply := func(status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	if u.redirects {
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		return
	}
	switch r.URL.Path {
	case "/jwks":
		set, err := token.NewLocalKeySet(u.signer.PublicKey())
		if err != nil {
			u.t.Error(err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(set.JWKS())
	case "/token":
		id, secret := r.PostFormValue("client_id"), r.PostFormValue("client_secret")
		if u.basic {
			if id != "" || secret != "" {
				u.t.Error("the secret is in the body as well")
			}
			id, secret, _ = r.BasicAuth()
			id, _ = url.QueryUnescape(id)
			secret, _ = url.QueryUnescape(secret)
		}
		sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
		switch {
		case u.answer != nil:
			reply(http.StatusOK, u.answer)
		case id != "client" || !u.secret(secret) || r.PostFormValue("grant_type") != "authorization_code" || r.PostFormValue("redirect_uri") != "https://sp.example.test/back":
			reply(http.StatusUnauthorized, map[string]string{"error": "invalid_client"})
		case r.PostFormValue("code") != "c0de" || u.pkce && base64.RawURLEncoding.EncodeToString(sum[:]) != u.challenge:
			reply(http.StatusOK, map[string]string{"error": "bad_verification_code", "error_description": "<script>"}) // as GitHub does
		default:
			out := map[string]any{"access_token": "at", "refresh_token": "rt", "expires_in": 3600, "scope": "a,b"}
			if u.claims != nil {
				t, err := u.signer.Sign(u.claims)
				if err != nil {
					u.t.Error(err)
				}
				out["id_token"] = t
			}
			reply(http.StatusOK, out)
		}
	case "/info", "/emails":
		if r.Header.Get("Authorization") != "Bearer at" || r.Header.Get("User-Agent") == "" {
			reply(http.StatusUnauthorized, map[string]string{"error": "invalid_token"})
			return
		}
		if r.URL.Path == "/emails" {
			reply(http.StatusOK, u.emails)
			return
		}
		reply(http.StatusOK, u.info)
	default:
		reply(http.StatusNotFound, nil)
	}
}

// client is a client of a family at this provider.
func (u *upstream) client(f Family) *OAuth {
	issuer := f.Issuer
	if f.OIDC && !strings.Contains(issuer, "{") {
		issuer = u.URL
	}
	e := Endpoints{Issuer: issuer, Authorize: u.URL + "/authorize?fixed=1", Token: u.URL + "/token"}
	if f.Userinfo != "" {
		e.Userinfo = u.URL + "/info"
	}
	if f.Emails != "" {
		e.Emails = u.URL + "/emails"
	}
	if f.OIDC {
		e.JWKS = u.URL + "/jwks"
	}
	f.Endpoints = e
	u.basic, u.pkce = f.basic, !f.noPKCE
	return &OAuth{Family: f, ClientID: "client", Secret: "s3cret/+ü", RedirectURI: "https://sp.example.test/back", HTTP: u.Client(), Keys: token.NewRemoteKeySet(e.JWKS, u.Client())}
}

// out is what goes out in these tests.
var out = Out{State: "the state", Nonce: "the nonce", Verifier: strings.Repeat("v", 43), LoginHint: "ada@example.test",
	Params: map[string]string{"hd": "example.test", "redirect_uri": "https://evil.example.test", "state": "x"}}

// leave sends the browser out and checks what goes with it.
func (u *upstream) leave(c *OAuth) url.Values {
	u.t.Helper()
	to, err := c.Leave(out)
	if err != nil {
		u.t.Fatal(err)
	}
	at, err := url.Parse(to)
	if err != nil {
		u.t.Fatal(err)
	}
	q := at.Query()
	u.challenge = q.Get("code_challenge")
	if q.Get("state") != out.State || q.Get("client_id") != "client" || q.Get("redirect_uri") != c.RedirectURI || q.Get("response_type") != "code" || q.Get("fixed") != "1" || q.Get("hd") != "example.test" {
		u.t.Errorf("%s: goes out with %v", c.Family.Type, q)
	}
	if c.Family.OIDC != (q.Get("nonce") == out.Nonce) || u.pkce != (q.Get("code_challenge_method") == "S256") {
		u.t.Errorf("%s: nonce or PKCE: %v", c.Family.Type, q)
	}
	return q
}

// come is the way back.
func come(t testing.TB, c *OAuth, r Return) (*Person, error) { return c.Come(t.Context(), out, r) }

// good are the claims of an honest ID token.
func (u *upstream) good(more map[string]any) map[string]any {
	c := map[string]any{"iss": u.URL, "aud": "client", "sub": "ada-1", "nonce": out.Nonce, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
		"email": "ada@example.test", "email_verified": true, "given_name": "Ada", "family_name": "Lovelace"}
	for k, v := range more {
		c[k] = v
	}
	return c
}

func TestFamiliesSignIn(t *testing.T) {
	t.Parallel()
	const tenant = "9188040d-6c67-4c5b-b112-36a304b66dad"
	standardInfo := map[string]any{"sub": "ada-1", "email": "ada@example.test", "email_verified": true, "given_name": "Ada", "family_name": "Lovelace"}
	for kind, c := range map[string]struct {
		claims, info any
		emails       any
		id           string // "ada-1" if empty
		unverified   bool
	}{
		"GoogleOAuth":    {claims: map[string]any{}},
		"MicrosoftOAuth": {claims: map[string]any{"iss": "https://login.microsoftonline.com/" + tenant + "/v2.0", "tid": tenant, "xms_edov": true}},
		"GitHubOAuth": {info: map[string]any{"id": 583231, "login": "ada", "name": "Ada Lovelace", "email": "public@example.test"}, id: "583231",
			emails: []any{map[string]any{"email": "old@example.test", "verified": true}, map[string]any{"email": "ada@example.test", "primary": true, "verified": true}}},
		"AppleOAuth":      {claims: map[string]any{"email_verified": "true", "given_name": nil, "family_name": nil}},
		"GitLabOAuth":     {claims: map[string]any{"email": nil}, info: standardInfo},
		"LinkedInOAuth":   {info: standardInfo},
		"SlackOAuth":      {claims: map[string]any{}, info: standardInfo},
		"DiscordOAuth":    {info: map[string]any{"id": "ada-1", "username": "ada", "global_name": "Ada Lovelace", "email": "ada@example.test", "verified": true}},
		"BitbucketOAuth":  {info: map[string]any{"uuid": "{ada}", "display_name": "Ada Lovelace"}, emails: map[string]any{"values": []any{map[string]any{"email": "ada@example.test", "is_primary": true, "is_confirmed": true}}}, id: "{ada}"},
		"SalesforceOAuth": {claims: map[string]any{}, info: standardInfo},
		"IntuitOAuth":     {info: map[string]any{"sub": "ada-1", "email": "ada@example.test", "emailVerified": true, "givenName": "Ada", "familyName": "Lovelace"}},
		"XeroOAuth":       {claims: map[string]any{"email_verified": nil}, unverified: true},
		"VercelOAuth":     {claims: map[string]any{}, info: standardInfo},
		"XOAuth":          {info: map[string]any{"data": map[string]any{"id": "ada-1", "name": "Ada Lovelace", "confirmed_email": "ada@example.test"}}},
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			u := newUpstream(t)
			f, ok := FamilyOf(kind)
			if !ok {
				t.Fatal("not in the table")
			}
			client := u.client(f)
			if c.claims != nil {
				u.claims = u.good(c.claims.(map[string]any))
			}
			u.info, u.emails = c.info, c.emails
			r := Return{Code: "c0de"}
			if kind == "AppleOAuth" {
				key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
				if err != nil {
					t.Fatal(err)
				}
				der, err := x509.MarshalPKCS8PrivateKey(key)
				if err != nil {
					t.Fatal(err)
				}
				if client.Key, err = ParseAppleKey("TEAM", "KEY1", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))); err != nil {
					t.Fatal(err)
				}
				u.secret = func(s string) bool { return appleSecretIsGood(t, s, &key.PublicKey, u.URL) }
				r.User = `{"name":{"firstName":"Ada","lastName":"Lovelace"},"email":"eve@example.test"}`
			}
			q := u.leave(client)
			if kind == "AppleOAuth" && q.Get("response_mode") != "form_post" {
				t.Errorf("goes out with %v", q)
			}
			p, err := come(t, client, r)
			if err != nil {
				t.Fatal(cause(err))
			}
			id := c.id
			if id == "" {
				id = "ada-1"
			}
			if p.ID != id || p.Email != "ada@example.test" || p.EmailVerified == c.unverified || p.FirstName != "Ada" || p.LastName != "Lovelace" || p.Tokens.Access != "at" || len(p.Tokens.Scopes) != 2 {
				t.Errorf("%+v", p)
			}
			if _, err := come(t, client, Return{Code: "another"}); err == nil || strings.Contains(err.(*apierr.Error).Message, "<") {
				t.Errorf("another code: %v", err)
			}
		})
	}
	if len(Families) != 14 {
		t.Errorf("%d families; each needs a case", len(Families))
	}
}

// appleSecretIsGood checks the JWT that is Apple's client secret.
func appleSecretIsGood(t testing.TB, secret string, key *ecdsa.PublicKey, audience string) bool {
	set, err := token.NewLocalKeySet(token.PublicKey{ID: "KEY1", Algorithm: token.AlgES256, Key: key})
	if err != nil {
		t.Error(err)
		return false
	}
	parts := strings.Split(secret, ".")
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	var c struct {
		Issuer   string `json:"iss"`
		Subject  string `json:"sub"`
		Audience string `json:"aud"`
		Expires  int64  `json:"exp"`
	}
	if err != nil || json.Unmarshal(b, &c) != nil || c.Issuer != "TEAM" || c.Subject != "client" || c.Audience != audience || time.Until(time.Unix(c.Expires, 0)) > 10*time.Minute {
		t.Errorf("secret: %s", b)
		return false
	}
	// It has no nonce, so only its signature is looked at.
	_, err = token.VerifyIDToken(t.Context(), set, secret, token.IDTokenRules{Issuers: []string{"TEAM"}, Audience: audience, Nonce: "none"})
	return err != nil && strings.Contains(err.Error(), "answers another sign-in")
}

func TestMicrosoftVouchesOnlyForOwnedDomains(t *testing.T) {
	t.Parallel()
	const tenant = "9188040d-6c67-4c5b-b112-36a304b66dad"
	u := newUpstream(t)
	f, _ := FamilyOf("microsoft")
	c := u.client(f)
	for name, one := range map[string]struct {
		more map[string]any
		fail bool
		ok   bool
	}{
		"owner known":       {map[string]any{"xms_edov": "1"}, false, true},
		"owner not known":   {map[string]any{}, false, false},
		"another tenant's":  {map[string]any{"iss": "https://login.microsoftonline.com/other/v2.0"}, true, false},
		"a tenant's escape": {map[string]any{"tid": "x/../y", "iss": "https://login.microsoftonline.com/x/../y/v2.0"}, true, false},
		"no tenant":         {map[string]any{"tid": nil}, true, false},
	} {
		u.claims = u.good(map[string]any{"iss": "https://login.microsoftonline.com/" + tenant + "/v2.0", "tid": tenant})
		for k, v := range one.more {
			u.claims[k] = v
		}
		u.leave(c)
		p, err := come(t, c, Return{Code: "c0de"})
		if (err != nil) != one.fail || err == nil && p.EmailVerified != one.ok {
			t.Errorf("%s: %+v %v", name, p, err)
		}
	}
}

func TestOIDCRefusesWhatIsNotForUs(t *testing.T) {
	t.Parallel()
	stranger, err := token.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	forged, err := token.NewSigner("k1", stranger)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(u *upstream, r *Return){
		"another key":               func(u *upstream, _ *Return) { u.claims, u.answer = nil, forgedAnswer(t, forged, u.good(nil)) },
		"no algorithm":              func(u *upstream, _ *Return) { u.answer = rawAnswer(`{"alg":"none","kid":"k1"}`, u.good(nil)) },
		"a symmetric algorithm":     func(u *upstream, _ *Return) { u.answer = rawAnswer(`{"alg":"HS256","kid":"k1"}`, u.good(nil)) },
		"no key id":                 func(u *upstream, _ *Return) { u.answer = rawAnswer(`{"alg":"RS256"}`, u.good(nil)) },
		"another issuer":            func(u *upstream, _ *Return) { u.claims["iss"] = "https://evil.example.test" },
		"an issuer with a slash":    func(u *upstream, _ *Return) { u.claims["iss"] = u.URL + "/" },
		"another client":            func(u *upstream, _ *Return) { u.claims["aud"] = "other" },
		"two clients, not for us":   func(u *upstream, _ *Return) { u.claims["aud"], u.claims["azp"] = []string{"client", "other"}, "other" },
		"two clients, not said":     func(u *upstream, _ *Return) { u.claims["aud"] = []string{"client", "other"} },
		"issued to another":         func(u *upstream, _ *Return) { u.claims["azp"] = "other" },
		"another nonce":             func(u *upstream, _ *Return) { u.claims["nonce"] = "x" },
		"no nonce":                  func(u *upstream, _ *Return) { delete(u.claims, "nonce") },
		"expired":                   func(u *upstream, _ *Return) { u.claims["exp"] = time.Now().Add(-time.Hour).Unix() },
		"without end":               func(u *upstream, _ *Return) { delete(u.claims, "exp") },
		"of the future":             func(u *upstream, _ *Return) { u.claims["iat"] = time.Now().Add(time.Hour).Unix() },
		"nobody":                    func(u *upstream, _ *Return) { delete(u.claims, "sub") },
		"no ID token":               func(u *upstream, _ *Return) { u.claims = nil },
		"another issuer's answer":   func(_ *upstream, r *Return) { r.Issuer = "https://evil.example.test" },
		"no code":                   func(_ *upstream, r *Return) { r.Code = "" },
		"endpoints lead elsewhere":  func(u *upstream, _ *Return) { u.redirects = true },
		"an answer that is no JSON": func(u *upstream, _ *Return) { u.answer = map[string]any{"access_token": map[string]any{}} },
		"somebody else's user info": func(u *upstream, _ *Return) {
			u.info = map[string]any{"sub": "eve", "email": "eve@example.test", "email_verified": true}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUpstream(t)
			c := u.client(Generic)
			c.Family.Userinfo = u.URL + "/info"
			u.claims, u.info = u.good(nil), map[string]any{"sub": "ada-1"}
			u.leave(c)
			r := Return{Code: "c0de", Issuer: u.URL}
			if p, err := come(t, c, r); err != nil || p.ID != "ada-1" {
				t.Fatalf("honest: %+v %v", p, cause(err))
			}
			change(u, &r)
			p, err := come(t, c, r)
			if e, ok := apierr.As(err); !ok || e.Code != "oauth_failed" {
				t.Errorf("%+v %v", p, err)
			}
			for _, path := range u.asked {
				if path == "/elsewhere" {
					t.Error("a redirect was followed")
				}
			}
		})
	}
}

// rawAnswer is a token endpoint's answer with a token of a given header and a
// signature of nothing.
func rawAnswer(header string, claims map[string]any) map[string]any {
	b, _ := json.Marshal(claims) // plain data
	enc := base64.RawURLEncoding.EncodeToString
	return map[string]any{"access_token": "at", "id_token": enc([]byte(header)) + "." + enc(b) + "." + enc([]byte("x"))}
}

// forgedAnswer is one with a token signed by a stranger.
func forgedAnswer(t testing.TB, s *token.Signer, claims map[string]any) map[string]any {
	id, err := s.Sign(claims)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{"access_token": "at", "id_token": id}
}

func TestIssuerMustBeNamedWhereItSaysSo(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	c := u.client(Generic)
	c.Family.IssRequired = true
	u.claims = u.good(nil)
	u.leave(c)
	if _, err := come(t, c, Return{Code: "c0de"}); err == nil {
		t.Error("an answer without iss was taken (RFC 9207 §2.4)")
	}
	if _, err := come(t, c, Return{Code: "c0de", Issuer: u.URL}); err != nil {
		t.Error(cause(err))
	}
}

func TestDiscoverWantsTheIssuerItself(t *testing.T) {
	t.Parallel()
	var doc string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/.well-known/openid-configuration" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(strings.ReplaceAll(doc, "$", "http://"+r.Host)))
	}))
	t.Cleanup(srv.Close)
	good := `{"issuer":"$","authorization_endpoint":"$/a","token_endpoint":"$/t","jwks_uri":"$/j"}`
	for name, c := range map[string]struct {
		doc string
		ok  bool
	}{
		"good":                 {good, true},
		"another issuer":       {strings.Replace(good, `"issuer":"$"`, `"issuer":"https://evil.example.test"`, 1), false},
		"script for endpoints": {strings.Replace(good, "$/a", "javascript:x", 1), false},
		"no keys":              {strings.Replace(good, "$/j", "", 1), false},
		"no JSON":              {"<html>", false},
		"too large":            {good + strings.Repeat(" ", maxAnswer), false},
	} {
		doc = c.doc
		if _, err := Discover(t.Context(), srv.Client(), srv.URL); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, issuer := range []string{"", "ftp://x", "https://user@x.example.test", "not an address"} {
		if _, err := Discover(t.Context(), srv.Client(), issuer); err == nil {
			t.Errorf("took %q", issuer)
		}
	}
}
