package application

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// Request is an authorization request (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2.1).
type Request struct {
	Client       string
	RedirectURI  string
	ResponseType string
	Scope        string
	State        string
	HasState     bool
	Challenge    string
	Method       string // of the challenge
	Nonce        string
	Prompt       string
	MaxAge       string
	Organization identity.OrganizationID
	Resource     string // RFC 8707
}

// ReadRequest reads the parameters of an authorization request.
func ReadRequest(q url.Values) Request {
	return Request{Client: q.Get("client_id"), RedirectURI: q.Get("redirect_uri"), ResponseType: q.Get("response_type"), Scope: q.Get("scope"),
		State: q.Get("state"), HasState: q.Has("state"), Challenge: q.Get("code_challenge"), Method: q.Get("code_challenge_method"), Nonce: q.Get("nonce"),
		Prompt: q.Get("prompt"), MaxAge: q.Get("max_age"), Organization: identity.OrganizationID(q.Get("organization_id")), Resource: q.Get("resource")}
}

// Prompts reports whether the request's prompt holds a word.
func (r *Request) Prompts(word string) bool { return slices.Contains(strings.Fields(r.Prompt), word) }

// Asked is a request that may be answered at its redirect URI.
type Asked struct {
	Request
	Application *Application
	Environment *identity.Environment
	Scopes      []string
	// Fault is what the application is told at once; nil if all is well.
	Fault *apierr.Error
}

// Bounds of a request, ours.
const (
	maxState = 4 << 10
	maxNonce = 512
)

// challengeShape is an S256 challenge (RFC 7636 §4.2).
var challengeShape = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`) })

// Ask looks at an authorization request. An error is a page and never a redirect: the
// application or its address is not known. What else is wrong is in Asked.Fault.
func (s *Service) Ask(ctx context.Context, r Request) (a *Asked, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		a, err = s.ask(tx, r)
		return err
	})
	return a, err
}

// ask is Ask within a transaction.
func (s *Service) ask(tx *identity.Tx, r Request) (*Asked, error) {
	app, err := s.ByClient(tx, r.Client)
	if err != nil {
		return nil, err
	}
	if app == nil || app.Kind != OAuth || len(r.Client) > 128 {
		return nil, apierr.New(apierr.BadRequest, "unknown_client", "There is no application with the client id %.100q here. Check the client id in the application's configuration.", r.Client)
	}
	a := &Asked{Request: r, Application: app}
	if a.RedirectURI == "" && len(app.RedirectURIs) == 1 {
		a.RedirectURI = app.RedirectURIs[0]
	}
	if !slices.ContainsFunc(app.RedirectURIs, func(u string) bool { return sameRedirect(u, a.RedirectURI) }) {
		return nil, apierr.New(apierr.BadRequest, "redirect_uri_not_registered", "The redirect URI %.300q is not registered for %s. Add it to the application's redirect URIs, or correct it in the application.", r.RedirectURI, app.Name)
	}
	if len(r.State) > maxState {
		return nil, apierr.New(apierr.BadRequest, "state_too_long", "The state parameter is longer than %d bytes.", maxState)
	}
	if a.Environment, err = tx.Environment(app.Environment); err != nil {
		return nil, err
	}
	a.Scopes, err = app.grantable(r.Scope)
	if r.Scope == "" {
		a.Scopes = []string{}
	}
	switch _, age := r.maxAge(); {
	case err != nil:
		a.Fault, _ = apierr.As(err)
	case r.ResponseType != "code":
		a.Fault = Refuse("unsupported_response_type", "response_type must be code.")
	case r.Challenge == "" && app.UsesPKCE:
		a.Fault = Refuse("invalid_request", "This application uses PKCE: code_challenge is missing.")
	case r.Challenge != "" && (r.Method != "S256" || !challengeShape().MatchString(r.Challenge)):
		a.Fault = Refuse("invalid_request", "code_challenge must be the S256 challenge of a verifier.")
	case len(r.Nonce) > maxNonce:
		a.Fault = Refuse("invalid_request", "The nonce is too long.")
	case !age:
		a.Fault = Refuse("invalid_request", "max_age must be a number of seconds.")
	case r.Resource != "" && !resourceLooksRight(r.Resource):
		a.Fault = Refuse("invalid_target", "resource must be an absolute address without a fragment.")
	}
	return a, nil
}

// sameRedirect compares an address with a registered one: byte for byte, but for the
// port of an http address of this machine, which native apps choose as they start
// (RFC 8252 §7.3).
func sameRedirect(registered, asked string) bool {
	if registered == asked {
		return asked != ""
	}
	r, err1 := url.Parse(registered)
	a, err2 := url.Parse(asked)
	if err1 != nil || err2 != nil || r.Scheme != "http" || a.Scheme != "http" || a.User != nil || a.Fragment != "" {
		return false
	}
	ip := net.ParseIP(r.Hostname())
	return ip != nil && ip.IsLoopback() && r.Hostname() == a.Hostname() && r.EscapedPath() == a.EscapedPath() && r.RawQuery == a.RawQuery
}

// resourceLooksRight says whether a resource is an address (RFC 8707 §2).
func resourceLooksRight(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.IsAbs() && u.Fragment == "" && len(s) <= 500
}

// maxAge is how old a sign-in may be; negative if it does not matter. ok is false if
// it is no number.
func (r *Request) maxAge() (d time.Duration, ok bool) {
	if r.MaxAge == "" {
		return -1, true
	}
	n, err := strconv.Atoi(r.MaxAge)
	if err != nil || n < 0 || n > 1e9 {
		return 0, false
	}
	return time.Duration(n) * time.Second, true
}

// Person is who sits before the browser.
type Person struct {
	User          *identity.User
	Browser       identity.BrowserID
	Authenticated time.Time
}

// Who finds who a browser is signed in as in the environment of the request; nil if
// nobody is, or not recently enough. since is when the sign-in was asked for that the
// browser comes back from; zero if it was sent to none.
func (s *Service) Who(ctx context.Context, a *Asked, secret string, since time.Time) (p *Person, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		p = nil
		b, u, err := tx.Browser(a.Environment, secret)
		if err != nil || b == nil {
			return err
		}
		fresh := !since.IsZero() && !b.Authenticated.Before(since.Truncate(time.Second))
		if a.Prompts("login") && !fresh {
			return nil
		}
		if age, _ := a.maxAge(); age >= 0 && !fresh && a.Environment.Now().Sub(b.Authenticated) > age {
			return nil
		}
		p = &Person{User: u, Browser: b.ID, Authenticated: b.Authenticated}
		return nil
	})
	return p, err
}

// Back is the address to which a browser goes back, with parameters. They go behind
// what the registered address has, and iss says who answers (RFC 9207).
func (a *Asked) Back(issuer string, parameters ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(parameters); i += 2 {
		q.Set(parameters[i], parameters[i+1])
	}
	if a.HasState {
		q.Set("state", a.State)
	}
	q.Set("iss", issuer)
	sep := "?"
	if strings.Contains(a.RedirectURI, "?") {
		sep = "&"
	}
	return a.RedirectURI + sep + q.Encode()
}

// Sure reports whether it is sure that an answer reaches the application itself: it
// keeps a secret, or nobody else can stand at its https address. Any other app of
// the same machine could ask in its name (RFC 8252 §8.6), and whoever registered
// itself chose its name.
func (a *Asked) Sure() bool {
	return !a.Application.Dynamic && (!a.Application.UsesPKCE || strings.HasPrefix(a.RedirectURI, "https://"))
}

// Consent says whether the person must be asked before the application gets what it
// wants.
func (s *Service) Consent(ctx context.Context, a *Asked, p *Person) (ask bool, err error) {
	if a.Application.FirstParty {
		return false, nil
	}
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		_, g, err := grantOf(tx, a.Application, p.User.ID)
		if err != nil {
			return err
		}
		ask = g == nil || !a.Sure() || a.Prompts("consent") || slices.ContainsFunc(a.Scopes, func(sc string) bool { return !slices.Contains(g.Scopes, sc) })
		return nil
	})
	return ask, err
}

// codeLife is how long a code may be redeemed.
const codeLife = time.Minute

// Grant notes what the person grants and gives the code for it.
func (s *Service) Grant(ctx context.Context, a *Asked, p *Person) (code string, err error) {
	code = newSecret()
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		now, err := s.ask(tx, a.Request) // the application may have changed since
		if err != nil {
			return err
		}
		if now.Fault != nil {
			return now.Fault
		}
		if a.Organization != "" {
			m, err := tx.Membership(a.Environment.ID, p.User.ID, a.Organization)
			if err != nil {
				return err
			}
			if m == nil || m.Status != identity.MembershipActive {
				return Refuse("access_denied", "The user is not a member of the organization.")
			}
		}
		g, err := s.grant(tx, a, p.User.ID)
		if err != nil {
			return err
		}
		return tx.Add(tableCodes, identity.Row{
			identity.Text("hash", secretHash("code", code)), identity.Text("environment", a.Environment.ID), identity.Text("application", a.Application.ID),
			identity.Text("user", p.User.ID), identity.Text("grant", g.ID), identity.Texts("scopes", a.Scopes), identity.Text("redirect_uri", a.RedirectURI),
			identity.Text("challenge", a.Challenge), identity.Text("nonce", a.Nonce), identity.Text("organization", a.Organization),
			identity.Text("resource", a.Resource), identity.Time("authenticated", p.Authenticated), identity.Text("family", ""),
			identity.Time("expires", tx.Now().Add(codeLife)), identity.Time("forget", tx.Now().Add(time.Hour)),
		})
	})
	return code, err
}

// challengeOf is the S256 challenge of a verifier.
func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
