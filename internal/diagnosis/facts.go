package diagnosis

import (
	"encoding/json"
	"time"
)

// FactsPath is where a deployment answers its admin with Facts.
const FactsPath = "/_lentil/v1/diagnosis"

// Facts are what a running house tells the doctor about one deployment. Nothing in
// them is secret to the deployment's admin.
type Facts struct {
	Now        time.Time `json:"now"` // the house's clock
	Version    string    `json:"version"`
	Deployment string    `json:"deployment"`
	Kind       string    `json:"kind,omitempty"` // dev, prod, preview, custom
	URL        string    `json:"url"`
	SiteURL    string    `json:"siteUrl"`
	AuthKitURL string    `json:"authkitUrl"`
	// Providers are the live auth providers, as auth.config.ts has them. Null when no
	// auth.config.ts was ever pushed.
	Providers json.RawMessage `json:"providers"`
	// Functions counts the live functions; 0 before the first push.
	Functions int `json:"functions"`
	// Environment is the identity environment that the deployment's WORKOS_CLIENT_ID
	// names; nil if no environment of this house has that client id.
	Environment *Environment `json:"environment"`
	// Siblings are the project's other deployments.
	Siblings []Sibling `json:"siblings"`
	// Workspace is how the team's link to its WorkOS workspace stands.
	Workspace Workspace `json:"workspace"`
	Refusals  []Entry   `json:"refusals"`
	Problems  []string  `json:"problems"` // of the house, as `lentil status` has them
}

// Environment is an identity environment as the doctor sees it.
type Environment struct {
	ID           string   `json:"id"`
	ClientID     string   `json:"clientId"`
	Kind         string   `json:"kind"`     // development, staging, production
	Issuer       string   `json:"issuer"`   // of its access tokens
	Audience     string   `json:"audience"` // of its access tokens; "" for none; "template" if the JWT template makes it
	RedirectURIs []string `json:"redirectUris"`
	CORSOrigins  []string `json:"corsOrigins"`
	Homepage     string   `json:"homepage"`
	// TemplateBytes is the length of the JWT template.
	TemplateBytes int `json:"templateBytes"`
}

// Sibling is another deployment of the same project.
type Sibling struct {
	Name     string `json:"name"`
	Kind     string `json:"kind"`
	ClientID string `json:"clientId"`
}

// Workspace is a team's link to its WorkOS workspace.
type Workspace struct {
	Linked     bool   `json:"linked"`
	Authorized bool   `json:"authorized"`
	Name       string `json:"name,omitempty"`
}
