package connector

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/token"
)

// Discover fetches what an OpenID Connect issuer says of itself (OpenID Connect
// Discovery 1.0 §4).
func Discover(ctx context.Context, client *http.Client, issuer string) (Endpoints, error) {
	bad := func(err error, why string) (Endpoints, error) {
		return Endpoints{}, apierr.New(apierr.BadRequest, "discovery_failed", "The issuer %.200q cannot be used: %s", issuer, why).Wrap(err)
	}
	if !IsWeb(issuer) {
		return bad(nil, "it is no https address.")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration", nil)
	if err != nil {
		return bad(err, "it is no address.")
	}
	status, body, err := fetch(client, req)
	if err != nil {
		return bad(err, "it did not answer. Does this server reach it?")
	}
	var e Endpoints
	if status != http.StatusOK || json.Unmarshal(body, &e) != nil {
		return bad(nil, "there is no OpenID configuration at "+req.URL.String()+".")
	}
	if e.Issuer != issuer { // §4.3: exactly
		return bad(nil, "its configuration names another issuer, "+clean(e.Issuer)+".")
	}
	for _, a := range []string{e.Authorize, e.Token, e.JWKS} {
		if !IsWeb(a) {
			return bad(nil, "its configuration lacks an endpoint.")
		}
	}
	return e, nil
}

// IsWeb reports whether s is an address that can be fetched or visited; whether
// plain http and which hosts are allowed is the client's to decide.
func IsWeb(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http") && u.User == nil && u.Fragment == "" && len(s) <= 2048
}

// Shelf keeps what was fetched of providers: key sets and discovery documents. The
// zero value is ready; it may be used by many goroutines. Clients for different
// environments are told apart by a realm.
type Shelf struct {
	mu   sync.Mutex // guards the maps; never held during a fetch
	keys map[[2]string]token.KeySet
	docs map[[2]string]shelved
}

// shelved is a discovery document and until when it is used without asking.
type shelved struct {
	Endpoints
	until time.Time
}

// Bounds of the shelf.
const (
	maxShelf    = 1000
	keepIssuers = 10 * time.Minute
)

// Keys is the key set at a JWKS address.
func (s *Shelf) Keys(realm, jwks string, client *http.Client) token.KeySet {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := [2]string{realm, jwks}
	if set, ok := s.keys[k]; ok {
		return set
	}
	if s.keys == nil || len(s.keys) >= maxShelf { // what is dropped is fetched again
		s.keys = map[[2]string]token.KeySet{}
	}
	set := token.NewRemoteKeySet(jwks, client)
	s.keys[k] = set
	return set
}

// Issuer is what an issuer says of itself, kept for a while.
func (s *Shelf) Issuer(ctx context.Context, realm, issuer string, client *http.Client) (Endpoints, error) {
	k := [2]string{realm, issuer}
	s.mu.Lock()
	d, ok := s.docs[k]
	s.mu.Unlock()
	if ok && time.Now().Before(d.until) {
		return d.Endpoints, nil
	}
	e, err := Discover(ctx, client, issuer)
	if err != nil {
		return e, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.docs == nil || len(s.docs) >= maxShelf {
		s.docs = map[[2]string]shelved{}
	}
	s.docs[k] = shelved{e, time.Now().Add(keepIssuers)}
	return e, nil
}
