package identity

import (
	"context"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// maxClock bounds how far an environment's clock may be ahead.
const maxClock = 10 * 365 * 24 * time.Hour

// errTestOnly is the refusal of what is for tests in an environment on which real
// users depend.
func errTestOnly(what string) *apierr.Error {
	return apierr.New(apierr.Forbidden, "test_environment_required",
		"%s is for tests; a production environment (keys that begin with sk_live_) does not have it.", what)
}

// Now is the present time in the environment, whose clock may be ahead of the
// house's.
func (e *Environment) Now() time.Time { return time.Now().Add(e.Settings.Clock) }

// clockKey is the context key of how far ahead the clock is.
type clockKey struct{}

// At is ctx with the environment's clock: transactions under it happen, and Now
// tells the time, as of then.
func At(ctx context.Context, e *Environment) context.Context {
	if e.Settings.Clock == ahead(ctx) {
		return ctx
	}
	return context.WithValue(ctx, clockKey{}, e.Settings.Clock)
}

// ahead is how far ahead ctx's clock is.
func ahead(ctx context.Context) time.Duration {
	d, _ := ctx.Value(clockKey{}).(time.Duration)
	return d
}

// Now is the present time by ctx's clock, see At.
func Now(ctx context.Context) time.Time { return time.Now().Add(ahead(ctx)) }

// follow moves the transaction to the clock of an environment that it has found,
// unless it is there already.
func (tx *Tx) follow(e *Environment) {
	tx.now = tx.now.Add(e.Settings.Clock - tx.ahead)
	tx.ahead = e.Settings.Clock
}

// Fresh reports whether a row is there and the time at which it expires is still to
// come, by the clock of the environment that the row says it is of. The transaction
// goes on at that clock: a secret that a row is found by is often the first that it
// knows of the environment.
func (tx *Tx) Fresh(f *Found) (bool, error) {
	if f == nil {
		return false, nil
	}
	if _, err := tx.Environment(EnvironmentID(f.Text("environment"))); err != nil {
		return false, err
	}
	return tx.now.Before(f.Time("expires")), nil
}

// SetClock puts an environment's clock ahead of the house's by d; 0 puts it right
// again. It never goes back, except to the house's own time: what happened would
// not have happened yet.
func (s *Service) SetClock(ctx context.Context, id EnvironmentID, d time.Duration) (*Environment, error) {
	e, err := s.Environment(ctx, id)
	switch {
	case err != nil:
		return nil, err
	case e.Kind == Production:
		return nil, errTestOnly("The clock")
	case d < 0, d > 0 && d < e.Settings.Clock:
		return nil, InvalidField("now", "in_the_past", "A clock can only be put forward; DELETE it to return to the real time.")
	case d > maxClock:
		return nil, InvalidField("now", "too_far", "A clock can be ten years ahead at most.")
	}
	return s.ChangeSettings(ctx, id, func(set *Settings) { set.Clock = d.Truncate(time.Millisecond) })
}
