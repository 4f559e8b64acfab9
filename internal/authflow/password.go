package authflow

import (
	"context"
	"time"

	"github.com/lentil-dev/lentil/internal/identity"
)

// checkPassword finds the user whom address and password belong to; nil if they
// match nobody. It counts failures, and takes the same time for accounts that do
// not exist. retry is positive if a limit forbids to look at all.
//
// Failures count per account, so that many addresses together guess no faster than
// one. That would let anybody lock an owner out; so browsers that the owner signed
// in with before are counted by themselves
// (https://owasp.org/www-community/Slow_Down_Online_Guessing_Attacks_with_Device_Cookies).
func (f *Flow) checkPassword(ctx context.Context, e *identity.Environment, v Visitor, email, password string) (user *identity.User, retry time.Duration, err error) {
	email, k, _ := identity.ParseEmail(email)
	var hash string
	known := false
	err = f.Identity.View(ctx, func(tx *identity.Tx) error {
		if user, err = tx.UserByEmail(e.ID, email); err != nil || user == nil {
			return err
		}
		if known, err = knownBrowser(tx, user.ID, v.Browser); err != nil {
			return err
		}
		hash, err = tx.Password(user.ID)
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	now := time.Now()
	account := accountKey("password", string(e.ID), k)
	if known {
		account = accountKey("password from a known browser", string(e.ID), k+"\x00"+v.Browser)
	}
	address, hasAddress := addressKey("password", string(e.ID), v.IPAddress)
	if hasAddress {
		if retry = f.limits.take(address, limitAddress, now); retry > 0 {
			return nil, retry, nil
		}
	}
	if retry = f.limits.take(account, limitAccount, now); retry > 0 {
		if hasAddress {
			f.limits.giveBack(address)
		}
		return nil, retry, nil
	}
	giveBack := func() {
		f.limits.giveBack(account)
		if hasAddress {
			f.limits.giveBack(address)
		}
	}
	if len(password) > 4*maxPassword {
		password, hash = "", "" // no password is so long; not worth hashing
	}
	ok, stale, err := f.Hasher.Verify(ctx, hash, password)
	if err != nil {
		giveBack()
		return nil, 0, err
	}
	if !ok {
		return nil, 0, f.recordFailure(ctx, e, user, v, email)
	}
	giveBack()
	f.limits.clear(account)
	if stale {
		f.rehash(ctx, user.ID, password)
	}
	return user, 0, nil
}

// CheckPassword is checkPassword for the pages of an account: nil if it is not theirs.
func (f *Flow) CheckPassword(ctx context.Context, e *identity.Environment, v Visitor, email, password string) (*identity.User, *Problem, error) {
	u, retry, err := f.checkPassword(ctx, e, v, email, password)
	if retry > 0 {
		return nil, tooMuch(FieldPassword, retry), nil
	}
	return u, nil, err
}

// MailHeld counts a mail to an address towards the limits on mail; the problem says
// that there were too many.
func (f *Flow) MailHeld(e *identity.Environment, v Visitor, email string) *Problem {
	a := &attempt{Email: email}
	if retry := f.mailHeldBack(e, v, a); retry > 0 {
		return tooMuch(FieldEmail, retry)
	}
	f.countMail(e, v, a.emailKey())
	return nil
}

// keepKnown is how long a browser stays known after a sign-in.
const keepKnown = 180 * 24 * time.Hour

// knownBrowser reports whether the user signed in with this browser before.
func knownBrowser(tx *identity.Tx, user identity.UserID, browser string) (bool, error) {
	if !secretLooksRight(browser) {
		return false, nil
	}
	row, err := tx.First(tableKnown, "on_browser", secretHash("known browser", string(user)+"\x00"+browser))
	return row != nil && tx.Now().Before(row.Time("expires")), err
}

// knowBrowser notes that the user signed in with this browser.
func knowBrowser(tx *identity.Tx, env identity.EnvironmentID, user identity.UserID, browser string) error {
	if !secretLooksRight(browser) {
		return nil
	}
	hash := secretHash("known browser", string(user)+"\x00"+browser)
	row, err := tx.First(tableKnown, "on_browser", hash)
	if err != nil {
		return err
	}
	expires := identity.Time("expires", tx.Now().Add(keepKnown))
	if row != nil {
		return tx.Patch(row, identity.Row{expires})
	}
	return tx.Add(tableKnown, identity.Row{identity.Text("environment", env), identity.Text("browser", hash), expires})
}

// recordFailure writes authentication.password_failed, for accounts that exist and
// for others alike.
func (f *Flow) recordFailure(ctx context.Context, e *identity.Environment, user *identity.User, v Visitor, email string) error {
	return f.Identity.Update(ctx, func(tx *identity.Tx) error {
		ev := authentication("password", "failed", user, v.IPAddress, v.UserAgent, email)
		ev.Error = &identity.EventErr{Code: "invalid_credentials", Message: "Invalid credentials."}
		return tx.RecordAuthentication(e.ID, ev)
	})
}

// authentication fills in the data of an authentication event.
func authentication(kind, status string, user *identity.User, ip, agent, email string) identity.Authentication {
	ev := identity.Authentication{Type: kind, Status: status, Email: email}
	if ip != "" {
		ev.IPAddress = &ip
	}
	if agent != "" {
		ev.UserAgent = &agent
	}
	if user != nil {
		ev.UserID = &user.ID
	}
	return ev
}

// rehash stores a password's hash at the present cost. It is a courtesy: failing
// is no reason to refuse a right password.
func (f *Flow) rehash(ctx context.Context, user identity.UserID, password string) {
	hash, err := f.Hasher.Hash(ctx, password)
	if err == nil {
		err = f.Identity.Update(ctx, func(tx *identity.Tx) error { return tx.Rehash(user, hash) })
	}
	if err != nil {
		f.Log.Warn("password not rehashed", "user", user, "err", err)
	}
}
