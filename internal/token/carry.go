package token

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

const (
	// carryFor is how long a carried identity is believed before its session is looked
	// at again, so the most by which a connection outlives a session that was ended.
	carryFor = 10 * time.Second
	// carryMost bounds how long an identity outlives its token, however long the
	// session goes on: a working day and a night.
	carryMost = 24 * time.Hour
)

// originOf is the origin of a token that was verified; nil unless it is one of a
// session of this house.
func (v *Verifier) originOf(p Provider, t *parsedJWT, exp time.Time) *Origin {
	if v.Retell == nil || v.House == nil || v.House(p.JWKS) == nil {
		return nil
	}
	sid, err := stringMember(t.payload, "sid")
	if _, acts := t.payload["act"]; err != nil || acts {
		return nil // a token of the deployment's own, or of somebody who acts as another
	}
	return &Origin{Provider: p, Key: t.kid, Session: sid, Ended: exp}
}

// CarryOn lets the identity of a live connection go on when its token has ended,
// because its session has not. The client's page may be one that renews its token only
// when somebody touches it, and holds what it is told last for a sign-out (decision 160).
//
// It is for connections alone that brought the token while it was good, and for
// clients that had one and come back, see Readmit. The identity is what the house would write into
// a token now, from the store, so that roles and claims are those of the moment; it
// stays of the same person, session and organization, or ends. So it does when
// the provider is no longer configured, when the token's key was withdrawn, and
// carryMost after the token at the latest. The answer holds for carryFor.
// Refusals are Unauthenticated.
func (g *Gate) CarryOn(ctx context.Context, c Caller) (Caller, error) {
	now := time.Now()
	if c.Role != User || c.Claims == nil || c.Claims.Origin == nil || g.Verifier.Retell == nil {
		return Caller{}, ErrExpired
	}
	o := c.Claims.Origin
	most := o.Ended.Add(carryMost)
	if !now.Before(most) {
		return Caller{}, ErrExpired
	}
	providers, err := g.Providers(ctx)
	if err != nil {
		return Caller{}, err
	}
	if _, err := findKey(ctx, g.Verifier.keySet(o.Provider.JWKS), o.Key); errors.Is(err, ErrNoKey) {
		return Caller{}, ErrExpired
	} else if err != nil {
		return Caller{}, err
	}
	payload, err := g.Verifier.Retell(ctx, o.Provider.JWKS, o.Session)
	if err != nil {
		return Caller{}, err
	}
	t, err := parsePayload(payload)
	if err != nil {
		return Caller{}, err
	}
	if p, err := selectProvider(providers, t); err != nil || p != o.Provider {
		return Caller{}, ErrExpired
	}
	end := now.Add(carryFor)
	if most.Before(end) {
		end = most
	}
	next, err := t.claims(end, customAttributes)
	if err != nil {
		return Caller{}, err
	}
	if next.TokenIdentifier != c.Claims.TokenIdentifier || !sameMember(c.Claims, next, "org_id") || !sameMember(c.Claims, next, "sid") {
		return Caller{}, ErrExpired
	}
	if g.Log != nil && !c.Claims.Expires.After(o.Ended) {
		g.Log.Info("a connection goes on after its token, as its session does",
			slog.String("session", o.Session), slog.String("subject", next.Subject), slog.Time("token_ended", o.Ended), slog.Time("most", most))
	}
	next.Origin = o
	return Caller{Role: User, Claims: next}, nil
}

// Readmit is CarryOn for a client that comes back with a token that has ended. The
// caller knows that it is the client that brought this token while it was good: from
// anybody else an ended token is never taken.
func (g *Gate) Readmit(ctx context.Context, jwt string) (Caller, error) {
	v := g.Verifier
	if v.House == nil || v.Retell == nil {
		return Caller{}, ErrExpired
	}
	providers, err := g.Providers(ctx)
	if err != nil {
		return Caller{}, err
	}
	t, err := parseJWT(jwt)
	if err != nil {
		return Caller{}, err
	}
	p, err := selectProvider(providers, t)
	if err != nil {
		return Caller{}, err
	}
	if p.Type != TypeCustomJWT || v.House(p.JWKS) == nil {
		return Caller{}, ErrExpired
	}
	claims, _, err := v.checkCustom(ctx, p, t, carryMost)
	if err != nil {
		return Caller{}, err
	}
	return g.CarryOn(ctx, Caller{Role: User, Claims: claims})
}

// parsePayload takes the payload of a token that this house would write.
func parsePayload(payload []byte) (*parsedJWT, error) {
	m, err := objectMembers(payload)
	if err != nil {
		return nil, err
	}
	t := &parsedJWT{payload: m}
	if t.issuer, err = stringMember(m, "iss"); err != nil {
		return nil, err
	}
	t.aud, err = audience(m["aud"])
	return t, err
}

// sameMember tells whether two identities agree about a claim.
func sameMember(a, b *Claims, name string) bool {
	x, err1 := objectMembers(a.Attributes)
	y, err2 := objectMembers(b.Attributes)
	return err1 == nil && err2 == nil && string(x[name]) == string(y[name])
}
