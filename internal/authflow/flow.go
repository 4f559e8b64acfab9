package authflow

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"

	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/mail"
)

// BrowserCookie is the cookie that ties attempts to the browser they began in:
// HttpOnly, SameSite=Lax, host-only, kept for a year.
const BrowserCookie = "lentil_browser"

// SSOCookie names the cookie of the signed-in browser, one per client id, so that
// the environments of one house do not sign each other out.
func SSOCookie(client identity.ClientID) string {
	sum := sha256.Sum256([]byte(client))
	return "lentil_session_" + hex.EncodeToString(sum[:4])
}

// Flow runs attempts and grants. The exported fields are filled by whoever
// assembles the house; call Open once, then Run beside all else: Run sends the
// mail.
type Flow struct {
	Identity *identity.Service
	Mail     mail.Sender
	Hasher   *Hasher
	Log      *slog.Logger
}

// errUnfinished marks what is declared and not yet written.
var errUnfinished = errors.New("authflow: not finished")

// Open makes the tables; it starts nothing.
func (f *Flow) Open(ctx context.Context) error { return errUnfinished }

// Run sends queued mail and sweeps old attempts until ctx ends.
func (f *Flow) Run(ctx context.Context) error { return errUnfinished }

// Begin answers an authorize request. An error with code "unknown_client" or
// "redirect_uri_not_allowed" (Details: *RefusedRedirect) is a page and never a
// redirect; whatever else is wrong with the request is told to the application by
// a Done.
func (f *Flow) Begin(ctx context.Context, v Visitor, r AuthorizeRequest) (*Begun, error) {
	return nil, errUnfinished
}

// RefusedRedirect tells the error page about an address that is not registered.
type RefusedRedirect struct {
	Environment identity.Environment
	URI         string
	Registered  []string // a few of those that are; empty in production
}

// Step says what to ask now, without answering anything: GET of an attempt's page.
func (f *Flow) Step(ctx context.Context, v Visitor, a AttemptID) (Step, error) {
	return nil, errUnfinished
}

// Submit answers the present step and says what comes next. Errors are ours
// alone, or Overloaded when the house is too busy to hash.
func (f *Flow) Submit(ctx context.Context, v Visitor, a AttemptID, ans Answer) (Step, error) {
	return nil, errUnfinished
}

// Redeem answers POST authenticate.
func (f *Flow) Redeem(ctx context.Context, r GrantRequest) (*Grant, error) {
	return nil, errUnfinished
}

// LogoutRequest is GET sessions/logout. No credentials are needed.
type LogoutRequest struct {
	SessionID string
	ReturnTo  string
}

// LoggedOut says where a sign-out leads. Client's SSOCookie and refresh cookie
// are to be cleared; it is empty if the session was not known. RedirectTo is
// empty if no address is allowed and there is no homepage: show a page then.
type LoggedOut struct {
	RedirectTo string
	Client     identity.ClientID
}

// Logout ends a session and its browser's sign-in. It is tolerant: an unknown or
// ended session still leads somewhere; BadRequest "invalid_session_id" only for
// an id that cannot be one.
func (f *Flow) Logout(ctx context.Context, r LogoutRequest) (*LoggedOut, error) {
	return nil, errUnfinished
}

// Hasher hashes passwords in a bounded pool.
type Hasher struct {
	Workers int // at once; 0 means half the processors
	Queue   int // waiting; 0 means 64; more are refused as Overloaded
}
