package identity

import (
	"time"

	"github.com/lentil-dev/lentil/internal/outbound"
)

// TimeFormat is how every timestamp of the identity service is written on the
// wire: UTC with milliseconds.
const TimeFormat = "2006-01-02T15:04:05.000Z"

// FormatTime writes t in TimeFormat.
func FormatTime(t time.Time) string { return t.UTC().Format(TimeFormat) }

// EnvironmentKind says whether real users depend on an environment. It decides
// the API keys' prefix and whether loopback addresses are trusted.
type EnvironmentKind string

// The kinds of environment.
const (
	Development EnvironmentKind = "development"
	Staging     EnvironmentKind = "staging"
	Production  EnvironmentKind = "production"
)

// Outbound is whom an environment of this kind may call: nobody's real users depend
// on one in which people develop, and there the servers are on this machine.
func (k EnvironmentKind) Outbound() outbound.Policy {
	return outbound.Policy{Loopback: k != Production}
}

// Environment is one isolated world of users with its own client id, keys and
// settings.
type Environment struct {
	ID       EnvironmentID
	ClientID ClientID
	Name     string
	Kind     EnvironmentKind
	Settings Settings
	Created  time.Time
	Updated  time.Time

	sealed string // the environment's own secret, under the house's master key
}

// Settings are an environment's adjustable facts. The zero value of a field means
// its default, see Settings.Defaulted.
type Settings struct {
	// IssuerTemplate is the iss claim; "<clientId>" in it stands for the client
	// id. Default https://api.workos.com/user_management/<clientId>.
	IssuerTemplate string
	// Audience says whether tokens carry aud=<client id>.
	Audience AudienceSetting
	// HomepageURL is where a sign-out without a usable return_to leads.
	HomepageURL string
	// AccessTokenLifetime is exp−iat of access tokens; default 300 s.
	AccessTokenLifetime time.Duration
	// EndWithToken ends the identity of a live connection with its token, also while
	// the session goes on.
	EndWithToken bool
	// RefreshReuseWindow is how long an exchanged refresh token still answers
	// with its successor; default 30 s.
	RefreshReuseWindow time.Duration
	// SessionLifetime ends a session however busy it is; default 30 days.
	SessionLifetime time.Duration
	// InactivityTimeout ends a session that was not refreshed for so long;
	// default 14 days.
	InactivityTimeout time.Duration
	// SignUpDisabled closes the sign-up page.
	SignUpDisabled bool
	// SignIn says by which methods people may sign in, MFA when a second factor is
	// asked for.
	SignIn SignInMethods
	MFA    MFAPolicy
	// InitiateLoginURI is the application's address at which sign-ins begin that it
	// did not begin itself: by an invitation's link, or by an identity provider.
	InitiateLoginURI string
	// ImpersonationOff forbids operators to act as users; ImpersonationNotice tells the
	// user by mail when one does.
	ImpersonationOff    bool
	ImpersonationNotice bool
	// LogoutRedirects are further addresses that a sign-out may return to.
	LogoutRedirects []string
	// DefaultRole is the slug of the environment's role that members without
	// another have; default "member".
	DefaultRole string
	// SingleRole allows members one role each.
	SingleRole bool
	// AMR adds the claim amr to tokens: how the user proved who they are (RFC 8176).
	AMR bool
	// KeyRotation is the age at which a signing key is replaced; 0 means never by
	// itself.
	KeyRotation time.Duration
	// Domain is the environment's own authentication domain ("auth.example.com", with
	// a port if it has one): there its pages and API answer, its cookies live, and
	// its tokens are issued unless IssuerTemplate says otherwise.
	Domain string
	// JWTTemplate makes further claims; see token.Template.
	JWTTemplate JWTTemplate
	// Configured is what the house's configuration said last; see Settings.Configure.
	Configured ConfiguredSettings
	// EmulatorPayloads adds to events what the official emulator shows in them: codes
	// and tokens. In test environments only.
	EmulatorPayloads bool
	// FixedCode is what every one-time code is, in test environments only; "" makes
	// each code anew.
	FixedCode string
	// Clock is how far the environment's time is ahead of the house's, in test
	// environments only.
	Clock time.Duration
}

// JWTTemplate is an environment's template of claims; Content is empty if there is
// none.
type JWTTemplate struct {
	Content string
	Created time.Time
	Updated time.Time
}

// AudienceSetting says when access tokens carry an aud claim.
type AudienceSetting string

// The audience settings. AudienceAuto is the default: aud is present exactly if
// the issuer is the short form, https://api.workos.com/, because the providers
// that trust that form check applicationID (workos-api.md §2.1).
const (
	AudienceAuto   AudienceSetting = ""
	AudienceAlways AudienceSetting = "always"
	AudienceNever  AudienceSetting = "never"
)

// NewEnvironment is what a caller says of an environment to be made. Empty ids
// are chosen; given ones must be well formed and free.
type NewEnvironment struct {
	ID       EnvironmentID
	ClientID ClientID
	Name     string
	Kind     EnvironmentKind
	Settings Settings
}

// APIKey describes a key without its text, of which only a hash is kept.
type APIKey struct {
	ID         APIKeyID
	Name       string
	Obfuscated string // "sk_...wxyz"
	Created    time.Time
	LastUsed   time.Time // zero if never; kept to the minute
}

// RedirectURI is a registered address that authorization codes may go to.
type RedirectURI struct {
	ID      RedirectURIID
	URI     string
	Default bool
	Created time.Time
	Updated time.Time
}

// CORSOrigin is a registered web origin that may call the browser endpoints.
type CORSOrigin struct {
	ID      CORSOriginID
	Origin  string
	Created time.Time
	Updated time.Time
}

// User is one person in one environment. Empty strings and zero times are null
// on the wire.
type User struct {
	ID                UserID
	Environment       EnvironmentID
	Email             string // as first written, trimmed
	EmailVerified     bool
	FirstName         string
	LastName          string
	ProfilePictureURL string
	ExternalID        string
	Locale            string
	Metadata          map[string]string
	LastSignIn        time.Time
	Created           time.Time
	Updated           time.Time
}

// NewUser is what a caller says of a user to be made.
type NewUser struct {
	ID                UserID // chosen if empty
	Email             string
	EmailVerified     bool
	FirstName         string
	LastName          string
	ProfilePictureURL string
	ExternalID        string
	Locale            string
	Metadata          map[string]string
	// PasswordHash is a hash in PHC text form, as authflow.Hasher makes it; empty
	// for a user without a password.
	PasswordHash string
}

// UserChange names the fields of a user to change; nil ones stay.
type UserChange struct {
	Email             *string
	EmailVerified     *bool
	FirstName         *string
	LastName          *string
	ProfilePictureURL *string
	ExternalID        *string
	Locale            *string
	Metadata          map[string]string // merged; an empty value removes the key; nil leaves all
	ClearMetadata     bool              // before Metadata is merged
	PasswordHash      *string
	KeepSessions      bool // although the password changes: the user does it and says so
}

// SessionStatus is what has become of a session.
type SessionStatus string

// The states of a session.
const (
	SessionActive  SessionStatus = "active"
	SessionExpired SessionStatus = "expired"
	SessionRevoked SessionStatus = "revoked"
)

// Session is one signed-in application of one user.
type Session struct {
	ID            SessionID
	Environment   EnvironmentID
	User          UserID
	Organization  OrganizationID
	Method        Method
	Second        string        // the second factor that was shown, as amr spells it ("otp"); "" if none
	Impersonator  *Impersonator // who acts as the user; nil if it is the user
	IPAddress     string
	UserAgent     string
	Authenticated time.Time // when the user last proved who they are (auth_time)
	Created       time.Time
	Updated       time.Time
	Expires       time.Time // the earlier of lifetime and inactivity
	Ended         time.Time // zero while active
}

// Impersonator is a person of the operator's who uses a session as if they were the
// user.
type Impersonator struct {
	Email  string
	Reason string // "" if none was given
}

// Status tells a session's state at the given time.
func (s *Session) Status(now time.Time) SessionStatus {
	switch {
	case !s.Ended.IsZero():
		return SessionRevoked
	case !now.Before(s.Expires):
		return SessionExpired
	}
	return SessionActive
}

// Event is one line of an environment's history.
type Event struct {
	ID           EventID
	Name         string // "user.created"
	Organization string // "" if it is about none
	Data         []byte // JSON
	Context      []byte // JSON, and empty for none
	Created      time.Time

	sealed string // see recordSecret
}

// EventQuery says which events of an environment are wanted. They come oldest
// first, whatever the query.
type EventQuery struct {
	Names        []string  // none means all
	Organization string    // "" means of any and of none
	Start, End   time.Time // both inclusive; zero means open
	After        EventID   // strictly newer
	Before       EventID   // strictly older: the page next to it
	Limit        int       // 1–100; 0 means 10
	latest       bool      // the newest that are within the bounds, rather than the oldest
}

// Actor is who caused what an event tells.
type Actor struct {
	ID     string  `json:"id"`
	Source string  `json:"source"` // "api", "dashboard", "admin_portal" or "system"
	Name   *string `json:"name"`
}

// Order is the direction of a list by age.
type Order string

// The orders; OldestFirst is "asc", NewestFirst "desc" and the default.
const (
	NewestFirst Order = "desc"
	OldestFirst Order = "asc"
)

// Page says which part of a list is wanted. Before and After are ids of the
// list's objects; at most one may be given.
type Page struct {
	Limit  int // 1–100; 0 means 10
	Order  Order
	Before string
	After  string
}

// List is one page and the cursors of its neighbours, empty where none is.
type List[T any] struct {
	Data   []T
	Before string
	After  string
}
