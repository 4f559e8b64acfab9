package identity

import "strings"

// Method is how a session's user proved who they are, in the spelling of the
// authentication_method field (workos-api.md §1.6). It is never a bare "OAuth":
// strict clients refuse that.
type Method string

// The methods.
const (
	MethodPassword          Method = "Password"
	MethodMagicAuth         Method = "MagicAuth"
	MethodPasskey           Method = "Passkey"
	MethodSSO               Method = "SSO"
	MethodImpersonation     Method = "Impersonation"
	MethodExternal          Method = "ExternalAuth"
	MethodCrossApp          Method = "CrossAppAuth"
	MethodMigrated          Method = "MigratedSession"
	MethodAppleOAuth        Method = "AppleOAuth"
	MethodBitbucketOAuth    Method = "BitbucketOAuth"
	MethodDiscordOAuth      Method = "DiscordOAuth"
	MethodGitHubOAuth       Method = "GitHubOAuth"
	MethodGitLabOAuth       Method = "GitLabOAuth"
	MethodGoogleOAuth       Method = "GoogleOAuth"
	MethodGrokOAuth         Method = "GrokOAuth"
	MethodXOAuth            Method = "XOAuth"
	MethodIntuitOAuth       Method = "IntuitOAuth"
	MethodLinkedInOAuth     Method = "LinkedInOAuth"
	MethodMicrosoftOAuth    Method = "MicrosoftOAuth"
	MethodSalesforceOAuth   Method = "SalesforceOAuth"
	MethodSlackOAuth        Method = "SlackOAuth"
	MethodVercelMarketplace Method = "VercelMarketplaceOAuth"
	MethodVercelOAuth       Method = "VercelOAuth"
	MethodXeroOAuth         Method = "XeroOAuth"
)

// methodWords are the methods as session objects and amr claims spell them.
var methodWords = map[Method]struct{ session, amr string }{
	MethodPassword:      {"password", "pwd"},
	MethodMagicAuth:     {"magic_code", "otp"},
	MethodPasskey:       {"passkey", "pop"}, // RFC 8176: proof of possession of a key
	MethodSSO:           {"sso", "fed"},
	MethodImpersonation: {"impersonation", ""},
	MethodExternal:      {"external_auth", "fed"},
	MethodCrossApp:      {"cross_app_auth", "fed"},
	MethodMigrated:      {"migrated_session", ""},
}

// SocialMethod tells whether a method is a sign-in with another service's account.
func (m Method) SocialMethod() bool { return strings.HasSuffix(string(m), "OAuth") }

// AuthMethod is the method as session objects spell it.
func (m Method) AuthMethod() string {
	if w, ok := methodWords[m]; ok {
		return w.session
	}
	if m.SocialMethod() {
		return "oauth"
	}
	return "unknown"
}

// AMR is the claim amr of a session: what was shown, by the names of RFC 8176 where
// it has one ("fed", for another service's word, is not in it but in wide use).
func (s *Session) AMR() []string {
	word := methodWords[s.Method].amr
	if s.Method.SocialMethod() {
		word = "fed"
	}
	var amr []string
	if word != "" {
		amr = append(amr, word)
	}
	if s.Second != "" {
		amr = append(amr, s.Second, "mfa")
	}
	return amr
}
