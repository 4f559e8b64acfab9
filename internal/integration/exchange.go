package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/identity"
)

// client is an OAuth client at a service.
type client struct {
	id, secret string
	provider   Provider
	scopes     []string // nil for none
}

// clientFor is the client with which an owner is connected.
func (s *Service) clientFor(tx *identity.Tx, i *Integration, org identity.OrganizationID) (*client, error) {
	c := &client{id: i.ClientID, provider: i.Provider(), scopes: i.Scopes}
	sealed := i.secret
	if org != "" {
		_, conf, err := configuration(tx, i, org)
		if err != nil {
			return nil, err
		}
		if len(conf.Config) > 0 {
			with := *i
			with.Config = conf.Config
			c.provider = with.Provider()
		}
		if conf.Scopes != nil {
			c.scopes = conf.Scopes
		}
		if i.Type == Organization {
			c.id, sealed = conf.ClientID, conf.secret
		}
	}
	var err error
	c.secret, err = s.unseal(sealed)
	return c, err
}

// answer is what a token endpoint says.
type answer struct {
	Access      string          `json:"access_token"`
	Refresh     string          `json:"refresh_token"`
	Expires     json.RawMessage `json:"expires_in"` // a number, or the same as text
	Scope       json.RawMessage `json:"scope"`      // text, or a list
	Code        string          `json:"error"`
	Description string          `json:"error_description"`
}

// expires is when the access token ends; zero if it is not said.
func (a *answer) expires(now time.Time) time.Time {
	n, err := strconv.ParseFloat(strings.Trim(string(a.Expires), `"`), 64)
	if err != nil || n <= 0 || n > 1e9 {
		return time.Time{}
	}
	return now.Add(time.Duration(n) * time.Second)
}

// scopes are what was granted; asked if it is not said (RFC 6749 §5.1).
func (a *answer) scopes(asked []string) []string {
	var text string
	var list []string
	switch {
	case json.Unmarshal(a.Scope, &text) == nil && text != "":
		list = strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' })
	case json.Unmarshal(a.Scope, &list) == nil && list != nil:
	default:
		list = asked
	}
	if checkScopes(list) != nil || list == nil {
		return []string{}
	}
	return list
}

// refusal is a token endpoint's no.
type refusal struct {
	Code, Description string
	Status            int
}

// Error says what the service said.
func (r *refusal) Error() string {
	return fmt.Sprintf("%s: %s (status %d)", r.Code, r.Description, r.Status)
}

// final says that asking again with the same grant cannot help.
func (r *refusal) final() bool {
	switch r.Code {
	case "invalid_grant", "unauthorized_client", "access_denied", "bad_verification_code", "token_revoked", "invalid_refresh_token":
		return true
	}
	return false
}

// ask sends a token request. What went wrong on the way is an ordinary error, a no a
// *refusal.
func (s *Service) ask(ctx context.Context, e *identity.Environment, c *client, address string, v url.Values) (*answer, error) {
	p := c.provider
	header := p.Via == ViaHeader && c.secret != ""
	if !header {
		v.Set("client_id", c.id)
		if c.secret != "" {
			v.Set("client_secret", c.secret)
		}
	}
	body, kind := v.Encode(), p.BodyType
	if kind == typeJSON {
		m := map[string]string{}
		for k := range v {
			m[k] = v.Get(k)
		}
		body = asText(m)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("integration: token request: %w", err)
	}
	r.Header.Set("Content-Type", kind)
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "Lentil")
	if header {
		r.SetBasicAuth(url.QueryEscape(c.id), url.QueryEscape(c.secret))
	}
	res, err := s.clients.For(policy(e)).Do(r)
	if err != nil {
		return nil, fmt.Errorf("integration: token request: %w", err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, fmt.Errorf("integration: token answer: %w", err)
	}
	a, err := readAnswer(res.Header.Get("Content-Type"), b)
	switch {
	case res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests:
		return nil, fmt.Errorf("integration: the service answered %d", res.StatusCode)
	case err == nil && a.Code != "":
		return nil, &refusal{clip(a.Code, 100), clip(a.Description, 300), res.StatusCode}
	case res.StatusCode >= 300:
		return nil, &refusal{"invalid_response", "The service refused the request.", res.StatusCode}
	case err != nil || a.Access == "" || len(a.Access) > 4*maxSecret || len(a.Refresh) > 4*maxSecret:
		return nil, &refusal{"invalid_response", "The service gave no access token.", res.StatusCode}
	}
	return a, nil
}

// errNoAnswer is what a body that is neither JSON nor a form gives.
var errNoAnswer = errors.New("integration: the answer is no JSON")

// readAnswer decodes the answer of a token endpoint: JSON, or the form that some
// services send whatever they are asked for.
func readAnswer(kind string, b []byte) (*answer, error) {
	var a answer
	if json.Unmarshal(b, &a) == nil {
		return &a, nil
	}
	if !strings.HasPrefix(kind, typeForm) {
		return nil, errNoAnswer
	}
	v, err := url.ParseQuery(string(b))
	if err != nil {
		return nil, errNoAnswer
	}
	return &answer{Access: v.Get("access_token"), Refresh: v.Get("refresh_token"), Expires: json.RawMessage(v.Get("expires_in")),
		Scope: json.RawMessage(asText(v.Get("scope"))), Code: v.Get("error"), Description: v.Get("error_description")}, nil
}

// clip keeps what others say short and of visible characters.
func clip(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "")
	}
	return s
}
