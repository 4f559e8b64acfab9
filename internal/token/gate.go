package token

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/diagnosis"
)

// ErrExpired is the refusal of an identity that ended while it was in use
// (convex-sync.md §6).
var ErrExpired = apierr.New(apierr.Unauthenticated, "TokenExpired", "Convex token identity expired").With(causeExpired)

// Credential is what an Authorization header holds, not yet checked.
type Credential struct {
	JWT      string // of `Bearer`
	AdminKey string // of `Convex`, without prefixes and identity
	Acting   []byte // JSON of the identity to act as; nil for none
}

// ParseAuthorization reads an Authorization header (convex-sync.md §6.1). An
// empty header is an empty Credential.
func ParseAuthorization(header string) (Credential, error) {
	switch {
	case header == "":
		return Credential{}, nil
	case len(header) < 7 || len(header) > 2*maxJWT:
		return Credential{}, apierr.New(apierr.BadRequest, "InvalidHeaderFailure",
			"The Authorization header is malformed; expected `Bearer <token>` or `Convex <admin key>`.")
	}
	scheme, rest, _ := strings.Cut(header, " ")
	rest = strings.TrimSpace(rest)
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		return Credential{JWT: rest}, nil
	case strings.EqualFold(scheme, "Convex"):
		return parseAdminCredential(rest)
	}
	return Credential{}, apierr.New(apierr.BadRequest, "InvalidAdminKey",
		"The Authorization header's scheme is not known; expected `Bearer <token>` or `Convex <admin key>`.")
}

// parseAdminCredential splits `<key>[:<base64 identity>]`.
func parseAdminCredential(text string) (Credential, error) {
	key, acting, has := strings.Cut(stripKeyPrefix(text), ":")
	c := Credential{AdminKey: key}
	if c.AdminKey == "" {
		return c, errBadAdminKey
	}
	if has {
		trimmed := strings.TrimRight(acting, "=")
		b, err := base64.RawStdEncoding.DecodeString(trimmed)
		if err != nil {
			b, err = base64.RawURLEncoding.DecodeString(trimmed)
		}
		if err != nil {
			return c, apierr.New(apierr.BadRequest, "InvalidHeaderFailure",
				"The identity after the admin key is not base64.")
		}
		c.Acting = b
	}
	return c, nil
}

// Gate answers "who is it" for one deployment, for every front alike.
type Gate struct {
	Admin    *AdminKeys
	Verifier *Verifier
	// Keys finds a further key of the deployment, which may be revoked, and gives its id;
	// "" if it is none. Nil knows none.
	Keys func(ctx context.Context, key string) (id string, err error)
	// Providers are the deployment's live auth providers; asked for every JWT.
	Providers func(ctx context.Context) ([]Provider, error)
	// Refusals remembers why tokens were refused, under Scope; nil for nothing.
	Refusals *diagnosis.Ledger
	Scope    string
	Log      *slog.Logger // told about them once in a while; may be nil
}

// Message authenticates the sync protocol's Authenticate message: a token type
// ("User", "Admin" or "None"), its value, and for admins the identity to act as
// (nil for none).
func (g *Gate) Message(ctx context.Context, tokenType, value string, acting json.RawMessage) (Caller, error) {
	switch tokenType {
	case "None":
		return Caller{}, nil
	case "User":
		return g.user(ctx, value)
	case "Admin":
		c, err := parseAdminCredential(value)
		if err != nil {
			return Caller{}, err
		}
		if len(acting) > 0 && string(acting) != "null" {
			c.Acting = acting
		}
		return g.admin(ctx, c)
	}
	return Caller{}, apierr.New(apierr.BadRequest, "InvalidTokenType", "The token type %q is not known; it is User, Admin or None.", clip(tokenType))
}

// Request authenticates an HTTP request by its Authorization header, or by its
// query parameter adminKey when it has none.
func (g *Gate) Request(r *http.Request) (Caller, error) {
	c, err := ParseAuthorization(r.Header.Get("Authorization"))
	if err != nil {
		return Caller{}, err
	}
	switch {
	case c.JWT != "":
		caller, err := g.user(r.Context(), c.JWT)
		if err == nil && caller.Expired(time.Now()) {
			return Caller{}, ErrExpired
		}
		return caller, err
	case c.AdminKey != "":
		return g.admin(r.Context(), c)
	case r.Header.Get("Authorization") != "":
		return Caller{}, badToken("The Authorization header holds no token.")
	}
	if key := r.URL.Query().Get("adminKey"); key != "" {
		return g.Key(r.Context(), key)
	}
	return Caller{}, nil
}

// Key authenticates an admin key that came in a body or query, with an optional
// impersonation part.
func (g *Gate) Key(ctx context.Context, key string) (Caller, error) {
	c, err := parseAdminCredential(key)
	if err != nil {
		return Caller{}, err
	}
	return g.admin(ctx, c)
}

// user verifies an end user's JWT.
func (g *Gate) user(ctx context.Context, jwt string) (Caller, error) {
	providers, err := g.Providers(ctx)
	if err != nil {
		return Caller{}, err
	}
	claims, err := g.Verifier.Verify(ctx, providers, jwt)
	if err != nil {
		g.refused(providers, jwt, err)
		return Caller{}, err
	}
	return Caller{Role: User, Claims: claims}, nil
}

// admin checks an admin key and reads whom it acts as.
func (g *Gate) admin(ctx context.Context, c Credential) (Caller, error) {
	caller := Caller{Role: Admin}
	if err := g.Admin.Check(c.AdminKey); err != nil {
		if g.Keys == nil {
			return Caller{}, err
		}
		id, kerr := g.Keys(ctx, c.AdminKey)
		if kerr != nil {
			return Caller{}, kerr
		}
		if id == "" {
			return Caller{}, err
		}
		caller.Key = id
	}
	if c.Acting != nil {
		acting, err := ParseActing(c.Acting)
		if err != nil {
			return Caller{}, err
		}
		caller.Acting = acting
	}
	return caller, nil
}
