package token

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// The types of providers.
const (
	TypeCustomJWT = "customJwt"
	TypeOIDC      = "oidc"
)

// Provider is one entry of auth.config's `providers`: whose tokens a deployment
// trusts. Its JSON form is that of `appAuth` in the push protocol.
type Provider struct {
	Type          string // TypeCustomJWT or TypeOIDC
	Issuer        string // customJwt: issuer; oidc: domain. With its scheme, otherwise as written
	JWKS          string // customJwt only: where the keys are, http(s) or data:
	Algorithm     string // customJwt only
	ApplicationID string // "" means any audience (customJwt only)
}

// workosIssuer is the shared issuer of all customers of the imitated service;
// trusting it without an audience would let anybody's users in.
const workosIssuer = "https://api.workos.com"

// maxProviders bounds a provider list; Verify walks it for every token.
const maxProviders = 100

// MarshalJSON writes the provider as `appAuth` has it: a customJwt provider
// always with applicationID (null when there is none), OIDC without a type.
func (p Provider) MarshalJSON() ([]byte, error) {
	if p.Type == TypeOIDC {
		return json.Marshal(struct {
			ApplicationID string `json:"applicationID"`
			Domain        string `json:"domain"`
		}{p.ApplicationID, p.Issuer})
	}
	var app *string
	if p.ApplicationID != "" {
		app = &p.ApplicationID
	}
	return json.Marshal(struct {
		Type          string  `json:"type"`
		ApplicationID *string `json:"applicationID"`
		Issuer        string  `json:"issuer"`
		JWKS          string  `json:"jwks"`
		Algorithm     string  `json:"algorithm"`
	}{TypeCustomJWT, app, p.Issuer, p.JWKS, p.Algorithm})
}

// UnmarshalJSON reads a provider with all checks of ParseProviders.
func (p *Provider) UnmarshalJSON(b []byte) error {
	got, err := parseProvider(b)
	if err != nil {
		return err
	}
	*p = got
	return nil
}

// String shows a provider as NoAuthProvider's message lists it.
func (p Provider) String() string {
	app := p.ApplicationID
	if app == "" {
		app = "none"
	}
	if p.Type == TypeOIDC {
		return fmt.Sprintf("OIDC(domain=%s, app_id=%s)", p.Issuer, app)
	}
	return fmt.Sprintf("CustomJWT(issuer=%s, app_id=%s)", p.Issuer, app)
}

// schemaError is a config whose shape is wrong.
func schemaError(format string, args ...any) *apierr.Error {
	return apierr.New(apierr.BadRequest, "AuthConfigNotMatchingSchemaError",
		"The auth config file does not match the expected shape: "+format+
			" See https://docs.convex.dev/auth for examples.", args...)
}

// ParseProviders reads the JSON of auth.config's default export,
// `{"providers": [...]}`, and applies the rules of convex-cli.md §3. Every
// error is an *apierr.Error of kind BadRequest with the push protocol's code.
func ParseProviders(authConfig []byte) ([]Provider, error) {
	var c struct {
		Providers *[]json.RawMessage `json:"providers"`
	}
	trimmed := bytes.TrimSpace(authConfig)
	if len(trimmed) == 0 || bytes.Equal(trimmed, []byte("undefined")) {
		return nil, apierr.New(apierr.BadRequest, "AuthConfigMissingExportError",
			"auth.config.js is missing a default export. Export `{ providers: [...] }` as default.")
	}
	if trimmed[0] != '{' {
		return nil, schemaError("the default export must be an object `{ providers: [...] }`.")
	}
	if err := json.Unmarshal(trimmed, &c); err != nil {
		return nil, schemaError("%s.", jsonFault(err))
	}
	if c.Providers == nil {
		return nil, schemaError("missing `providers`, a list of auth providers.")
	}
	if len(*c.Providers) > maxProviders {
		return nil, schemaError("%d providers are listed, the limit is %d.", len(*c.Providers), maxProviders)
	}
	out := make([]Provider, 0, len(*c.Providers))
	for _, raw := range *c.Providers {
		p, err := parseProvider(raw)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// parseProvider reads and checks one entry. Members it does not know are
// allowed, as the imitated service allows them.
func parseProvider(raw []byte) (Provider, error) {
	members, err := objectMembers(raw)
	if err != nil {
		return Provider{}, schemaError("a provider must be an object: %s.", jsonFault(err))
	}
	for name := range members {
		if name != "applicationID" && strings.EqualFold(name, "applicationID") {
			return Provider{}, schemaError("a provider has `%s`; write `applicationID`, with a capital D.", name)
		}
	}
	get := func(name string) (string, bool, error) {
		m, ok := members[name]
		if !ok || string(m) == "null" {
			return "", false, nil
		}
		var s string
		if json.Unmarshal(m, &s) != nil {
			return "", false, schemaError("a provider's `%s` must be a string.", name)
		}
		return s, true, nil
	}
	var p Provider
	var fault error
	str := func(name string) (string, bool) {
		s, ok, err := get(name)
		if err != nil && fault == nil {
			fault = err
		}
		return s, ok
	}
	typ, hasType := str("type")
	issuer, hasIssuer := str("issuer")
	domain, hasDomain := str("domain")
	jwks, hasJWKS := str("jwks")
	alg, hasAlg := str("algorithm")
	app, hasApp := str("applicationID")
	if fault != nil {
		return Provider{}, fault
	}
	switch {
	case hasType && typ == TypeCustomJWT:
		switch {
		case hasDomain:
			return Provider{}, schemaError("a provider of type `customJwt` must not have `domain`; write `issuer`.")
		case !hasIssuer:
			return Provider{}, schemaError("a provider of type `customJwt` needs `issuer`.")
		case !hasJWKS:
			return Provider{}, schemaError("a provider of type `customJwt` needs `jwks`, the URL of its keys.")
		case !hasAlg || (alg != AlgRS256 && alg != AlgES256):
			return Provider{}, schemaError("a provider of type `customJwt` needs `algorithm`, \"RS256\" or \"ES256\".")
		case !hasApp && strings.TrimRight(issuer, "/") == workosIssuer && len(issuer)-len(workosIssuer) <= 1:
			return Provider{}, apierr.New(apierr.BadRequest, "InsecureConfiguration",
				"The provider with issuer `%s` has no `applicationID`, so tokens of every WorkOS customer would be accepted. "+
					"Add `applicationID: process.env.WORKOS_CLIENT_ID` to it.", issuer)
		}
		p = Provider{Type: TypeCustomJWT, Issuer: issuer, JWKS: jwks, Algorithm: alg, ApplicationID: app}
	case !hasType || typ == TypeOIDC:
		switch {
		case hasIssuer:
			return Provider{}, schemaError("a provider of type `oidc` must not have `issuer`; write `domain`, or set `type: \"customJwt\"`.")
		case !hasDomain:
			return Provider{}, schemaError("a provider needs `domain`.")
		case !hasApp:
			return Provider{}, schemaError("a provider with `domain` needs `applicationID`.")
		}
		p = Provider{Type: TypeOIDC, Issuer: domain, ApplicationID: app}
	default:
		return Provider{}, schemaError("a provider has type `%s`; the types are `customJwt` and `oidc`.", typ)
	}
	if hasApp && app == "" {
		return Provider{}, schemaError("a provider's `applicationID` is empty. Is the environment variable behind it set?")
	}
	if p.Issuer, err = checkDomain(p.Issuer); err != nil {
		return Provider{}, err
	}
	if p.Type == TypeCustomJWT && !strings.HasPrefix(p.JWKS, "data:") {
		if p.JWKS, err = checkDomain(p.JWKS); err != nil {
			return Provider{}, err
		}
	}
	return p, nil
}

// objectMembers splits a JSON object into its members, refusing duplicates,
// which other readers of the same text may resolve differently.
func objectMembers(raw []byte) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	if t != json.Delim('{') {
		return nil, fmt.Errorf("found %s", describe(raw))
	}
	out := map[string]json.RawMessage{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, ok := t.(string)
		if !ok {
			return nil, fmt.Errorf("found %v in place of a member name", t)
		}
		if _, dup := out[name]; dup {
			return nil, fmt.Errorf("member %q occurs twice", name)
		}
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return nil, err
		}
		out[name] = v
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, fmt.Errorf("text follows the object")
	}
	return out, nil
}

// describe names the kind of a JSON text for messages.
func describe(raw []byte) string {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return "nothing"
	}
	switch raw[0] {
	case '"':
		return "a string"
	case '[':
		return "an array"
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	default:
		return "a number"
	}
}

// jsonFault shortens a JSON error for a message.
func jsonFault(err error) string {
	return strings.TrimSuffix(strings.TrimPrefix(err.Error(), "json: "), ".")
}
