package identity

import (
	"slices"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// SignInMethods says how people of an environment may sign in; the zero value
// offers passwords and codes by mail. Methods of organisations (single sign-on)
// are not among them: those follow from their connections.
type SignInMethods struct {
	NoPassword  bool
	NoMagicCode bool
	Passkeys    bool
	Social      []string // providers in the spelling of the authorize request: "GoogleOAuth"
}

// MFAPolicy says when a second factor is asked for. Sign-ins by an organisation's
// own identity provider are left to that.
type MFAPolicy string

// The policies. MFAOptional is the default: who has a factor is asked for it.
const (
	MFAOptional MFAPolicy = ""
	MFAOff      MFAPolicy = "off"      // nobody is asked
	MFARequired MFAPolicy = "required" // who has none enrols one before going on
)

// check refuses a policy that does not exist.
func (p MFAPolicy) check() error {
	switch p {
	case MFAOptional, MFAOff, MFARequired:
		return nil
	}
	return apierr.New(apierr.BadRequest, "invalid_settings", "The policy for second factors is off, optional or required.")
}

// socialProviders are the providers that can be offered (workos-api.md §1.7).
var socialProviders = []string{"AppleOAuth", "BitbucketOAuth", "GitHubOAuth", "GitLabOAuth", "GoogleOAuth", "IntuitOAuth", "LinkedInOAuth",
	"MicrosoftOAuth", "SalesforceOAuth", "SlackOAuth", "VercelMarketplaceOAuth", "VercelOAuth", "XeroOAuth"}

// check refuses methods that do not exist.
func (m SignInMethods) check() error {
	for i, p := range m.Social {
		if !slices.Contains(socialProviders, p) || slices.Contains(m.Social[:i], p) {
			return apierr.New(apierr.BadRequest, "invalid_settings", "There is no provider %.40q, or it is named twice; write it as in the authorize request, like GoogleOAuth.", p)
		}
	}
	return nil
}

// signInFields writes what settings say about signing in.
func (s *Settings) signInFields() Row {
	return Row{Flag("password_off", s.SignIn.NoPassword), Flag("magic_code_off", s.SignIn.NoMagicCode), Flag("passkeys", s.SignIn.Passkeys),
		Texts("social", s.SignIn.Social), Text("mfa", s.MFA), Text("initiate_login", s.InitiateLoginURI),
		Flag("impersonation_off", s.ImpersonationOff), Flag("impersonation_notice", s.ImpersonationNotice)}
}

// readSignIn is the reverse of signInFields.
func (s *Settings) readSignIn(r Record) {
	s.SignIn = SignInMethods{NoPassword: r.Flag("password_off"), NoMagicCode: r.Flag("magic_code_off"), Passkeys: r.Flag("passkeys"), Social: r.Texts("social")}
	s.MFA, s.InitiateLoginURI = MFAPolicy(r.Text("mfa")), r.Text("initiate_login")
	s.ImpersonationOff, s.ImpersonationNotice = r.Flag("impersonation_off"), r.Flag("impersonation_notice")
}

// checkSignIn refuses what could not work.
func (s *Settings) checkSignIn(kind EnvironmentKind) error {
	if err := s.SignIn.check(); err != nil {
		return err
	}
	if err := s.MFA.check(); err != nil {
		return err
	}
	if s.InitiateLoginURI == "" {
		return nil
	}
	if err := checkHomepage(s.InitiateLoginURI); err != nil {
		return apierr.New(apierr.BadRequest, "invalid_settings", "%.200q cannot begin a sign-in; it must be absolute, like https://app.example.com/login.", s.InitiateLoginURI)
	}
	return checkRedirectURI(s.InitiateLoginURI, kind)
}
