package authflow

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// randomBytes fills b.
func randomBytes(b []byte) { rand.Read(b) }

// world is what the machine may know of an environment.
func (f *Flow) world(e *identity.Environment, now time.Time, code string) world {
	return world{Now: now, Code: code, SignUpAllowed: !e.Settings.SignUpDisabled}
}

// dress adds the environment to a page.
func dress(s Step, e *identity.Environment) Step {
	switch s := s.(type) {
	case *AskSignIn:
		s.Environment = *e
	case *AskSignUp:
		s.Environment = *e
	case *AskCode:
		s.Environment = *e
	case *AskForgot:
		s.Environment = *e
	case *AskNewPassword:
		s.Environment = *e
	case *Over:
		s.Environment = *e
	case *Done:
		s.Client = e.ClientID
	}
	return s
}

// open finds an attempt for a visitor. over is the page to show if it cannot go
// on for them.
func (f *Flow) open(tx *identity.Tx, v Visitor, id AttemptID) (row *identity.Found, a attempt, e *identity.Environment, over *Over, err error) {
	row, err = findAttempt(tx, id)
	if err != nil {
		return nil, a, nil, nil, err
	}
	if row == nil {
		return nil, a, nil, &Over{Screen: Screen{Attempt: id}, Reason: OverUnknown}, nil
	}
	a = readAttempt(row.Record)
	if e, err = tx.Environment(a.Environment); err != nil {
		return nil, a, nil, nil, err
	}
	if subtle.ConstantTimeCompare([]byte(a.Browser), []byte(secretHash("browser", v.Browser))) != 1 {
		home, err := tx.Homepage(e)
		return nil, a, e, &Over{Screen: Screen{Attempt: id, Environment: *e}, Reason: OverOtherBrowser, AppURL: home}, err
	}
	return row, a, e, nil, nil
}

// present is the step of an attempt as it is stored. An attempt that is done leads
// to the same redirect as long as its code was not redeemed: whoever sends a form
// twice sees only the second answer.
func (f *Flow) present(tx *identity.Tx, e *identity.Environment, a attempt) (Step, error) {
	if a.Stage != atDone {
		return dress(ask(a, f.world(e, tx.Now(), ""), nil), e), nil
	}
	code, err := attemptCode(tx, e, a.ID)
	if err != nil {
		return nil, err
	}
	row, err := findCode(tx, code)
	if err != nil {
		return nil, err
	}
	if row != nil {
		if c := readCodeRow(row.Record); c.Redeemed.IsZero() && tx.Now().Before(c.Expires) {
			return &Done{RedirectTo: grantedTo(a.RedirectURI, code, string(a.State), a.HasState), Client: e.ClientID}, nil
		}
	}
	home, err := tx.Homepage(e)
	return &Over{Screen: Screen{Attempt: a.ID, Environment: *e}, Reason: OverFinished, AppURL: home}, err
}

// attemptCode is the authorization code of an attempt: derived, so that the same
// answer can be given again, and known to nobody who lacks the sealed secret.
func attemptCode(tx *identity.Tx, e *identity.Environment, id AttemptID) (string, error) {
	b, err := tx.Derive(e, "authorization code", string(id))
	if err != nil {
		return "", err
	}
	return ulid.ULID(b[:16]).String(), nil
}

// Step says what to ask now, without answering anything: GET of an attempt's page.
func (f *Flow) Step(ctx context.Context, v Visitor, id AttemptID) (s Step, err error) {
	err = f.Identity.View(ctx, func(tx *identity.Tx) error {
		_, a, e, over, err := f.open(tx, v, id)
		if err != nil {
			return err
		}
		if over != nil {
			s = over
			return nil
		}
		s, err = f.present(tx, e, a)
		return err
	})
	return s, err
}

// maxRounds bounds how often the machine may ask within one answer; it asks once
// at most for now.
const maxRounds = 4

// Submit answers the present step and says what comes next. Errors are ours
// alone, or Overloaded when the house is too busy to hash or to send.
func (f *Flow) Submit(ctx context.Context, v Visitor, id AttemptID, ans Answer) (Step, error) {
	var old attempt
	var e *identity.Environment
	var already Step
	err := f.Identity.View(ctx, func(tx *identity.Tx) error {
		_, a, env, over, err := f.open(tx, v, id)
		old, e, already = a, env, nil
		if err != nil || over == nil && a.Stage != atDone {
			return err
		}
		if over != nil {
			already = over
			return nil
		}
		already, err = f.present(tx, env, a)
		return err
	})
	if err != nil || already != nil {
		return already, err
	}
	code, err := newCode()
	if err != nil {
		return nil, err
	}
	w := f.world(e, time.Now().UTC(), code)
	a, in := old, input(ans)
	if retry := f.heldBack(e, &a, ans); retry > 0 {
		in = guessedTooMuch{Retry: retry}
	}
	for range maxRounds {
		moved, step, effects := next(a, in, w)
		if len(effects) == 1 {
			outcome, err := f.ask(ctx, v, e, &moved, effects[0])
			if err != nil {
				return nil, err
			}
			if outcome != nil {
				a, in = moved, outcome
				continue
			}
		}
		return f.commit(ctx, v, e, &old, &moved, step, effects)
	}
	return nil, fmt.Errorf("authflow: attempt %s asks without end", id)
}

// emailKey is the attempt's address in comparable form.
func (a *attempt) emailKey() string {
	_, k, _ := identity.ParseEmail(a.Email)
	return k
}

// heldBack tells how long a limit keeps the visitor from giving this answer.
func (f *Flow) heldBack(e *identity.Environment, a *attempt, ans Answer) time.Duration {
	now := time.Now()
	switch ans.(type) {
	case EnterCode:
		return f.limits.locked(accountKey("code", string(e.ID), a.emailKey()), now)
	case SendAgain:
		return f.limits.locked(accountKey("send", string(e.ID), a.emailKey()), now)
	}
	return 0
}

// ask carries out an asking effect; the outcome is nil for any other.
func (f *Flow) ask(ctx context.Context, v Visitor, e *identity.Environment, a *attempt, fx effect) (input, error) {
	switch fx := fx.(type) {
	case checkCredentials:
		user, retry, err := f.checkPassword(ctx, e, v.IPAddress, v.UserAgent, fx.Email, fx.Password)
		if err != nil {
			return nil, err
		}
		if retry > 0 {
			return guessedTooMuch{Retry: retry}, nil
		}
		if user == nil {
			return passwordChecked{}, nil
		}
		return passwordChecked{User: user.ID, Verified: user.EmailVerified}, nil
	case hashPassword:
		if a.Stage == atSignUp {
			if retry := f.limits.locked(accountKey("send", string(e.ID), a.emailKey()), time.Now()); retry > 0 {
				return guessedTooMuch{Retry: retry}, nil
			}
		}
		hash, err := f.Hasher.Hash(ctx, fx.Password)
		return passwordHashed{Hash: hash}, err
	case lookAccount:
		if retry := f.limits.locked(accountKey("send", string(e.ID), a.emailKey()), time.Now()); retry > 0 {
			return guessedTooMuch{Retry: retry}, nil
		}
		var out accountLooked
		err := f.Identity.View(ctx, func(tx *identity.Tx) error {
			u, err := tx.UserByEmail(e.ID, fx.Email)
			if u != nil {
				out.User = u.ID
			}
			return err
		})
		return out, err
	}
	return nil, nil
}

// checkPassword finds the user whom address and password belong to; nil if they
// match nobody. It counts failures, and takes the same time for accounts that do
// not exist. retry is positive if a limit forbids to look at all.
func (f *Flow) checkPassword(ctx context.Context, e *identity.Environment, ip, agent, email, password string) (user *identity.User, retry time.Duration, err error) {
	email, k, _ := identity.ParseEmail(email)
	now := time.Now()
	account := accountKey("password", string(e.ID), k)
	address, hasAddress := addressKey(string(e.ID), ip)
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
	var hash string
	err = f.Identity.View(ctx, func(tx *identity.Tx) error {
		if user, err = tx.UserByEmail(e.ID, email); err != nil || user == nil {
			return err
		}
		hash, err = tx.Password(user.ID)
		return err
	})
	if err != nil {
		giveBack()
		return nil, 0, err
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
		return nil, 0, f.recordFailure(ctx, e, user, ip, agent, email)
	}
	giveBack()
	f.limits.clear(account)
	if stale {
		f.rehash(ctx, user.ID, password)
	}
	return user, 0, nil
}

// recordFailure writes authentication.password_failed, for accounts that exist and
// for others alike.
func (f *Flow) recordFailure(ctx context.Context, e *identity.Environment, user *identity.User, ip, agent, email string) error {
	return f.Identity.Update(ctx, func(tx *identity.Tx) error {
		ev := authentication("password", "failed", user, ip, agent, email)
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

// commit stores a moved attempt with what it brings about, then sends mail.
func (f *Flow) commit(ctx context.Context, v Visitor, e *identity.Environment, old, moved *attempt, step Step, effects []effect) (Step, error) {
	letters := f.lettersOf(e, moved, effects)
	if len(letters) > 0 && f.mailBusy() {
		return nil, errMailBusy
	}
	if len(effects) > 0 || moved.moved(old) {
		var overtaken, after Step
		err := f.Identity.Update(ctx, func(tx *identity.Tx) error {
			overtaken = nil
			row, stored, env, over, err := f.open(tx, v, old.ID)
			if err != nil {
				return err
			}
			if over != nil {
				overtaken = over
				return nil
			}
			if stored.Revision != old.Revision {
				overtaken, err = f.present(tx, env, stored)
				return err
			}
			a := *moved
			if after, err = f.apply(tx, v, env, &a, step, effects); err != nil {
				return err
			}
			a.Revision++
			a.Expires = tx.Now().Add(attemptLifetime)
			return tx.Put(row.Doc, attemptRow(&a))
		})
		if err != nil || overtaken != nil {
			return overtaken, err
		}
		step = after
	}
	for _, fx := range effects {
		k := moved.emailKey()
		switch fx.(type) {
		case codeFailed:
			f.limits.take(accountKey("code", string(e.ID), k), limitCode, time.Now())
		case codeRight:
			f.limits.clear(accountKey("code", string(e.ID), k))
			f.limits.clear(accountKey("send", string(e.ID), k))
		case changePassword:
			f.limits.clear(accountKey("password", string(e.ID), k))
		case mailCode:
			f.limits.take(accountKey("send", string(e.ID), k), limitSend, time.Now())
		}
	}
	f.post(letters)
	return dress(step, e), nil
}

// apply carries out the doing effects in the transaction that stores the attempt.
func (f *Flow) apply(tx *identity.Tx, v Visitor, e *identity.Environment, a *attempt, step Step, effects []effect) (Step, error) {
	yes := true
	verified, method := false, identity.MethodPassword
	for _, fx := range effects {
		switch fx := fx.(type) {
		case mailCode:
			name, prefix := "email_verification.created", "email_verification_"
			if fx.For == CodeForReset {
				name, prefix = "password_reset.created", "password_reset_"
			}
			if fx.Code == "" {
				continue // nobody to tell of
			}
			made := identity.CodeMade{Object: name[:len(name)-len(".created")], ID: identity.NewID(prefix), Email: a.Email,
				ExpiresAt: identity.FormatTime(a.Mailed.Expires), CreatedAt: identity.FormatTime(tx.Now())}
			if a.User != "" {
				made.UserID = &a.User
			}
			if err := tx.RecordCode(e.ID, name, made); err != nil {
				return nil, err
			}
		case proveAddress:
			verified = true
			if _, err := tx.UpdateUser(e.ID, fx.User, identity.UserChange{EmailVerified: &yes}); err != nil {
				return f.gone(a, err)
			}
		case register:
			verified = true
			m, err := f.registerUser(tx, e, a)
			if err != nil {
				return nil, err
			}
			method = m
		case changePassword:
			u, err := tx.UpdateUser(e.ID, fx.User, identity.UserChange{PasswordHash: &fx.Hash, EmailVerified: &yes})
			if err != nil {
				return f.gone(a, err)
			}
			a.User = u.ID
			if err := tx.RecordCode(e.ID, "password_reset.succeeded", identity.CodeMade{Object: "password_reset", ID: identity.NewID("password_reset_"),
				UserID: &u.ID, Email: u.Email, CreatedAt: identity.FormatTime(tx.Now()), ExpiresAt: identity.FormatTime(tx.Now())}); err != nil {
				return nil, err
			}
		case finish:
			return f.finish(tx, v, e, a, method, verified)
		}
	}
	return step, nil
}

// gone ends an attempt whose user was deleted meanwhile.
func (f *Flow) gone(a *attempt, err error) (Step, error) {
	if apierr.KindOf(err) != apierr.NotFound {
		return nil, err
	}
	a.Stage = atDone
	return &Over{Screen: Screen{Attempt: a.ID}, Reason: OverUnknown}, nil
}

// registerUser makes the user of a sign-up whose address is proven now. If the
// address has a user already, the person who reads its mail is signed in as that
// one: with the password left alone if the address had been proven before, and
// with the new one if not, since nobody who could read the mail chose the old one.
func (f *Flow) registerUser(tx *identity.Tx, e *identity.Environment, a *attempt) (identity.Method, error) {
	have, err := tx.UserByEmail(e.ID, a.Email)
	if err != nil {
		return "", err
	}
	hash := a.Pending.PasswordHash
	defer func() { a.Pending = registration{} }()
	if have == nil {
		u, err := tx.CreateUser(e.ID, identity.NewUser{Email: a.Email, EmailVerified: true, FirstName: a.Pending.FirstName, LastName: a.Pending.LastName, PasswordHash: hash})
		if err != nil {
			return "", err
		}
		a.User = u.ID
		return identity.MethodPassword, nil
	}
	a.User = have.ID
	if have.EmailVerified {
		return identity.MethodMagicAuth, nil
	}
	yes := true
	_, err = tx.UpdateUser(e.ID, have.ID, identity.UserChange{EmailVerified: &yes, PasswordHash: &hash})
	return identity.MethodPassword, err
}

// finish signs the browser in and issues the authorization code.
func (f *Flow) finish(tx *identity.Tx, v Visitor, e *identity.Environment, a *attempt, m identity.Method, verified bool) (Step, error) {
	u, err := tx.User(e.ID, a.User)
	if err != nil {
		return f.gone(a, err)
	}
	if v.SSO != "" { // one browser, one sign-in: the one before ends
		if err := tx.EndBrowser(e, v.SSO); err != nil {
			return nil, err
		}
	}
	b, secret, err := tx.StartBrowser(e, u.ID, m)
	if err != nil {
		return nil, err
	}
	kinds := []string{"password"}
	if m == identity.MethodMagicAuth {
		kinds[0] = "magic_auth"
	}
	if verified && m == identity.MethodPassword {
		kinds = append(kinds, "email_verification")
	}
	for _, kind := range kinds {
		if err := tx.RecordAuthentication(e.ID, authentication(kind, "succeeded", u, v.IPAddress, v.UserAgent, u.Email)); err != nil {
			return nil, err
		}
	}
	code, err := attemptCode(tx, e, a.ID)
	if err != nil {
		return nil, err
	}
	a.Pending = registration{}
	err = tx.Add(tableCodes, codeRow(code, &grantCode{Environment: e.ID, User: u.ID, Browser: b.ID, Method: m, Authenticated: b.Authenticated, Challenge: a.Challenge,
		RedirectURI: a.RedirectURI, IPAddress: v.IPAddress, UserAgent: v.UserAgent, Expires: tx.Now().Add(grantLifetime)}))
	return &Done{RedirectTo: grantedTo(a.RedirectURI, code, string(a.State), a.HasState), Client: e.ClientID, SSO: secret, SSOMaxAge: e.Settings.Defaulted().SessionLifetime}, err
}
