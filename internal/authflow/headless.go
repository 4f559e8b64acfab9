package authflow

import (
	"context"
	"crypto/subtle"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// pendingLifetime is how long a step-up may take (workos-api.md §2.3).
const pendingLifetime = 10 * time.Minute

// redeemPassword is the password grant: for servers that show pages of their own.
func (f *Flow) redeemPassword(ctx context.Context, g *grantCall) error {
	if err := f.Identity.View(ctx, g.enter); err != nil {
		return err
	}
	email, _, ok := identity.ParseEmail(g.Email)
	if !ok || g.Password == "" {
		return plain("invalid_credentials", "Invalid credentials.")
	}
	user, retry, err := f.checkPassword(ctx, g.environment, Visitor{IPAddress: g.IPAddress, UserAgent: g.UserAgent}, email, g.Password)
	switch {
	case err != nil:
		return err
	case retry > 0:
		return apierr.New(apierr.RateLimited, "too_many_requests", "%s", tooMuch("", retry).Message).With(&Refusal{OAuth: true})
	case user == nil:
		return plain("invalid_credentials", "Invalid credentials.")
	case !user.EmailVerified:
		return f.stepUpVerification(ctx, g, user)
	}
	return f.Identity.Update(ctx, func(tx *identity.Tx) error {
		if err := g.enter(tx); err != nil {
			return err
		}
		if err := tx.RecordAuthentication(g.environment.ID, authentication("password", "succeeded", user, g.IPAddress, g.UserAgent, user.Email)); err != nil {
			return err
		}
		return f.start(tx, g, identity.NewSession{User: user.ID, Method: identity.MethodPassword, Authenticated: tx.Now()})
	})
}

// stepUpVerification mails a code and answers 403 email_verification_required.
func (f *Flow) stepUpVerification(ctx context.Context, g *grantCall, user *identity.User) error {
	_, k, _ := identity.ParseEmail(user.Email)
	if retry := f.limits.take(accountKey("send", string(g.environment.ID), k), limitSend, time.Now()); retry > 0 {
		return apierr.New(apierr.RateLimited, "too_many_requests", "%s", tooMuch("", retry).Message).With(&Refusal{OAuth: true})
	}
	if f.mailBusy() {
		return errMailBusy
	}
	code, err := g.environment.MakeCode()
	if err != nil {
		return err
	}
	secret, id := newSecret(), identity.NewID("email_verification_")
	err = f.Identity.Update(ctx, func(tx *identity.Tx) error {
		expires := tx.Now().Add(pendingLifetime)
		err := tx.RecordCode(g.environment.ID, "email_verification.created", identity.CodeMade{Object: "email_verification", ID: id, UserID: &user.ID, Email: user.Email,
			ExpiresAt: identity.FormatTime(expires), CreatedAt: identity.FormatTime(tx.Now())})
		if err != nil {
			return err
		}
		return tx.Add(tablePending, identity.Row{identity.Text("hash", secretHash("pending authentication", secret)), identity.Text("environment", g.environment.ID),
			identity.Text("user", user.ID), identity.Text("code_hash", codeHash(AttemptID(id), code)), identity.Text("code_id", id), identity.Number("wrong", 0),
			identity.Time("expires", expires)})
	})
	if err != nil {
		return err
	}
	f.post([]letter{{Environment: *g.environment, Kind: letterVerify, Email: user.Email, User: user.ID, Code: code}})
	return apierr.New(apierr.Forbidden, "email_verification_required", "Email ownership must be verified before authentication.").
		With(&Refusal{PendingAuthenticationToken: secret, Email: user.Email, EmailVerificationID: id})
}

// redeemVerification is the e-mail verification grant, which follows such a 403.
func (f *Flow) redeemVerification(ctx context.Context, g *grantCall) error {
	code, ok := readCode(g.Code)
	if !ok {
		return plain("invalid_one_time_code", "Invalid one-time code.")
	}
	var refusal error
	err := f.Identity.Update(ctx, func(tx *identity.Tx) error {
		refusal = nil
		if err := g.enter(tx); err != nil {
			return err
		}
		row, err := tx.First(tablePending, "on_hash", secretHash("pending authentication", g.PendingAuthenticationToken))
		if err != nil {
			return err
		}
		if row == nil || row.Text("environment") != string(g.environment.ID) {
			return plain("invalid_pending_authentication_token", "The pending authentication token is invalid or has expired.")
		}
		wrong := int(row.Number("wrong"))
		switch {
		case !tx.Now().Before(row.Time("expires")):
			return plain("one_time_code_expired", "The one-time code has expired.")
		case wrong >= maxWrongCodes:
			return plain("one_time_code_too_many_attempts", "The one-time code was entered wrongly too often.")
		case subtle.ConstantTimeCompare([]byte(codeHash(AttemptID(row.Text("code_id")), code)), []byte(row.Text("code_hash"))) != 1:
			refusal = plain("invalid_one_time_code", "Invalid one-time code.")
			return tx.Patch(row, identity.Row{identity.Number("wrong", wrong+1)})
		}
		yes := true
		user, err := tx.UpdateUser(g.environment.ID, identity.UserID(row.Text("user")), identity.UserChange{EmailVerified: &yes})
		if err != nil {
			return err
		}
		if err := tx.Remove(row); err != nil {
			return err
		}
		for _, kind := range []string{"password", "email_verification"} {
			if err := tx.RecordAuthentication(g.environment.ID, authentication(kind, "succeeded", user, g.IPAddress, g.UserAgent, user.Email)); err != nil {
				return err
			}
		}
		return f.start(tx, g, identity.NewSession{User: user.ID, Method: identity.MethodPassword, Authenticated: tx.Now()})
	})
	if err != nil {
		return err
	}
	return refusal
}
