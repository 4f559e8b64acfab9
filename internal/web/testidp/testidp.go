package testidp

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/connector"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/sso"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/wire"
)

// Mount is the net/http pattern that the provider serves.
const Mount = sso.TestPath

// codeLife and tokenLife are how long what it hands out is good.
const (
	codeLife  = time.Minute
	tokenLife = 10 * time.Minute
	maxForm   = 64 << 10
)

// IdP is the test identity provider. Fill the fields, then call Open.
type IdP struct {
	SSO    *sso.Service
	Sealer *token.Sealer
	Log    *slog.Logger

	pages   func() *template.Template // parses when the first page is shown
	handler http.Handler
}

//go:embed templates/*.html
var files embed.FS

// Open makes the routes; it starts nothing.
func (p *IdP) Open() error {
	p.pages = sync.OnceValue(func() *template.Template { return template.Must(template.ParseFS(files, "templates/*.html")) })
	mux, front := http.NewServeMux(), wire.Front{Dialect: p.refuse, Log: p.Log}
	for pattern, h := range map[string]func(http.ResponseWriter, *http.Request, *sso.TestIdP) error{
		"GET " + Mount + "{connection}/.well-known/openid-configuration": p.configuration,
		"GET " + Mount + "{connection}/jwks":                             p.jwks,
		"GET " + Mount + "{connection}/authorize":                        p.authorize,
		"POST " + Mount + "{connection}/authorize":                       p.authorized,
		"POST " + Mount + "{connection}/token":                           p.token,
		"GET " + Mount + "{connection}/userinfo":                         p.userinfo,
		"GET " + Mount + "{connection}/metadata":                         p.metadata,
		"GET " + Mount + "{connection}/saml":                             p.saml,
		"POST " + Mount + "{connection}/saml":                            p.asserted,
		"GET " + Mount + "{connection}/logout":                           p.logout,
	} {
		mux.Handle(pattern, front.Handle(func(w http.ResponseWriter, r *http.Request) error {
			w.Header().Set("Cache-Control", "no-store")
			t, err := p.SSO.TestIdP(r.Context(), sso.ConnectionID(r.PathValue("connection")))
			if err != nil {
				return err
			}
			r.Body = http.MaxBytesReader(w, r.Body, maxForm)
			return h(w, r, t)
		}))
	}
	p.handler = http.NewCrossOriginProtection().Handler(mux)
	return nil
}

// ServeHTTP answers one request.
func (p *IdP) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }

// refuse says no as OAuth does; people see it only if something is set up wrongly.
func (p *IdP) refuse(w http.ResponseWriter, _ *http.Request, e *apierr.Error) {
	message := e.Message
	if e.Kind == apierr.Internal {
		message = "Something went wrong on our side."
	}
	p.json(w, wire.Status(e.Kind), map[string]string{"error": e.Code, "error_description": message})
}

// json writes an answer.
func (p *IdP) json(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the connection is gone if this fails
}

// page writes a page.
func (p *IdP) page(w http.ResponseWriter, name string, data any) error {
	var b bytes.Buffer
	if err := p.pages().ExecuteTemplate(&b, name, data); err != nil {
		return fmt.Errorf("testidp: render %s: %w", name, err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	// form-action names schemes: Chromium applies it to the redirects after a post.
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' https: http:; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	_, err := b.WriteTo(w)
	return err
}

// configuration is the discovery document.
func (p *IdP) configuration(w http.ResponseWriter, _ *http.Request, t *sso.TestIdP) error {
	at := p.SSO.TestIssuer(t.Connection.ID)
	p.json(w, http.StatusOK, map[string]any{
		"issuer": at, "authorization_endpoint": at + "/authorize", "token_endpoint": at + "/token", "userinfo_endpoint": at + "/userinfo", "jwks_uri": at + "/jwks",
		"end_session_endpoint": at + "/logout", "response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"}, "code_challenge_methods_supported": []string{"S256"}, "authorization_response_iss_parameter_supported": true,
	})
	return nil
}

// jwks are the keys of its ID tokens.
func (p *IdP) jwks(w http.ResponseWriter, _ *http.Request, t *sso.TestIdP) error {
	set, err := token.NewLocalKeySet(t.Signer.PublicKey())
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", token.JWKSContentType)
	_, err = w.Write(set.JWKS())
	return err
}

// form is what the page with the person needs.
type form struct {
	Action, Name, Email string
	Hidden              map[string]string
	Deny                string
}

// authorize asks who the person wants to be.
func (p *IdP) authorize(w http.ResponseWriter, r *http.Request, t *sso.TestIdP) error {
	q := r.URL.Query()
	if err := asks(q, t); err != nil {
		return err
	}
	hidden := map[string]string{}
	for _, name := range []string{"client_id", "redirect_uri", "state", "nonce", "code_challenge"} {
		hidden[name] = q.Get(name)
	}
	deny := url.Values{"error": {"access_denied"}, "error_description": {"The person said no."}, "state": {q.Get("state")}, "iss": {p.SSO.TestIssuer(t.Connection.ID)}}
	return p.page(w, "person.html", form{Action: r.URL.Path, Name: t.Connection.Name, Email: email(q.Get("login_hint")), Hidden: hidden, Deny: t.Callback + "?" + deny.Encode()})
}

// asks checks who asks, and where the answer is to go.
func asks(q url.Values, t *sso.TestIdP) error {
	if q.Get("client_id") != string(t.Connection.ID) || q.Get("redirect_uri") != t.Callback || t.Connection.Config.Protocol == sso.SAML {
		return apierr.New(apierr.BadRequest, "invalid_request", "This is not a request of the connection that the test identity provider is for.")
	}
	return nil
}

// email is an address to begin with.
func email(hint string) string {
	if e, _, ok := identity.ParseEmail(hint); ok {
		return e
	}
	return ""
}

// sealed is what codes and access tokens carry.
type sealed struct {
	Connection sso.ConnectionID
	Person     connector.Person
	Nonce      string
	Challenge  string
	Expires    time.Time
}

// The purposes of seals.
const (
	purposeCode  = "test identity provider code"
	purposeToken = "test identity provider token"
)

// seal makes a code or token.
func (p *IdP) seal(purpose string, s sealed) (string, error) {
	b, err := json.Marshal(s)
	if err != nil {
		return "", fmt.Errorf("testidp: encode: %w", err)
	}
	return p.Sealer.Seal(purpose, b), nil
}

// open reads one.
func (p *IdP) open(purpose, text string, t *sso.TestIdP) (s sealed, ok bool) {
	b, err := p.Sealer.Open(purpose, text)
	if err != nil || json.Unmarshal(b, &s) != nil || s.Connection != t.Connection.ID || !time.Now().Before(s.Expires) {
		return s, false
	}
	return s, true
}

// person is who the form says.
func person(f url.Values) (connector.Person, error) {
	e, k, ok := identity.ParseEmail(f.Get("email"))
	if !ok {
		return connector.Person{}, apierr.New(apierr.BadRequest, "invalid_request", "Go back and enter an e-mail address.")
	}
	sum := sha256.Sum256([]byte(k))
	p := connector.Person{ID: "test-" + base64.RawURLEncoding.EncodeToString(sum[:12]), Email: e, EmailVerified: f.Get("verified") != "",
		FirstName: f.Get("first_name"), LastName: f.Get("last_name")}
	for g := range strings.SplitSeq(f.Get("groups"), ",") {
		if g = strings.TrimSpace(g); g != "" {
			p.Groups = append(p.Groups, g)
		}
	}
	return p, nil
}

// authorized sends the browser back with a code.
func (p *IdP) authorized(w http.ResponseWriter, r *http.Request, t *sso.TestIdP) error {
	if err := r.ParseForm(); err != nil {
		return apierr.New(apierr.BadRequest, "invalid_request", "The form cannot be read.").Wrap(err)
	}
	if err := asks(r.PostForm, t); err != nil {
		return err
	}
	who, err := person(r.PostForm)
	if err != nil {
		return err
	}
	code, err := p.seal(purposeCode, sealed{t.Connection.ID, who, r.PostForm.Get("nonce"), r.PostForm.Get("code_challenge"), time.Now().Add(codeLife)})
	if err != nil {
		return err
	}
	q := url.Values{"code": {code}, "state": {r.PostForm.Get("state")}, "iss": {p.SSO.TestIssuer(t.Connection.ID)}}
	w.Header().Set("Location", t.Callback+"?"+q.Encode())
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// token exchanges a code.
func (p *IdP) token(w http.ResponseWriter, r *http.Request, t *sso.TestIdP) error {
	if err := r.ParseForm(); err != nil {
		return apierr.New(apierr.BadRequest, "invalid_request", "The form cannot be read.").Wrap(err)
	}
	f := r.PostForm
	if f.Get("client_id") != string(t.Connection.ID) || subtle.ConstantTimeCompare([]byte(f.Get("client_secret")), []byte(t.Secret)) != 1 {
		return apierr.New(apierr.BadRequest, "invalid_client", "The client is another one.")
	}
	s, ok := p.open(purposeCode, f.Get("code"), t)
	sum := sha256.Sum256([]byte(f.Get("code_verifier")))
	if !ok || f.Get("redirect_uri") != t.Callback || base64.RawURLEncoding.EncodeToString(sum[:]) != s.Challenge {
		return apierr.New(apierr.BadRequest, "invalid_grant", "The code is not good.")
	}
	s.Expires = time.Now().Add(tokenLife)
	access, err := p.seal(purposeToken, s)
	if err != nil {
		return err
	}
	c := claimsOf(s.Person)
	now := time.Now().Unix()
	c["iss"], c["aud"], c["nonce"], c["iat"], c["auth_time"], c["exp"] = p.SSO.TestIssuer(t.Connection.ID), t.Connection.ID, s.Nonce, now, now, s.Expires.Unix()
	id, err := t.Signer.Sign(c)
	if err != nil {
		return err
	}
	p.json(w, http.StatusOK, map[string]any{"access_token": access, "refresh_token": access, "id_token": id, "token_type": "Bearer", "expires_in": int(tokenLife / time.Second), "scope": "openid email profile"})
	return nil
}

// claimsOf is a person in standard claims.
func claimsOf(p connector.Person) map[string]any {
	return map[string]any{"sub": p.ID, "email": p.Email, "email_verified": p.EmailVerified, "given_name": p.FirstName, "family_name": p.LastName,
		"name": strings.TrimSpace(p.FirstName + " " + p.LastName), "groups": p.Groups}
}

// userinfo tells the same again.
func (p *IdP) userinfo(w http.ResponseWriter, r *http.Request, t *sso.TestIdP) error {
	_, bearer, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	s, ok := p.open(purposeToken, bearer, t)
	if !ok {
		return apierr.New(apierr.Unauthenticated, "invalid_token", "The access token is not good.")
	}
	p.json(w, http.StatusOK, claimsOf(s.Person))
	return nil
}

// metadata describes the SAML side.
func (p *IdP) metadata(w http.ResponseWriter, _ *http.Request, t *sso.TestIdP) error {
	doc, err := t.Asserter.Metadata()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/samlmetadata+xml")
	_, err = w.Write(doc)
	return err
}

// saml asks who the person wants to be; without a request it begins a sign-in that
// nobody asked for, as a provider's own dashboard does.
func (p *IdP) saml(w http.ResponseWriter, r *http.Request, t *sso.TestIdP) error {
	hidden := map[string]string{"id": "", "relay_state": ""}
	if r.URL.Query().Has("SAMLRequest") {
		asked, err := t.Asserter.Read(r)
		if err != nil {
			return err
		}
		if asked.Issuer != p.SSO.EntityID(t.Connection) || asked.ACS != t.Callback {
			return apierr.New(apierr.BadRequest, "invalid_request", "This is not a request of the connection that the test identity provider is for.")
		}
		hidden["id"], hidden["relay_state"] = asked.ID, asked.RelayState
	}
	return p.page(w, "person.html", form{Action: r.URL.Path, Name: t.Connection.Name, Hidden: hidden})
}

// asserted shows the form that carries the assertion. It needs a click, as there is
// no script.
func (p *IdP) asserted(w http.ResponseWriter, r *http.Request, t *sso.TestIdP) error {
	if err := r.ParseForm(); err != nil {
		return apierr.New(apierr.BadRequest, "invalid_request", "The form cannot be read.").Wrap(err)
	}
	who, err := person(r.PostForm)
	if err != nil {
		return err
	}
	to := connector.Asked{ID: r.PostForm.Get("id"), Issuer: p.SSO.EntityID(t.Connection), ACS: t.Callback, RelayState: r.PostForm.Get("relay_state")}
	post, err := t.Asserter.Assert(to, who, time.Now())
	if err != nil {
		return err
	}
	return p.page(w, "assertion.html", struct {
		*connector.Posted
		Email string
	}{post, who.Email})
}

// logout says goodbye.
func (p *IdP) logout(w http.ResponseWriter, r *http.Request, t *sso.TestIdP) error {
	back := p.SSO.BaseURL + "/sso/saml/logout/" + string(t.Connection.ID)
	return p.page(w, "logout.html", map[string]string{"Name": t.Connection.Name, "Back": back})
}
