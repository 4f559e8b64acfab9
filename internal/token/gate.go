package token

import (
	"context"
	"encoding/json"
	"net/http"
)

// Gate answers "who is it" for one deployment, for every front alike.
type Gate struct {
	Admin    *AdminKeys
	Verifier *Verifier
	// Providers are the deployment's live auth providers; asked for every JWT.
	Providers func(ctx context.Context) ([]Provider, error)
}

// Message authenticates the sync protocol's Authenticate message: a token type
// ("User", "Admin" or "None"), its value, and for admins the identity to act as
// (nil for none).
func (g *Gate) Message(ctx context.Context, tokenType, value string, acting json.RawMessage) (Caller, error) {
	return g.message(ctx, tokenType, value, acting)
}

// Request authenticates an HTTP request by its Authorization header, or by its
// query parameter adminKey when it has none.
func (g *Gate) Request(r *http.Request) (Caller, error) { return g.request(r) }

// Key authenticates an admin key that came in a body, with an optional
// impersonation part.
func (g *Gate) Key(key string) (Caller, error) { return g.key(key) }

func (g *Gate) message(ctx context.Context, tokenType, value string, acting json.RawMessage) (Caller, error) {
	panic("not written yet")
}
func (g *Gate) request(r *http.Request) (Caller, error) { panic("not written yet") }
func (g *Gate) key(key string) (Caller, error)          { panic("not written yet") }
