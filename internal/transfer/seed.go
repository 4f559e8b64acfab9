package transfer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// MaxSeed bounds a seed file.
const MaxSeed = 4 << 20

// Seed is a seed file. The members are those of the official emulator, but the last
// four.
type Seed struct {
	Users               []User           `json:"users"`
	Organizations       []Organization   `json:"organizations"`
	Roles               []Role           `json:"roles"`
	Permissions         []Permission     `json:"permissions"`
	Connections         []Connection     `json:"connections"`
	ConnectedAccounts   []map[string]any `json:"connectedAccounts"`
	Invitations         []Invitation     `json:"invitations"`
	APIKeys             APIKeys          `json:"apiKeys"`
	ConnectApplications []Application    `json:"connectApplications"`
	WebhookEndpoints    []Endpoint       `json:"webhookEndpoints"`
	JWTTemplate         Template         `json:"jwtTemplate"`
	ErrorHooks          []map[string]any `json:"errorHooks"`

	FeatureFlags []map[string]any `json:"featureFlags"`
	RedirectURIs []string         `json:"redirectUris"`
	CORSOrigins  []string         `json:"corsOrigins"`
	Settings     map[string]any   `json:"settings"`
}

// User is a user of a seed.
type User struct {
	ID            string            `json:"id"`
	Email         string            `json:"email"`
	Password      string            `json:"password"`
	FirstName     string            `json:"first_name"`
	LastName      string            `json:"last_name"`
	Name          string            `json:"name"`
	EmailVerified bool              `json:"email_verified"`
	ExternalID    string            `json:"external_id"`
	Locale        string            `json:"locale"`
	Metadata      map[string]string `json:"metadata"`
	TOTP          bool              `json:"totp"`
	OAuthProvider string            `json:"oauth_provider"`
	OAuthID       string            `json:"oauth_idp_id"`
	Impersonator  any               `json:"impersonator"`
}

// Organization is an organization of a seed, with its members by address.
type Organization struct {
	ID           string            `json:"id"`
	Name         string            `json:"name"`
	ExternalID   string            `json:"external_id"`
	Metadata     map[string]string `json:"metadata"`
	Domains      []Domain          `json:"domains"`
	Memberships  []Membership      `json:"memberships"`
	Groups       []Group           `json:"groups"`
	Entitlements []string          `json:"entitlements"`
	Roles        []Role            `json:"roles"`
}

// Domain is a domain of an organization.
type Domain struct {
	Domain string `json:"domain"`
	State  string `json:"state"`
}

// Membership is a member of an organization.
type Membership struct {
	Email  string `json:"email"`
	Role   string `json:"role"`
	Status string `json:"status"`
}

// Group is a group of members of an organization.
type Group struct {
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Members     []string `json:"members"`
}

// Role is a role of the environment or of an organization.
type Role struct {
	Slug         string   `json:"slug"`
	Name         string   `json:"name"`
	Description  string   `json:"description"`
	Type         string   `json:"type"`
	Organization string   `json:"organization"`
	ResourceType string   `json:"resource_type_slug"`
	Permissions  []string `json:"permissions"`
}

// Permission is a permission of the environment.
type Permission struct {
	Slug         string `json:"slug"`
	Name         string `json:"name"`
	Description  string `json:"description"`
	ResourceType string `json:"resource_type_slug"`
}

// Connection is a connection of an organization. Whatever its type, the test
// identity provider stands in for the other side.
type Connection struct {
	Name         string `json:"name"`
	Organization string `json:"organization"`
	Type         string `json:"connection_type"`
	State        string `json:"state"`
}

// Invitation is an invitation that is pending.
type Invitation struct {
	Email         string `json:"email"`
	Organization  string `json:"organization"`
	Role          string `json:"role_slug"`
	ExpiresInDays int    `json:"expires_in_days"`
}

// APIKeys are keys by their texts, or keys of organizations and users.
type APIKeys struct {
	Texts []string // of keys of the environment
	Keys  []APIKey
}

// APIKey is a key of an organization or of a user.
type APIKey struct {
	Name         string   `json:"name"`
	Organization string   `json:"organization"`
	UserID       string   `json:"user_id"`
	Value        string   `json:"value"`
	Permissions  []string `json:"permissions"`
	ExpiresAt    string   `json:"expires_at"`
}

// UnmarshalJSON reads either form.
func (k *APIKeys) UnmarshalJSON(b []byte) error {
	if b = bytes.TrimSpace(b); len(b) > 0 && b[0] == '{' {
		var texts map[string]any
		if err := json.Unmarshal(b, &texts); err != nil {
			return err
		}
		k.Texts = slices.Sorted(maps.Keys(texts))
		return nil
	}
	return json.Unmarshal(b, &k.Keys)
}

// Application is an application of a machine, or one that people sign in to.
type Application struct {
	Name         string   `json:"name"`
	Type         string   `json:"type"`
	Organization string   `json:"organization"`
	Description  string   `json:"description"`
	Scopes       []string `json:"scopes"`
	RedirectURIs []string `json:"redirect_uris"`
	ClientID     string   `json:"client_id"`
	ClientSecret string   `json:"client_secret"`
	Audience     string   `json:"audience"`
}

// Endpoint is an address that hears of events; no events are all of them.
type Endpoint struct {
	EndpointURL string   `json:"endpoint_url"`
	URL         string   `json:"url"`
	Events      []string `json:"events"`
	Secret      string   `json:"secret"`
	Enabled     *bool    `json:"enabled"`
}

// address is the endpoint's address under either of its names.
func (e *Endpoint) address() string {
	if e.EndpointURL != "" {
		return e.EndpointURL
	}
	return e.URL
}

// Template is the template of further claims: a text, or an object that has it as
// content.
type Template string

// UnmarshalJSON reads either form.
func (t *Template) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, (*string)(t))
	}
	var o struct {
		Content *string `json:"content"`
	}
	if err := json.Unmarshal(b, &o); err != nil {
		return err
	}
	if o.Content != nil {
		*t = Template(*o.Content)
		return nil
	}
	*t = Template(b) // the template itself, written as an object
	return nil
}

// Problem is something wrong with a seed.
type Problem struct {
	Path    string `json:"path"` // users[0].email
	Message string `json:"message"`
}

// Error is one line.
func (p Problem) Error() string {
	if p.Path == "" {
		return p.Message
	}
	return p.Path + ": " + p.Message
}

// Parse reads a seed in YAML or JSON, which is YAML, too, and says what is wrong
// with it. A seed with problems is not to be applied.
func Parse(b []byte) (*Seed, []Problem) {
	wrong := func(format string, args ...any) (*Seed, []Problem) {
		return nil, []Problem{{Message: fmt.Sprintf(format, args...)}}
	}
	if len(b) > MaxSeed {
		return wrong("the file is larger than %d bytes", MaxSeed)
	}
	var tree any
	if err := yaml.Unmarshal(b, &tree); err != nil {
		return wrong("%s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if tree == nil {
		return &Seed{}, nil
	}
	top, ok := tree.(map[string]any)
	if !ok {
		return wrong("a seed is an object with members such as users and organizations")
	}
	text, err := json.Marshal(top)
	if err != nil {
		return wrong("%s", err) // a map with keys that are no texts
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return wrong("%s", err)
	}
	s := &Seed{}
	var problems []Problem
	for _, name := range slices.Sorted(maps.Keys(members)) {
		one, err := json.Marshal(map[string]json.RawMessage{name: members[name]})
		if err != nil {
			return wrong("%s", err)
		}
		dec := json.NewDecoder(bytes.NewReader(one))
		if !known[name] {
			problems = append(problems, Problem{name, "there is no member of this name; there are " + strings.Join(slices.Sorted(maps.Keys(known)), ", ")})
		} else if err := dec.Decode(s); err != nil {
			problems = append(problems, Problem{name, strings.TrimPrefix(err.Error(), "json: ")})
		}
	}
	return s, append(problems, s.check()...)
}

// known are the names of a seed's members.
var known = map[string]bool{
	"users": true, "organizations": true, "roles": true, "permissions": true, "connections": true, "connectedAccounts": true,
	"invitations": true, "apiKeys": true, "connectApplications": true, "webhookEndpoints": true, "jwtTemplate": true, "errorHooks": true,
	"featureFlags": true, "redirectUris": true, "corsOrigins": true, "settings": true,
}
