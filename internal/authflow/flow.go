package authflow

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/mail"
	"github.com/lentil-dev/lentil/internal/passkey"
	"github.com/lentil-dev/lentil/internal/sso"
)

// attemptPrefix begins attempt ids.
const attemptPrefix = "attempt_"

// BrowserCookie is the cookie that ties attempts to the browser they began in:
// HttpOnly, SameSite=Lax, host-only, kept for a year.
const BrowserCookie = "lentil_browser"

// HostCookie is the name under which a cookie of the sign-in pages is set and read.
// Where browsers come over https its prefix keeps other hosts of the same domain
// from planting one, and with it a sign-in of theirs (RFC 6265bis §4.1.3.2).
func HostCookie(name string, secure bool) string {
	if secure {
		return "__Host-" + name
	}
	return name
}

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
	// Refreshed is told what became of an attempt to renew a session: renewed or
	// refused; nil for nobody.
	Refreshed func(outcome string)
	Hasher    *Hasher // nil means one with its defaults
	Log       *slog.Logger
	Policy    Policy           // of new passwords
	Flags     FlagSource       // nil means that there are none
	Rules     EntryRules       // nil means that there are none
	Actions   Actions          // nil means that there are none
	SSO       *sso.Service     // nil means that nobody signs in through others
	Passkeys  *passkey.Service // nil means that there are none

	templates templateCache
	seldom    seldom

	limits  throttle
	sent    gauge // mail, by environment
	once    sync.Once
	letters chan *letter
}

// Open makes the tables; it starts nothing.
func (f *Flow) Open(ctx context.Context) error {
	if f.Identity == nil || f.Mail == nil {
		return errors.New("authflow: Identity and Mail must be set")
	}
	if f.Hasher == nil {
		f.Hasher = &Hasher{}
	}
	if f.Log == nil {
		f.Log = slog.New(slog.DiscardHandler)
	}
	f.queue()
	return f.Identity.DB.EnsureTables(ctx, tableDefs)
}

// sweepEvery is how often Run deletes old rows.
const sweepEvery = time.Minute

// Run sends queued mail and sweeps old attempts until ctx ends. Mail that waits
// when ctx ends is given a moment to leave.
func (f *Flow) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	for range postmen {
		wg.Go(func() { f.deliver(ctx) })
	}
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			if err := f.sweep(ctx); err != nil && ctx.Err() == nil {
				f.Log.Warn("sweep of attempts failed", "err", err)
			}
		}
	}
}

// newSecret makes a secret for a cookie: 260 bits as text.
func newSecret() string { return rand.Text() + rand.Text() }

// secretLooksRight reports whether s could be of newSecret. A cookie of any other
// form was not set by this house.
func secretLooksRight(s string) bool {
	if len(s) != 52 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'A' || c > 'Z') && (c < '2' || c > '7') {
			return false
		}
	}
	return true
}

// BrowserSecret is the value that BrowserCookie is to have in a browser that sent
// cookie: the same, or a new one if that is none of ours.
func BrowserSecret(cookie string) string {
	if secretLooksRight(cookie) {
		return cookie
	}
	return newSecret()
}
