package connector

import "strings"

// Endpoints are a provider's addresses. An empty one means that the provider has
// no such thing; an environment may override each.
type Endpoints struct {
	Issuer    string `json:"issuer,omitempty"`
	Authorize string `json:"authorization_endpoint,omitempty"`
	Token     string `json:"token_endpoint,omitempty"`
	Userinfo  string `json:"userinfo_endpoint,omitempty"`
	Emails    string `json:"emails_endpoint,omitempty"`
	JWKS      string `json:"jwks_uri,omitempty"`
	Logout    string `json:"end_session_endpoint,omitempty"`
	// IssRequired is authorization_response_iss_parameter_supported (RFC 9207 §3).
	IssRequired bool `json:"authorization_response_iss_parameter_supported,omitempty"`
}

// Over fills in what e leaves empty.
func (e Endpoints) Over(base Endpoints) Endpoints {
	for _, f := range []struct{ own, base *string }{
		{&e.Issuer, &base.Issuer}, {&e.Authorize, &base.Authorize}, {&e.Token, &base.Token}, {&e.Userinfo, &base.Userinfo},
		{&e.Emails, &base.Emails}, {&e.JWKS, &base.JWKS}, {&e.Logout, &base.Logout},
	} {
		if *f.own == "" {
			*f.own = *f.base
		}
	}
	e.IssRequired = e.IssRequired || base.IssRequired
	return e
}

// Family is one kind of OAuth provider: facts, no state.
type Family struct {
	Type   string // as connection_type and authentication_method spell it
	Slug   string // in addresses
	Name   string // for people
	OIDC   bool   // an ID token comes back and is what counts
	Scopes []string
	Endpoints

	params   map[string]string // added to every authorize request
	formPost bool              // the answer is posted
	basic    bool              // the token endpoint wants the secret in a header
	noPKCE   bool              // a verifier makes the token endpoint fail
	read     func(claims) Person
	emails   func(*Person, []claims)
}

// Families is the table of social providers. Sources: each provider's public
// documentation of its OAuth endpoints, named in the row.
var Families = []Family{
	{ // https://developers.google.com/identity/openid-connect/openid-connect
		Type: "GoogleOAuth", Slug: "google", Name: "Google", OIDC: true, Scopes: []string{"openid", "email", "profile"},
		Endpoints: Endpoints{Issuer: "https://accounts.google.com", Authorize: "https://accounts.google.com/o/oauth2/v2/auth",
			Token: "https://oauth2.googleapis.com/token", JWKS: "https://www.googleapis.com/oauth2/v3/certs"},
		read: standard,
	},
	{ // https://learn.microsoft.com/entra/identity-platform/v2-protocols-oidc
		Type: "MicrosoftOAuth", Slug: "microsoft", Name: "Microsoft", OIDC: true, Scopes: []string{"openid", "email", "profile"},
		Endpoints: Endpoints{Issuer: "https://login.microsoftonline.com/{tenantid}/v2.0", Authorize: "https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
			Token: "https://login.microsoftonline.com/common/oauth2/v2.0/token", JWKS: "https://login.microsoftonline.com/common/discovery/v2.0/keys"},
		read: microsoft,
	},
	{ // https://docs.github.com/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps
		Type: "GitHubOAuth", Slug: "github", Name: "GitHub", Scopes: []string{"read:user", "user:email"},
		Endpoints: Endpoints{Authorize: "https://github.com/login/oauth/authorize", Token: "https://github.com/login/oauth/access_token",
			Userinfo: "https://api.github.com/user", Emails: "https://api.github.com/user/emails"},
		read: func(c claims) Person {
			return Person{ID: c.text("id"), Name: either(c.text("name"), c.text("login")), Picture: c.text("avatar_url")}
		},
		emails: func(p *Person, list []claims) {
			for _, e := range list {
				if e.yes("primary") {
					p.Email, p.EmailVerified = e.text("email"), e.yes("verified")
				}
			}
		},
	},
	{ // https://developer.apple.com/documentation/signinwithapplerestapi
		Type: "AppleOAuth", Slug: "apple", Name: "Apple", OIDC: true, Scopes: []string{"name", "email"},
		Endpoints: Endpoints{Issuer: "https://appleid.apple.com", Authorize: "https://appleid.apple.com/auth/authorize",
			Token: "https://appleid.apple.com/auth/token", JWKS: "https://appleid.apple.com/auth/keys"},
		params: map[string]string{"response_mode": "form_post"}, formPost: true, noPKCE: true,
		read: standard,
	},
	{ // https://docs.gitlab.com/integration/openid_connect_provider/
		Type: "GitLabOAuth", Slug: "gitlab", Name: "GitLab", OIDC: true, Scopes: []string{"openid", "email", "profile"},
		Endpoints: Endpoints{Issuer: "https://gitlab.com", Authorize: "https://gitlab.com/oauth/authorize", Token: "https://gitlab.com/oauth/token",
			Userinfo: "https://gitlab.com/oauth/userinfo", JWKS: "https://gitlab.com/oauth/discovery/keys"},
		read: standard,
	},
	{ // https://learn.microsoft.com/linkedin/consumer/integrations/self-serve/sign-in-with-linkedin-v2; its ID tokens lack the nonce
		Type: "LinkedInOAuth", Slug: "linkedin", Name: "LinkedIn", Scopes: []string{"openid", "email", "profile"},
		Endpoints: Endpoints{Authorize: "https://www.linkedin.com/oauth/v2/authorization", Token: "https://www.linkedin.com/oauth/v2/accessToken",
			Userinfo: "https://api.linkedin.com/v2/userinfo"},
		noPKCE: true, read: standard,
	},
	{ // https://docs.slack.dev/authentication/sign-in-with-slack/
		Type: "SlackOAuth", Slug: "slack", Name: "Slack", OIDC: true, Scopes: []string{"openid", "email", "profile"},
		Endpoints: Endpoints{Issuer: "https://slack.com", Authorize: "https://slack.com/openid/connect/authorize", Token: "https://slack.com/api/openid.connect.token",
			Userinfo: "https://slack.com/api/openid.connect.userInfo", JWKS: "https://slack.com/openid/connect/keys"},
		noPKCE: true, read: standard,
	},
	{ // https://discord.com/developers/docs/topics/oauth2
		Type: "DiscordOAuth", Slug: "discord", Name: "Discord", Scopes: []string{"identify", "email"},
		Endpoints: Endpoints{Authorize: "https://discord.com/oauth2/authorize", Token: "https://discord.com/api/oauth2/token", Userinfo: "https://discord.com/api/users/@me"},
		read: func(c claims) Person {
			return Person{ID: c.text("id"), Email: c.text("email"), EmailVerified: c.yes("verified"), Name: either(c.text("global_name"), c.text("username"))}
		},
	},
	{ // https://developer.atlassian.com/cloud/bitbucket/oauth-2/
		Type: "BitbucketOAuth", Slug: "bitbucket", Name: "Bitbucket", Scopes: []string{"account", "email"},
		Endpoints: Endpoints{Authorize: "https://bitbucket.org/site/oauth2/authorize", Token: "https://bitbucket.org/site/oauth2/access_token",
			Userinfo: "https://api.bitbucket.org/2.0/user", Emails: "https://api.bitbucket.org/2.0/user/emails"},
		basic: true,
		read: func(c claims) Person {
			return Person{ID: c.text("uuid"), Name: c.text("display_name"), Picture: c.in("links").in("avatar").text("href")}
		},
		emails: func(p *Person, list []claims) {
			for _, e := range list {
				if e.yes("is_primary") {
					p.Email, p.EmailVerified = e.text("email"), e.yes("is_confirmed")
				}
			}
		},
	},
	{ // https://help.salesforce.com/s/articleView?id=sf.remoteaccess_using_openid.htm
		Type: "SalesforceOAuth", Slug: "salesforce", Name: "Salesforce", OIDC: true, Scopes: []string{"openid", "email", "profile"},
		Endpoints: Endpoints{Issuer: "https://login.salesforce.com", Authorize: "https://login.salesforce.com/services/oauth2/authorize",
			Token: "https://login.salesforce.com/services/oauth2/token", Userinfo: "https://login.salesforce.com/services/oauth2/userinfo", JWKS: "https://login.salesforce.com/id/keys"},
		read: standard,
	},
	{ // https://developer.intuit.com/app/developer/qbo/docs/develop/authentication-and-authorization/openid-connect
		Type: "IntuitOAuth", Slug: "intuit", Name: "Intuit", Scopes: []string{"openid", "email", "profile"},
		Endpoints: Endpoints{Authorize: "https://appcenter.intuit.com/connect/oauth2", Token: "https://oauth.platform.intuit.com/oauth2/v1/tokens/bearer",
			Userinfo: "https://accounts.platform.intuit.com/v1/openid_connect/userinfo"},
		basic: true, noPKCE: true,
		read: func(c claims) Person {
			return Person{ID: c.text("sub"), Email: c.text("email"), EmailVerified: c.yes("emailVerified"), FirstName: c.text("givenName"), LastName: c.text("familyName")}
		},
	},
	{ // https://developer.xero.com/documentation/guides/oauth2/auth-flow; nothing says that an address was verified
		Type: "XeroOAuth", Slug: "xero", Name: "Xero", OIDC: true, Scopes: []string{"openid", "email", "profile"},
		Endpoints: Endpoints{Issuer: "https://identity.xero.com", Authorize: "https://login.xero.com/identity/connect/authorize", Token: "https://identity.xero.com/connect/token",
			JWKS: "https://identity.xero.com/.well-known/openid-configuration/jwks"},
		basic: true, read: standard,
	},
	{ // https://vercel.com/docs/sign-in-with-vercel
		Type: "VercelOAuth", Slug: "vercel", Name: "Vercel", OIDC: true, Scopes: []string{"openid", "email", "profile"},
		Endpoints: Endpoints{Issuer: "https://vercel.com", Authorize: "https://vercel.com/oauth/authorize", Token: "https://api.vercel.com/login/oauth/token",
			Userinfo: "https://api.vercel.com/login/oauth/userinfo", JWKS: "https://vercel.com/.well-known/jwks"},
		read: standard,
	},
	{ // https://docs.x.com/fundamentals/authentication/oauth-2-0/authorization-code; confirmed_email is what its name says
		Type: "XOAuth", Slug: "x", Name: "X", Scopes: []string{"users.read", "tweet.read", "users.email"},
		Endpoints: Endpoints{Authorize: "https://x.com/i/oauth2/authorize", Token: "https://api.x.com/2/oauth2/token",
			Userinfo: "https://api.x.com/2/users/me?user.fields=profile_image_url,confirmed_email"},
		basic: true,
		read: func(c claims) Person {
			d := c.in("data")
			return Person{ID: d.text("id"), Email: d.text("confirmed_email"), EmailVerified: d.text("confirmed_email") != "", Name: d.text("name"), Picture: d.text("profile_image_url")}
		},
	},
}

// Generic is the family of an OpenID Connect issuer of which nothing is known
// beforehand.
var Generic = Family{Type: "GenericOIDC", Slug: "oidc", Name: "Single sign-on", OIDC: true, Scopes: []string{"openid", "email", "profile"}, read: standard}

// FamilyOf finds a social provider by its type or slug; GitHub's type has two
// spellings on the wire (workos-operations.md, Connection and list query).
func FamilyOf(name string) (Family, bool) {
	for _, f := range Families {
		if strings.EqualFold(f.Type, name) || f.Slug == name {
			return f, true
		}
	}
	return Family{}, false
}

// standard reads the claims of OpenID Connect Core §5.1.
func standard(c claims) Person {
	return Person{
		ID: c.text("sub"), Email: c.text("email"), EmailVerified: c.yes("email_verified"), FirstName: c.text("given_name"), LastName: c.text("family_name"),
		Name: c.text("name"), Picture: c.text("picture"), Groups: c.texts("groups"),
	}
}

// microsoft reads Microsoft's claims. Its e-mail claim can be set by any tenant's
// administrator, so it counts as verified only with xms_edov
// (https://learn.microsoft.com/entra/identity-platform/migrate-off-email-claim-authorization).
func microsoft(c claims) Person {
	p := standard(c)
	p.EmailVerified = c.yes("xms_edov")
	return p
}

// either is the first text that is not empty.
func either(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
