package authflow

import (
	"time"

	"github.com/lentil-dev/lentil/internal/identity"
)

// AttemptID names an attempt in a page's address. It is no secret: without the
// browser's secret it opens nothing.
type AttemptID string

// Visitor is the browser that speaks, as far as it shows itself.
type Visitor struct {
	Browser string // value of the cookie BrowserCookie; empty if it sent none
	SSO     string // value of the cookie SSOCookie(client); empty if it sent none
	// Cookie, if not nil, gives the value of a cookie by its name, for answers to
	// attempts, whose client is not known before.
	Cookie    func(name string) string
	IPAddress string // without port
	UserAgent string
	Origin    string // of the pages, "https://auth.example.com"; passkeys are bound to it
}

// AuthorizeRequest is what an application asks for. State is the decoded query
// value and comes back with exactly the same bytes.
type AuthorizeRequest struct {
	ClientID            string
	RedirectURI         string
	ResponseType        string
	State               string
	HasState            bool // an empty state parameter is not an absent one
	CodeChallenge       string
	CodeChallengeMethod string
	ScreenHint          string // "sign-up", "sign-in" or empty
	LoginHint           string
	Prompt              string // "login" asks again, "none" never asks
	MaxAge              string // seconds; empty if absent
	Provider            string
	OrganizationID      string
	ConnectionID        string
	DomainHint          string
	InvitationToken     string
	PasswordResetToken  string
	ProviderScopes      []string
	ProviderParams      map[string]string // provider_query_params
	Context             string            // of an initiate-login address, given back

	// Own says that RedirectURI is a page of the house itself, which goes on from
	// there: it need not be registered. Only the house's own pages say so.
	Own bool
	// Homeward says that RedirectURI is the application's homepage, where a sign-in ends
	// that the application did not begin: no code goes there.
	Homeward bool
}

// Begun is the answer to an authorize request.
type Begun struct {
	Attempt AttemptID // empty if Step is a Done
	Step    Step
	Browser string // the value that BrowserCookie must have from now on
}

// Step is what the browser is to be shown or sent to: *Done, *Over, or the page of
// a stage, which the stage's file declares (*AskSignIn and so on).
type Step interface{ screen() *Screen }

// Screen is what all steps with a page have in common.
type Screen struct {
	Attempt     AttemptID
	Environment identity.Environment
	Brand       *identity.Branding // how the environment's pages look; nil if unknown
	Problem     *Problem           // what was wrong with the last answer; nil if nothing was
	LeadsTo     string             // the redirect URI; empty if the attempt leads to no app
	Notice      string             // something good to know ("We sent a new code."); may be empty
}

// ScreenOf is what a step's page has in common with all others; nil if it has none.
func ScreenOf(s Step) *Screen { return s.screen() }

// screen makes whatever embeds a Screen a Step.
func (s *Screen) screen() *Screen { return s }

// Problem says what was wrong with an answer, in words for the person.
type Problem struct {
	Field   Field  // the input it concerns; empty for the whole form
	Code    string // stable, for tests and style: "invalid_credentials"
	Message string
	Retry   time.Duration // for "too many attempts": when it makes sense again; else 0
}

// Field names an input of a page.
type Field string

// The inputs that problems point to.
const (
	FieldEmail    Field = "email"
	FieldPassword Field = "password"
	FieldCode     Field = "code"
	FieldName     Field = "name"
)

// Done ends an attempt: send the browser to RedirectTo. SSO, if not empty, is the
// new value of the cookie SSOCookie(Client) for SSOMaxAge.
type Done struct {
	RedirectTo string
	Client     identity.ClientID
	SSO        string
	SSOMaxAge  time.Duration
}

// screen is nothing: a redirect shows none.
func (*Done) screen() *Screen { return nil }

// OverReason says why nothing can be asked any more.
type OverReason string

// The reasons.
const (
	OverUnknown      OverReason = "unknown"       // there is no such attempt, or it was too long ago
	OverOtherBrowser OverReason = "other_browser" // the attempt began in another browser
	OverFinished     OverReason = "finished"      // it ended well, and its code was used
)

// Over is a page without a form: this attempt cannot go on. AppURL, if known, is
// where the person can begin again.
type Over struct {
	Screen
	Reason OverReason
	AppURL string
}

// Answer is what a person did on a page: GoTo, or what the stage's file declares
// (EnterPassword and so on). An answer that does not fit the present step is no
// error: the present step is asked again.
type Answer interface{ answer() }

// Place is a page that a person may go to by a link.
type Place string

// The places.
const (
	SignIn Place = "sign-in"
	SignUp Place = "sign-up"
	Forgot Place = "forgot"

	// RecoveryCode and Authenticator are the two ways to show a second factor.
	RecoveryCode  Place = "recovery-code"
	Authenticator Place = "authenticator"
)

// GoTo follows a link to another page of the same attempt.
type GoTo struct {
	Place Place
	Email string // what was typed so far, to be filled in there
}

func (GoTo) answer() {}

// Continue leaves a page that only tells something.
type Continue struct{}

func (Continue) answer() {}

// GiveUp goes back to the application without having signed in, from a page that
// leads nowhere else.
type GiveUp struct{}

func (GiveUp) answer() {}
