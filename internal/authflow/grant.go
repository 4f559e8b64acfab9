package authflow

import (
	"github.com/lentil-dev/lentil/internal/connector"
	"github.com/lentil-dev/lentil/internal/identity"
)

// GrantType is the grant_type of POST authenticate.
type GrantType string

// The grants that are known; Redeem's table lists what each asks for.
const (
	GrantAuthorizationCode     GrantType = "authorization_code"
	GrantRefreshToken          GrantType = "refresh_token"
	GrantPassword              GrantType = "password"
	GrantMagicAuth             GrantType = "urn:workos:oauth:grant-type:magic-auth:code"
	GrantEmailVerification     GrantType = "urn:workos:oauth:grant-type:email-verification:code"
	GrantMFATOTP               GrantType = "urn:workos:oauth:grant-type:mfa-totp"
	GrantOrganizationSelection GrantType = "urn:workos:oauth:grant-type:organization-selection"
	GrantRadarEmail            GrantType = "urn:workos:oauth:grant-type:radar-email-challenge:code"
	GrantRadarSMS              GrantType = "urn:workos:oauth:grant-type:radar-sms-challenge:code"
	GrantDeviceCode            GrantType = "urn:ietf:params:oauth:grant-type:device_code"
)

// GrantRequest is the body of POST authenticate. Empty means absent.
type GrantRequest struct {
	Type         GrantType
	ClientID     string
	ClientSecret string // from the body, else from the bearer header
	Code         string
	CodeVerifier string
	RefreshToken string // from the body, else from the cookie
	Organization identity.OrganizationID

	Email, Password                       string
	PendingAuthenticationToken            string
	AuthenticationChallengeID, DeviceCode string
	InvitationToken                       string
	RadarChallengeID                      string
	VerificationID, PhoneNumber           string
	IPAddress, UserAgent/* of the person, if told */ string

	// IdempotencyKey is the header of that name. Codes and refresh tokens answer a
	// repetition alike within their windows already; a general replay is kept for
	// later.
	IdempotencyKey string
}

// Grant is what an application receives.
type Grant struct {
	Environment          *identity.Environment
	User                 *identity.User
	Session              identity.SessionID
	AccessToken          string
	RefreshToken         string
	OrganizationID       identity.OrganizationID // empty if none; then the field is left out
	AuthenticationMethod identity.Method
	Impersonator         *identity.Impersonator // nil if it is the user
	// OAuth are the tokens of the provider that the user came through, nil unless its
	// connection hands them on; OAuthProvider is its type.
	OAuthProvider string
	OAuth         *connector.Tokens
}

// Refusal rides in the Details of every *apierr.Error that Redeem returns and
// says which of the endpoint's two bodies the error takes (workos-api.md §1.6):
// {error, error_description} if OAuth, else {code, message}, in both with the
// extra members that are not empty.
type Refusal struct {
	OAuth                      bool
	PendingAuthenticationToken string
	Email                      string
	EmailVerificationID        string
	AuthKitRedirectURL         string

	ConnectionIDs    []string             // of sso_required
	User             *identity.User       // of step-ups that know it
	Organizations    []OrganizationChoice // of organization_selection_required
	Factors          []identity.Factor    // of mfa_challenge
	RadarChallengeID string               // of radar_challenge
}

// OrganizationChoice is an organization that a person may choose.
type OrganizationChoice struct {
	ID   identity.OrganizationID `json:"id"`
	Name string                  `json:"name"`
}
