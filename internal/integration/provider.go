package integration

// Provider says how a service's OAuth endpoints are reached. In its addresses
// {name} stands for a value of the integration's config.
type Provider struct {
	Name             string
	AuthorizationURL string
	TokenURL         string
	RefreshURL       string // TokenURL if empty
	PKCE             bool
	Separator        string // between scopes in the request; a space if empty
	ScopesRequired   bool
	SecretRequired   bool
	Parameters       map[string]string // more of the authorization request
	BodyType         string            // of the token request: a form, or application/json
	Via              Via
}

// Via says where a client's secret goes.
type Via string

// The ways to send a secret.
const (
	ViaBody   Via = "request_body"
	ViaHeader Via = "basic_auth_header"
)

// The media types of token requests.
const (
	typeForm = "application/x-www-form-urlencoded"
	typeJSON = "application/json"
)

// providers are the services that need no definition, by slug. Addresses are from
// each service's developer documentation; whoever needs another defines it.
var providers = map[string]Provider{
	"asana":           {Name: "Asana", AuthorizationURL: "https://app.asana.com/-/oauth_authorize", TokenURL: "https://app.asana.com/-/oauth_token", PKCE: true},
	"box":             {Name: "Box", AuthorizationURL: "https://account.box.com/api/oauth2/authorize", TokenURL: "https://api.box.com/oauth2/token"},
	"discord":         {Name: "Discord", AuthorizationURL: "https://discord.com/oauth2/authorize", TokenURL: "https://discord.com/api/oauth2/token", ScopesRequired: true},
	"dropbox":         {Name: "Dropbox", AuthorizationURL: "https://www.dropbox.com/oauth2/authorize", TokenURL: "https://api.dropboxapi.com/oauth2/token", PKCE: true, Parameters: map[string]string{"token_access_type": "offline"}},
	"figma":           {Name: "Figma", AuthorizationURL: "https://www.figma.com/oauth", TokenURL: "https://api.figma.com/v1/oauth/token", ScopesRequired: true, Via: ViaHeader},
	"github":          {Name: "GitHub", AuthorizationURL: "https://github.com/login/oauth/authorize", TokenURL: "https://github.com/login/oauth/access_token"},
	"gitlab":          {Name: "GitLab", AuthorizationURL: "https://gitlab.com/oauth/authorize", TokenURL: "https://gitlab.com/oauth/token", PKCE: true, ScopesRequired: true},
	"gmail":           google("Gmail"),
	"google":          google("Google"),
	"google-calendar": google("Google Calendar"),
	"google-drive":    google("Google Drive"),
	"hubspot":         {Name: "HubSpot", AuthorizationURL: "https://app.hubspot.com/oauth/authorize", TokenURL: "https://api.hubapi.com/oauth/v1/token", ScopesRequired: true},
	"jira":            {Name: "Jira", AuthorizationURL: "https://auth.atlassian.com/authorize", TokenURL: "https://auth.atlassian.com/oauth/token", ScopesRequired: true, BodyType: typeJSON, Parameters: map[string]string{"audience": "api.atlassian.com", "prompt": "consent"}},
	"linear":          {Name: "Linear", AuthorizationURL: "https://linear.app/oauth/authorize", TokenURL: "https://api.linear.app/oauth/token", Separator: ",", ScopesRequired: true},
	"microsoft":       {Name: "Microsoft", AuthorizationURL: "https://login.microsoftonline.com/common/oauth2/v2.0/authorize", TokenURL: "https://login.microsoftonline.com/common/oauth2/v2.0/token", PKCE: true, ScopesRequired: true},
	"notion":          {Name: "Notion", AuthorizationURL: "https://api.notion.com/v1/oauth/authorize", TokenURL: "https://api.notion.com/v1/oauth/token", BodyType: typeJSON, Via: ViaHeader, Parameters: map[string]string{"owner": "user"}},
	"salesforce":      {Name: "Salesforce", AuthorizationURL: "https://login.salesforce.com/services/oauth2/authorize", TokenURL: "https://login.salesforce.com/services/oauth2/token", PKCE: true},
	"slack":           {Name: "Slack", AuthorizationURL: "https://slack.com/oauth/v2/authorize", TokenURL: "https://slack.com/api/oauth.v2.access", Separator: ",", ScopesRequired: true},
	"zendesk":         {Name: "Zendesk", AuthorizationURL: "https://{subdomain}.zendesk.com/oauth/authorizations/new", TokenURL: "https://{subdomain}.zendesk.com/oauth/tokens", ScopesRequired: true, BodyType: typeJSON},
	"zoom":            {Name: "Zoom", AuthorizationURL: "https://zoom.us/oauth/authorize", TokenURL: "https://zoom.us/oauth/token", Via: ViaHeader},
}

// google is Google's endpoints; a refresh token comes only if asked for like this.
func google(name string) Provider {
	return Provider{Name: name, AuthorizationURL: "https://accounts.google.com/o/oauth2/v2/auth", TokenURL: "https://oauth2.googleapis.com/token",
		PKCE: true, ScopesRequired: true, Parameters: map[string]string{"access_type": "offline", "prompt": "consent"}}
}
