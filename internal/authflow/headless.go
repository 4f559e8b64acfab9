package authflow

import (
	"context"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// redeemPassword is the password grant: for servers that show pages of their own.
func (f *Flow) redeemPassword(ctx context.Context, g *grantCall) error {
	if err := f.Identity.View(ctx, g.enter); err != nil {
		return err
	}
	if g.environment.Settings.SignIn.NoPassword {
		return apierr.New(apierr.Forbidden, "email_password_auth_disabled", "Signing in with a password is turned off for this environment.").With(&Refusal{})
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
		return tooManyRequests(retry)
	case user == nil:
		return plain("invalid_credentials", "Invalid credentials.")
	}
	return f.settle(ctx, g, func(tx *identity.Tx) (shown, error) {
		return shown{evidence: &evidence{User: user.ID, Method: identity.MethodPassword, Invitation: g.InvitationToken, Authenticated: tx.Now(), Kinds: []string{"password"}}}, nil
	})
}

// tooManyRequests is the refusal while a limit holds.
func tooManyRequests(retry time.Duration) error {
	return apierr.New(apierr.RateLimited, "too_many_requests", "%s", tooMuch("", retry).Message).With(&Refusal{OAuth: true})
}

// codeRefusals are the refusals of one-time codes by verdict.
var codeRefusals = map[identity.CodeVerdict]error{
	identity.CodeNone:    errCodeWrong,
	identity.CodeWrong:   errCodeWrong,
	identity.CodeUsed:    plain("one_time_code_previously_used", "The one-time code was already used."),
	identity.CodeExpired: plain("one_time_code_expired", "The one-time code has expired."),
	identity.CodeTooMany: plain("one_time_code_too_many_attempts", "The one-time code was entered wrongly too often."),
}

// failed notes a wrong answer in the history and makes it a refusal.
func (g *grantCall) failed(tx *identity.Tx, kind string, u *identity.User, email string, refusal error) (shown, error) {
	ev := authentication(kind, "failed", u, g.IPAddress, g.UserAgent, email)
	if e, ok := apierr.As(refusal); ok {
		ev.Error = &identity.EventErr{Code: e.Code, Message: e.Message}
	}
	return shown{refusal: refusal}, tx.RecordAuthentication(g.environment.ID, ev)
}

// redeemMagic is the grant of a code that createMagicAuth made.
func (f *Flow) redeemMagic(ctx context.Context, g *grantCall) error {
	if err := f.Identity.View(ctx, g.enter); err != nil {
		return err
	}
	email, k, ok := identity.ParseEmail(g.Email)
	code, read := readCode(g.Code)
	if !ok || !read {
		return errCodeWrong
	}
	account := accountKey("code", string(g.environment.ID), k)
	if retry := f.limits.take(account, limitCode, time.Now()); retry > 0 {
		return tooManyRequests(retry)
	}
	right := false
	err := f.settle(ctx, g, func(tx *identity.Tx) (shown, error) {
		right = false
		u, err := tx.UserByEmail(g.environment.ID, email)
		if err != nil {
			return shown{}, err
		}
		if u == nil {
			return g.failed(tx, "magic_auth", nil, email, errCodeWrong)
		}
		c, verdict, err := tx.AnswerCode(g.environment.ID, identity.CodeMagicAuth, u.ID, code)
		if err != nil {
			return shown{}, err
		}
		if verdict == identity.CodeRight {
			if _, to, _ := identity.ParseEmail(c.Email); to != k { // the address changed meanwhile
				verdict = identity.CodeWrong
			}
		}
		if verdict != identity.CodeRight {
			return g.failed(tx, "magic_auth", u, email, codeRefusals[verdict])
		}
		right = true
		return shown{evidence: &evidence{User: u.ID, Method: identity.MethodMagicAuth, Mailbox: true, Invitation: g.InvitationToken, Authenticated: tx.Now(), Kinds: []string{"magic_auth"}}}, nil
	})
	if right {
		f.limits.clear(account)
	}
	return err
}

// redeemVerification answers email_verification_required.
func (f *Flow) redeemVerification(ctx context.Context, g *grantCall) error {
	code, ok := readCode(g.Code)
	if !ok {
		return errCodeWrong
	}
	return f.settle(ctx, g, func(tx *identity.Tx) (shown, error) {
		row, ev, err := g.pending(tx)
		if err != nil {
			return shown{}, err
		}
		u, err := tx.User(g.environment.ID, ev.User)
		if err != nil {
			return shown{}, errPending
		}
		_, verdict, err := tx.AnswerCode(g.environment.ID, identity.CodeEmailVerification, u.ID, code)
		if err != nil {
			return shown{}, err
		}
		if verdict != identity.CodeRight {
			if err := countWrong(tx, row); err != nil {
				return shown{}, err
			}
			return g.failed(tx, "email_verification", u, u.Email, codeRefusals[verdict])
		}
		ev.Mailbox, ev.Kinds = true, append(ev.Kinds, "email_verification")
		return shown{evidence: ev}, tx.Remove(row)
	})
}

// countWrong counts a wrong answer that came with a token.
func countWrong(tx *identity.Tx, row *identity.Found) error {
	return tx.Patch(row, identity.Row{identity.Number("wrong", row.Number("wrong")+1)})
}

// redeemTOTP answers mfa_challenge, and mfa_enrollment once the user has a factor.
func (f *Flow) redeemTOTP(ctx context.Context, g *grantCall) error {
	if g.AuthenticationChallengeID == "" {
		return oauth("invalid_request", "authentication_challenge_id is missing. POST /auth/factors/:id/challenge makes one.")
	}
	code, ok := readCode(g.Code)
	if !ok {
		return errCodeWrong
	}
	return f.settle(ctx, g, func(tx *identity.Tx) (shown, error) {
		row, ev, err := g.pending(tx)
		if err != nil {
			return shown{}, err
		}
		c, valid, err := tx.VerifyChallenge(g.environment.ID, identity.ChallengeID(g.AuthenticationChallengeID), code)
		if err != nil {
			return shown{}, plainly(err)
		}
		factor, err := tx.Factor(g.environment.ID, c.Factor)
		if err != nil {
			return shown{}, plainly(err)
		}
		if factor.User != ev.User { // which also undoes that the challenge was answered
			return shown{}, plain("user_mismatch", "The authentication challenge belongs to another user.")
		}
		u, err := tx.User(g.environment.ID, ev.User)
		if err != nil {
			return shown{}, errPending
		}
		if !valid {
			if err := countWrong(tx, row); err != nil {
				return shown{}, err
			}
			return g.failed(tx, "mfa", u, u.Email, errCodeWrong)
		}
		ev.Second, ev.Kinds = "otp", append(ev.Kinds, "mfa")
		return shown{evidence: ev}, tx.Remove(row)
	})
}

// redeemSelection answers organization_selection_required.
func (f *Flow) redeemSelection(ctx context.Context, g *grantCall) error {
	if g.Organization == "" {
		return oauth("invalid_request", "organization_id is missing.")
	}
	return f.settle(ctx, g, func(tx *identity.Tx) (shown, error) {
		row, ev, err := g.pending(tx)
		if err != nil {
			return shown{}, err
		}
		ev.Organization = g.Organization
		return shown{evidence: ev}, tx.Remove(row)
	})
}

// redeemRadar answers radar_challenge and radar_sms_sign_in_challenge. Nothing here
// asks these, so no token waits for an answer to them.
func (f *Flow) redeemRadar(ctx context.Context, g *grantCall) error {
	if g.Type == GrantRadarSMS {
		if g.PhoneNumber == "" {
			return plain("phone_number_required", "phone_number is missing.")
		}
		if g.VerificationID == "" {
			return plain("verification_id_required", "verification_id is missing.")
		}
	}
	return f.settle(ctx, g, func(tx *identity.Tx) (shown, error) {
		if _, _, err := g.pending(tx); err != nil {
			return shown{}, err
		}
		return shown{}, plain("invalid_pending_authentication_token", "This authentication does not wait for a challenge of Radar.")
	})
}
