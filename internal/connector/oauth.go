package connector

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/token"
)

// maxAnswer bounds what is read of an answer; real ones have a few kB.
const maxAnswer = 1 << 20

// fetchTimeout bounds one request.
const fetchTimeout = 10 * time.Second

// OAuth is one client of one provider.
type OAuth struct {
	Family      Family // with the endpoints that are to be used
	ClientID    string
	Secret      string    // the client's; for Apple it is made of Key
	Key         *AppleKey // Apple only
	Scopes      []string  // empty means the family's
	RedirectURI string
	Keys        token.KeySet // of the family's JWKS; nil for families without ID tokens
	HTTP        *http.Client
}

// Out is what goes out with the browser and must be remembered until it is back.
type Out struct {
	State    string
	Nonce    string
	Verifier string

	LoginHint string
	Prompt    string
	MaxAge    string
	Scopes    []string          // besides the client's
	Params    map[string]string // further ones for the provider
}

// reserved are the parameters that no caller may set by provider_query_params.
var reserved = map[string]bool{
	"client_id": true, "redirect_uri": true, "response_type": true, "response_mode": true, "scope": true, "state": true,
	"nonce": true, "code_challenge": true, "code_challenge_method": true, "request": true, "request_uri": true,
}

// Leave is the address to send the browser to.
func (c *OAuth) Leave(o Out) (string, error) {
	u, err := url.Parse(c.Family.Authorize)
	if err != nil || u.Host == "" {
		return "", apierr.New(apierr.BadRequest, "connection_invalid", "The provider %s has no usable authorization endpoint.", c.Family.Name)
	}
	q := u.Query()
	for name, v := range o.Params {
		if !reserved[name] {
			q.Set(name, v)
		}
	}
	for name, v := range c.Family.params {
		q.Set(name, v)
	}
	q.Set("client_id", c.ClientID)
	q.Set("redirect_uri", c.RedirectURI)
	q.Set("response_type", "code")
	q.Set("scope", strings.Join(c.scopes(o.Scopes), " "))
	q.Set("state", o.State)
	if c.Family.OIDC {
		q.Set("nonce", o.Nonce)
	}
	if !c.Family.noPKCE {
		sum := sha256.Sum256([]byte(o.Verifier))
		q.Set("code_challenge", base64.RawURLEncoding.EncodeToString(sum[:]))
		q.Set("code_challenge_method", "S256")
	}
	for name, v := range map[string]string{"login_hint": o.LoginHint, "prompt": o.Prompt, "max_age": o.MaxAge} {
		if v != "" {
			q.Set(name, v)
		}
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// scopes are the client's scopes and more, each once.
func (c *OAuth) scopes(more []string) []string {
	own := c.Scopes
	if len(own) == 0 {
		own = c.Family.Scopes
	}
	var out []string
	seen := map[string]bool{}
	for _, s := range append(append([]string{}, own...), more...) {
		if s = strings.TrimSpace(s); s != "" && !seen[s] && !strings.ContainsAny(s, " \"\\") {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}

// Return is what the browser brings back.
type Return struct {
	Code   string
	Issuer string // the parameter iss, if any
	User   string // Apple's, on the first sign-in: names that nobody signed
}

// failed is a refusal of what the provider did. The message is for the person and
// the developer; what exactly went wrong is its cause.
func (c *OAuth) failed(cause error, format string, args ...any) error {
	e := apierr.New(apierr.BadRequest, "oauth_failed", "Signing in with %s failed: %s", c.Family.Name, fmt.Sprintf(format, args...))
	if cause != nil {
		return e.Wrap(cause)
	}
	return e
}

// Come turns the way back into a person.
func (c *OAuth) Come(ctx context.Context, o Out, r Return) (*Person, error) {
	// RFC 9207 §2.4: an answer of another issuer is not for this request (mix-up).
	if iss := c.Family.Issuer; !strings.Contains(iss, "{") && iss != "" && (r.Issuer != "" && r.Issuer != iss || r.Issuer == "" && c.Family.IssRequired) {
		return nil, c.failed(nil, "the answer came from another issuer.")
	}
	if r.Code == "" {
		return nil, c.failed(nil, "it sent no code.")
	}
	t, err := c.redeem(ctx, o, r.Code)
	if err != nil {
		return nil, err
	}
	raw, signed := claims{}, claims{}
	if c.Family.OIDC {
		if t.ID == "" {
			return nil, c.failed(nil, "it sent no ID token.")
		}
		members, err := token.VerifyIDToken(ctx, c.Keys, t.ID, token.IDTokenRules{Issuers: []string{c.Family.Issuer}, Audience: c.ClientID, Nonce: o.Nonce})
		if err != nil {
			if e, ok := apierr.As(err); ok {
				return nil, c.failed(err, "%s", e.Message)
			}
			return nil, c.failed(err, "its keys could not be had.")
		}
		for name, m := range members {
			var v any
			if json.Unmarshal(m, &v) == nil {
				raw[name], signed[name] = v, v
			}
		}
	}
	if c.Family.Userinfo != "" {
		var info claims
		if err := c.get(ctx, c.Family.Userinfo, t.Access, &info); err != nil {
			return nil, err
		}
		if c.Family.OIDC && info.text("sub") != raw.text("sub") { // OpenID Connect Core §5.3.2
			return nil, c.failed(nil, "its user info is about somebody else.")
		}
		if raw["email"] == nil { // the address and the word for it come from one place
			delete(raw, "email_verified")
		}
		for name, v := range info {
			if raw[name] == nil {
				raw[name] = v
			}
		}
	}
	p := c.Family.read(raw)
	if at, ok := signed["auth_time"].(float64); ok && at > 0 && at < 1e11 {
		p.Authenticated = time.Unix(int64(at), 0)
	}
	if p.ID == "" {
		return nil, c.failed(nil, "it did not say who signed in.")
	}
	if c.Family.Emails != "" && c.Family.emails != nil {
		var list any
		if err := c.get(ctx, c.Family.Emails, t.Access, &list); err != nil {
			return nil, err
		}
		c.Family.emails(&p, listOf(list))
	}
	if c.Family.formPost && r.User != "" {
		addAppleName(&p, r.User)
	}
	p.Raw, p.Tokens = raw, t
	p.nameParts()
	return &p, nil
}

// listOf finds the list of objects in an answer: the answer itself, or its member
// values (Bitbucket).
func listOf(v any) []claims {
	if m, ok := v.(map[string]any); ok {
		v = m["values"]
	}
	a, _ := v.([]any)
	var out []claims
	for _, e := range a {
		if m, ok := e.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// redeem exchanges the code.
func (c *OAuth) redeem(ctx context.Context, o Out, code string) (*Tokens, error) {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {c.RedirectURI}}
	if !c.Family.noPKCE {
		form.Set("code_verifier", o.Verifier)
	}
	secret := c.Secret
	if c.Key != nil {
		var err error
		if secret, err = c.Key.secret(c.ClientID, c.Family.Issuer, time.Now()); err != nil {
			return nil, err
		}
	}
	if !c.Family.basic {
		form.Set("client_id", c.ClientID)
		form.Set("client_secret", secret)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Family.Token, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, c.failed(err, "its token endpoint is no address.")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if c.Family.basic {
		req.SetBasicAuth(url.QueryEscape(c.ClientID), url.QueryEscape(secret)) // RFC 6749 §2.3.1
	}
	var body struct {
		Access  string      `json:"access_token"`
		Refresh string      `json:"refresh_token"`
		ID      string      `json:"id_token"`
		Expires json.Number `json:"expires_in"`
		Scope   string      `json:"scope"`
		Error   string      `json:"error"`
		Why     string      `json:"error_description"`
	}
	status, err := c.ask(req, &body)
	switch {
	case err != nil:
		return nil, err
	case body.Error != "": // some say so with status 200 (GitHub)
		return nil, c.failed(fmt.Errorf("token endpoint: %s: %s", cut(body.Error), cut(body.Why)), "it refused the code (%s).", clean(body.Error))
	case status != http.StatusOK || body.Access == "":
		return nil, c.failed(nil, "its token endpoint answered with status %d.", status)
	}
	t := &Tokens{Access: body.Access, Refresh: body.Refresh, ID: body.ID, Scopes: strings.FieldsFunc(body.Scope, func(r rune) bool { return r == ' ' || r == ',' })}
	if n, err := strconv.ParseFloat(body.Expires.String(), 64); err == nil && n > 0 && n < 1e9 {
		t.Expires = time.Now().Add(time.Duration(n) * time.Second)
	}
	if len(t.Scopes) == 0 { // RFC 6749 §5.1: what was asked for
		t.Scopes = c.scopes(o.Scopes)
	}
	return t, nil
}

// get fetches a document with the person's token.
func (c *OAuth) get(ctx context.Context, address, access string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return c.failed(err, "one of its endpoints is no address.")
	}
	req.Header.Set("Authorization", "Bearer "+access)
	status, err := c.ask(req, into)
	if err == nil && status != http.StatusOK {
		err = c.failed(nil, "%s answered with status %d.", req.URL.Host, status)
	}
	return err
}

// ask sends a request and reads a JSON answer.
func (c *OAuth) ask(req *http.Request, into any) (status int, err error) {
	status, body, err := fetch(c.HTTP, req)
	if err != nil {
		return 0, c.failed(err, "%s did not answer.", req.URL.Host)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(into); err != nil && status == http.StatusOK {
		return status, c.failed(err, "%s answered with something that is no JSON.", req.URL.Host)
	}
	return status, nil
}

// fetch sends a request, follows no redirect, and reads a bounded answer.
func fetch(client *http.Client, req *http.Request) (status int, body []byte, err error) {
	if client == nil {
		return 0, nil, errors.New("connector: no client to fetch with")
	}
	ctx, cancel := context.WithTimeout(req.Context(), fetchTimeout)
	defer cancel()
	req = req.WithContext(ctx)
	req.Header.Set("Accept", "application/json, text/xml;q=0.5, */*;q=0.1")
	req.Header.Set("User-Agent", "Lentil") // GitHub refuses requests without one
	still := *client
	still.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := still.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	body, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err == nil && len(body) > maxAnswer {
		err = errors.New("connector: the answer is too large")
	}
	return res.StatusCode, body, err
}

// clean keeps of a foreign code what may be shown (RFC 6749 §5.2).
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' || r == '<' || r == '>' {
			return -1
		}
		return r
	}, s[:min(len(s), 60)])
}

// EndSession is the address that signs a person out at an OpenID Connect provider
// (RP-Initiated Logout 1.0); "" if it has none.
func (c *OAuth) EndSession(idToken, returnTo string) string {
	u, err := url.Parse(c.Family.Logout)
	if err != nil || u.Host == "" {
		return ""
	}
	q := u.Query()
	maps.Copy(q, url.Values{"client_id": {c.ClientID}, "post_logout_redirect_uri": {returnTo}})
	if idToken != "" {
		q.Set("id_token_hint", idToken)
	}
	u.RawQuery = q.Encode()
	return u.String()
}
