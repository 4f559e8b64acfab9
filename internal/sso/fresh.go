package sso

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/connector"
)

// clockSkew is how far a provider's clock may differ from ours.
const clockSkew = time.Minute

// fresh wraps the question to a provider: where the application asked for a recent
// sign-in, by max_age or prompt=login, the answer must say that there was one
// (OpenID Connect Core §3.1.3.7, 13). away is how long the browser was gone.
//
// Providers of an organisation have to say when it was if max_age is asked for. The
// social ones do not all know max_age and are held to what they say, if anything.
func (d *Departure) fresh(c *Connection, away time.Duration, ask func(context.Context) (*connector.Person, error)) func(context.Context) (*connector.Person, error) {
	oldest := time.Duration(-1)
	if n, err := strconv.ParseUint(d.MaxAge, 10, 31); err == nil {
		oldest = time.Duration(n) * time.Second
	}
	if slices.Contains(strings.Fields(d.Prompt), "login") {
		oldest = 0
	}
	if oldest < 0 {
		return ask
	}
	return func(ctx context.Context) (*connector.Person, error) {
		p, err := ask(ctx)
		if err != nil {
			return p, err
		}
		unsaid := p.Authenticated.IsZero()
		if unsaid && (d.MaxAge == "" || c.Social()) {
			return p, nil
		}
		if unsaid || time.Since(p.Authenticated) > oldest+max(away, 0)+clockSkew {
			return nil, apierr.New(apierr.BadRequest, "login_required", "%s did not ask you to sign in again, as the application wants. Sign out there, then try again.", c.Name)
		}
		return p, nil
	}
}
