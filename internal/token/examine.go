package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/diagnosis"
)

// Examination is what can be said about a token for the person who holds it. It
// has nothing of the signature.
type Examination struct {
	Header, Payload []Member `json:"-"`
	// Judgements say for each provider why it would take the token or not.
	Judgements []Judgement `json:"judgements"`
	// Accepted says what the deployment does; if it refuses, Refusal says why.
	Accepted bool               `json:"accepted"`
	Identity string             `json:"identity,omitempty"` // as functions see it: issuer|subject
	Refusal  *diagnosis.Refusal `json:"refusal,omitempty"`
	// Expires is zero for a token that does not say.
	Expires time.Time `json:"expires,omitzero"`
	// Alive is a token that is still good for something: it has not expired, as far
	// as it says itself.
	Alive bool `json:"alive"`
}

// Member is one member of a token's header or payload.
type Member struct {
	Name  string
	Value json.RawMessage
	Time  time.Time // of members that are times
}

// Judgement is what one provider makes of a token.
type Judgement struct {
	Provider string  `json:"provider"`
	Chosen   bool    `json:"chosen"` // the one that the token is verified against
	Points   []Point `json:"points"`
}

// Point is one thing that a provider looks at.
type Point struct {
	What string `json:"what"`
	OK   bool   `json:"ok"`
	Said string `json:"said"`
}

// memberOrder has the well-known members first, in the order in which a person
// asks for them.
var memberOrder = []string{"alg", "kid", "typ", "iss", "aud", "sub", "client_id", "sid", "org_id", "role", "roles", "permissions", "iat", "nbf", "exp"}

// Examine takes a token apart without believing it, and says what each provider
// makes of it and what the deployment would do.
func (v *Verifier) Examine(ctx context.Context, providers []Provider, jwt string, now time.Time) (*Examination, error) {
	t, err := parseJWT(jwt)
	if err != nil {
		return nil, err
	}
	header, _ := jwtObject(strings.SplitN(jwt, ".", 2)[0])
	x := &Examination{Header: members(header), Payload: members(t.payload)}
	x.Expires, _, _ = numericDate(t.payload, "exp")
	x.Alive = !x.Expires.IsZero() && x.Expires.After(now)
	chosen, cerr := selectProvider(providers, t)
	for _, p := range providers {
		j := Judgement{Provider: p.String(), Chosen: cerr == nil && p == chosen}
		j.Points = v.points(ctx, p, t, now)
		x.Judgements = append(x.Judgements, j)
	}
	c, err := v.Verify(ctx, providers, jwt)
	if err == nil {
		x.Accepted, x.Identity = true, c.TokenIdentifier
		return x, nil
	}
	r, ok := Explain(providers, jwt, err, now)
	if !ok {
		return nil, err
	}
	x.Refusal = &r
	return x, nil
}

// members puts an object's members in order.
func members(m map[string]json.RawMessage) []Member {
	names := slices.Sorted(maps.Keys(m))
	slices.SortStableFunc(names, func(a, b string) int {
		i, j := slices.Index(memberOrder, a), slices.Index(memberOrder, b)
		if i < 0 {
			i = len(memberOrder)
		}
		if j < 0 {
			j = len(memberOrder)
		}
		return i - j
	})
	list := make([]Member, 0, len(names))
	for _, name := range names {
		e := Member{Name: name, Value: m[name]}
		if slices.Contains([]string{"exp", "iat", "nbf", "auth_time"}, name) {
			e.Time, _, _ = numericDate(m, name)
		}
		list = append(list, e)
	}
	return list
}

// points are what one provider looks at, as far as it would come.
func (v *Verifier) points(ctx context.Context, p Provider, t *parsedJWT, now time.Time) []Point {
	var list []Point
	add := func(what string, ok bool, format string, args ...any) bool {
		list = append(list, Point{what, ok, fmt.Sprintf(format, args...)})
		return ok
	}
	ok := add("issuer", normalIssuer(p.Issuer) == normalIssuer(t.issuer), "expected %s, got %s", p.Issuer, clip(t.issuer))
	switch {
	case p.ApplicationID == "":
		add("audience", true, "any: the provider has no applicationID")
	case len(t.aud) == 0:
		ok = add("audience", false, "expected %s, got none: the token has no `aud`", p.ApplicationID) && ok
	default:
		ok = add("audience", slices.Contains(t.aud, p.ApplicationID), "expected %s, got %s", p.ApplicationID, clip(strings.Join(t.aud, ", "))) && ok
	}
	if !ok {
		return list // keys of somebody else say nothing
	}
	if p.Type == TypeCustomJWT {
		if !add("algorithm", t.alg == p.Algorithm, "expected %s, got %s", p.Algorithm, clip(t.alg)) {
			return list
		}
		if !add("key id", t.kid != "", "got %s", orNone(clip(t.kid))) {
			return list
		}
		key, err := findKey(ctx, v.keySet(p.JWKS), t.kid)
		switch {
		case errors.Is(err, ErrNoKey):
			add("key", false, "%s has no key %s", clip(p.JWKS), clip(t.kid))
			return list
		case err != nil:
			add("key", false, "%v", err)
			return list
		}
		add("key", true, "found at %s", clip(p.JWKS))
		if err := t.checkSignature(p.Algorithm, key); !add("signature", err == nil, "%s", signed(err)) {
			return list
		}
	}
	skew := customSkew
	if p.Type == TypeOIDC {
		skew = 0
	}
	exp, err := t.checkTimes(now, skew, 0)
	if err != nil {
		add("times", false, "%v", message(err))
		return list
	}
	add("times", true, "good for %v", exp.Sub(now).Round(time.Second))
	return list
}

// signed says how a signature stands.
func signed(err error) string {
	if err != nil {
		return message(err)
	}
	return "matches the key"
}

// message is the text of a refusal without its code.
func message(err error) string {
	_, text, _ := strings.Cut(err.Error(), ": ")
	return text
}

// orNone shows an absent value.
func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
