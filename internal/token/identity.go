package token

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// maxFlatten bounds how deep nested claims are flattened; each level adds to
// every name below it.
const maxFlatten = 32

// registered are the claims that are no attributes of a person
// (convex-sync.md §7.1).
var registered = map[string]bool{
	"iss": true, "sub": true, "aud": true, "exp": true, "nbf": true, "iat": true, "jti": true, "fva": true,
}

// oidcNames maps the standard claims of OpenID Connect to the members of a
// UserIdentity that are named otherwise.
var oidcNames = map[string]string{
	"given_name": "givenName", "family_name": "familyName", "preferred_username": "preferredUsername",
	"profile": "profileUrl", "picture": "pictureUrl", "website": "websiteUrl", "email_verified": "emailVerified",
	"birthdate": "birthday", "zoneinfo": "timezone", "locale": "language", "phone_number": "phoneNumber",
	"phone_number_verified": "phoneNumberVerified", "updated_at": "updatedAt",
}

// encode writes the identity object: the attributes and, always last in force,
// the three members that no claim may forge.
func (c *Claims) encode(attrs map[string]json.RawMessage) json.RawMessage {
	quote := func(s string) json.RawMessage {
		b, _ := json.Marshal(s) // strings always encode
		return b
	}
	if attrs == nil {
		attrs = map[string]json.RawMessage{}
	}
	if c.TokenIdentifier != "" {
		attrs["tokenIdentifier"] = quote(c.TokenIdentifier)
	}
	if c.Issuer != "" {
		attrs["issuer"] = quote(c.Issuer)
	}
	if c.Subject != "" {
		attrs["subject"] = quote(c.Subject)
	}
	var b bytes.Buffer
	b.WriteByte('{')
	for i, name := range slices.Sorted(maps.Keys(attrs)) {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(quote(name))
		b.WriteByte(':')
		if json.Compact(&b, attrs[name]) != nil {
			b.WriteString("null") // values come out of a JSON parser; this cannot happen
		}
	}
	b.WriteByte('}')
	return b.Bytes()
}

// customAttributes are the attributes of a customJwt token: every other claim
// under its own name, nested objects flattened with dots, empty ones gone.
func customAttributes(payload map[string]json.RawMessage) (map[string]json.RawMessage, error) {
	out := map[string]json.RawMessage{}
	var flatten func(prefix string, members map[string]json.RawMessage, depth int) error
	flatten = func(prefix string, members map[string]json.RawMessage, depth int) error {
		if depth > maxFlatten {
			return badToken("The JWT's claims are nested deeper than %d levels.", maxFlatten)
		}
		for name, raw := range members {
			if depth == 0 && registered[name] {
				continue
			}
			if len(raw) > 0 && raw[0] == '{' {
				inner, err := objectMembers(raw)
				if err != nil {
					return badToken("The JWT's claim `%s` cannot be read: %s.", clip(prefix+name), jsonFault(err))
				}
				if err := flatten(prefix+name+".", inner, depth+1); err != nil {
					return err
				}
				continue
			}
			out[prefix+name] = raw
		}
		return nil
	}
	if err := flatten("", payload, 0); err != nil {
		return nil, err
	}
	return out, nil
}

// oidcAttributes are the attributes of an OIDC token: standard claims under the
// names of UserIdentity, all others as they are.
func oidcAttributes(payload map[string]json.RawMessage) (map[string]json.RawMessage, error) {
	out := map[string]json.RawMessage{}
	for name, raw := range payload {
		if registered[name] || oidcNames[name] != "" || name == "address" {
			continue
		}
		out[name] = raw
	}
	for name, as := range oidcNames {
		if raw, ok := payload[name]; ok && string(raw) != "null" {
			out[as] = raw
		}
	}
	if raw, ok := payload["address"]; ok {
		var a struct {
			Formatted *string `json:"formatted"`
		}
		if json.Unmarshal(raw, &a) == nil && a.Formatted != nil {
			b, _ := json.Marshal(*a.Formatted) // strings always encode
			out["address"] = b
		}
	}
	if at, ok, err := numericDate(payload, "updated_at"); err == nil && ok {
		b, _ := json.Marshal(at.UTC().Format(time.RFC3339Nano)) // strings always encode
		out["updatedAt"] = b
	}
	return out, nil
}

// ParseActing reads the identity that an admin acts as: a JSON object with
// tokenIdentifier, or with issuer and subject. Its attributes are taken as given.
func ParseActing(raw []byte) (*Claims, error) {
	bad := func(why string) error {
		return apierr.New(apierr.BadRequest, "InvalidIdentity", "The identity to act as is not usable: %s.", why)
	}
	if len(raw) > maxJWT {
		return nil, bad("it is too large")
	}
	m, err := objectMembers(raw)
	if err != nil {
		return nil, bad("it must be a JSON object")
	}
	c := &Claims{}
	c.TokenIdentifier, _ = stringMember(m, "tokenIdentifier")
	c.Issuer, _ = stringMember(m, "issuer")
	c.Subject, _ = stringMember(m, "subject")
	if c.TokenIdentifier == "" {
		if c.Issuer == "" || c.Subject == "" {
			return nil, bad("it needs `tokenIdentifier`, or both `issuer` and `subject`")
		}
		c.TokenIdentifier = c.Issuer + "|" + c.Subject
	}
	c.Attributes = c.encode(m)
	return c, nil
}
