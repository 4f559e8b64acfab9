package server

import (
	"context"
	"encoding/json"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/token"
)

// vendorHost is the imitated service's host, which auth.config.ts files name
// literally.
const vendorHost = "api.workos.com"

// jwksPath is where a client id's keys are published, there and here.
const jwksPath = "/sso/jwks/"

// houseKeys resolves a JWKS URL to keys of this house: the vendor's URL, or our
// own, for a client id that this house owns. All others are nil and are fetched
// from where they say. This is the one place where the two wings meet.
func (s *Server) houseKeys(jwksURL string) token.KeySet {
	u, err := url.Parse(jwksURL)
	if err != nil || !s.ownsJWKSHost(u) {
		return nil
	}
	client, ok := strings.CutPrefix(u.Path, jwksPath)
	if !ok || strings.Contains(client, "/") {
		return nil
	}
	if set, ok := s.keySets.Load(client); ok {
		return set.(token.KeySet)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	set, err := s.identity.KeySet(ctx, identity.ClientID(client))
	if err != nil {
		if apierr.KindOf(err) != apierr.NotFound {
			s.log.Error("own key set could not be read", "client", client, "err", err)
		}
		return nil
	}
	s.keySets.Store(client, set)
	return set
}

// retell says what a token of a session would say now, for a JWKS URL that houseKeys
// knows.
func (s *Server) retell(ctx context.Context, jwksURL, session string) (json.RawMessage, error) {
	u, err := url.Parse(jwksURL)
	if err != nil {
		return nil, err
	}
	return s.flow.Retell(ctx, identity.ClientID(strings.TrimPrefix(u.Path, jwksPath)), identity.SessionID(session))
}

// ownsJWKSHost says whether a URL names the vendor's host or our own sign-in
// address, under any name of this machine's loopback if it is there.
func (s *Server) ownsJWKSHost(u *url.URL) bool {
	if u.Scheme == "https" && u.Host == vendorHost {
		return true
	}
	if u.Scheme == "https" && s.ownDomain(u.Host) {
		return true
	}
	own, err := url.Parse(s.authKitURL())
	if err != nil || u.Scheme != own.Scheme {
		return false
	}
	return u.Host == own.Host || u.Port() == own.Port() && loopbackName(u.Hostname()) && loopbackName(own.Hostname())
}

// loopbackName says whether a host name means this machine.
func loopbackName(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// ownDomain says whether a host is the authentication domain of an environment.
func (s *Server) ownDomain(host string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	e, err := s.identity.EnvironmentAt(ctx, host)
	if err != nil {
		s.log.Error("environment of a host could not be read", "host", host, "err", err)
	}
	return e != nil
}
