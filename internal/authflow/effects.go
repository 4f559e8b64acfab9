package authflow

import (
	"strconv"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/webhook"
)

// apply carries out the doing effects in the transaction that stores the attempt.
func (f *Flow) apply(tx *identity.Tx, v Visitor, e *identity.Environment, a *attempt, step Step, effects []effect) (Step, error) {
	yes := true
	for _, fx := range effects {
		switch fx := fx.(type) {
		case mailCode:
			kind := map[CodeFor]string{CodeForReset: "password_reset", CodeForSignIn: "magic_auth"}[fx.For]
			if kind == "" {
				kind = "email_verification"
			}
			if fx.Code == "" || a.User == "" { // a sign-up's user is made once the code is right
				continue
			}
			made := identity.CodeMade{Object: kind, ID: identity.NewID(kind + "_"), UserID: &a.User, Email: a.Email, Code: fx.Code,
				ExpiresAt: identity.FormatTime(a.Mailed.Expires), CreatedAt: identity.FormatTime(tx.Now())}
			if fx.For != CodeForReset {
				made.UpdatedAt = made.CreatedAt
			}
			if err := tx.RecordCode(e.ID, kind+".created", made); err != nil {
				return nil, err
			}
		case proveAddress:
			if u, err := tx.User(e.ID, fx.User); err == nil && u.EmailVerified {
				continue // by a new password, just now
			}
			change := identity.UserChange{EmailVerified: &yes}
			if have, err := tx.Password(fx.User); err != nil {
				return nil, err
			} else if none := ""; have != "" && fx.Alone {
				change.PasswordHash = &none
			}
			if _, err := tx.UpdateUser(e.ID, fx.User, change); err != nil {
				return f.gone(a, err)
			}
		case register:
			if over, err := f.registerUser(tx, v, e, a, fx.Into); err != nil || over != nil {
				return over, err
			}
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
		case enrollFactor:
			if err := f.enroll(tx, e, a, fx.Step); err != nil {
				return f.gone(a, err)
			}
		case renewCodes:
			codes, err := recoveryCodes(tx, e, a.ID)
			if err == nil {
				err = tx.SetRecoveryCodes(a.Proof.User, codes)
			}
			if err != nil {
				return nil, err
			}
		case acceptInvitation:
			over, err := f.accept(tx, e, a)
			if err != nil || over != nil {
				return over, err
			}
		case resetPassword:
			token, err := f.Identity.Sealer.Open(purposeReset, a.ResetToken)
			if err != nil {
				return nil, err
			}
			u, err := tx.ResetPassword(e.ID, string(token), fx.Hash)
			if k := apierr.KindOf(err); k == apierr.BadRequest || k == apierr.NotFound {
				a.Stage, a.Proof, a.ResetToken, a.User, a.Fault = atForgot, proof{}, "", "", ResetExpired
				return ask(*a, f.world(e, tx.Now(), ""), nil), nil
			}
			if err != nil {
				return nil, err
			}
			a.Proof.User, a.ResetToken = u.ID, ""
		case usePasskey, passkeyFailed, addPasskey, declinePasskey:
			if page, err := f.applyPasskey(tx, v, e, a, fx); err != nil || page != nil {
				return page, err
			}
		case refuse:
			return &Done{RedirectTo: refusedTo(a.RedirectURI, fx.Code, fx.Description, string(a.State), a.HasState), Client: e.ClientID}, nil
		case decideDevice:
			if gone, err := f.decideDevice(tx, v, e, a, fx.Allow); err != nil || gone != nil {
				return gone, err
			}
		case depart:
			return f.leave(tx, v, e, a, fx, nil)
		case finish:
			return f.finish(tx, v, e, a)
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

// registerUser makes the user of a sign-up whose address is proven now, or gives
// what the sign-up brought along to the user that has the address and never proved
// it. Somebody else may have done so since the machine looked: then the attempt
// begins again.
func (f *Flow) registerUser(tx *identity.Tx, v Visitor, e *identity.Environment, a *attempt, into identity.UserID) (Step, error) {
	have, err := tx.UserByEmail(e.ID, a.Email)
	if err != nil {
		return nil, err
	}
	if have == nil && into != "" || have != nil && (have.ID != into || have.EmailVerified) {
		a.Stage, a.Proof, a.Pending = atSignIn, proof{}, registration{}
		return ask(*a, f.world(e, tx.Now(), ""), &accountChanged), nil
	}
	p := a.Pending
	a.Pending = registration{}
	if have == nil {
		about, err := registrationContext(tx, e, a, p, v)
		if err != nil {
			return nil, err
		}
		if err := f.mustAsk(tx, e, a.answered, webhook.ActionUserRegistration, about); err != nil {
			return nil, err
		}
		u, err := tx.CreateUser(e.ID, identity.NewUser{ID: a.as, Email: a.Email, EmailVerified: true, FirstName: p.FirstName, LastName: p.LastName, PasswordHash: p.PasswordHash})
		if err != nil {
			return nil, err
		}
		a.Proof.User = u.ID
		return nil, nil
	}
	yes := true
	_, err = tx.UpdateUser(e.ID, have.ID, identity.UserChange{EmailVerified: &yes, PasswordHash: &p.PasswordHash})
	return nil, err
}

// purposeReset binds the seal of a reset's token within an attempt.
const purposeReset = "authflow password reset token"

// resetUsedUp is the problem with a mailed link that sets no password any more.
var resetUsedUp = Problem{Code: "reset_link_expired", Message: "This link has expired or was used already. Ask for a code to set a new password."}

// accept lets the attempt's user in by its invitation. If it was used up since the
// machine looked, the page says so.
func (f *Flow) accept(tx *identity.Tx, e *identity.Environment, a *attempt) (Step, error) {
	i, err := tx.Invitation(e.ID, a.Invitation)
	if err == nil {
		_, _, err = tx.AcceptInvitation(e.ID, i.Token, a.Proof.User)
	}
	if k := apierr.KindOf(err); k == apierr.BadRequest || k == apierr.NotFound {
		a.Stage, a.Fault = atInvitation, InvitationUsed
		return ask(*a, f.world(e, tx.Now(), ""), nil), nil
	}
	return nil, err
}

// accountChanged is the problem with a sign-in that another change overtook.
var accountChanged = Problem{Code: "account_changed", Message: "This account was changed just now. Please sign in again."}

// methodEvents names the authentication event of a method.
var methodEvents = map[identity.Method]string{identity.MethodPassword: "password", identity.MethodMagicAuth: "magic_auth", identity.MethodPasskey: "passkey"}

// events names the authentication events of what was shown in this attempt.
func (p proof) events() (kinds []string) {
	if p.Since.IsZero() {
		if kind := methodEvents[p.Method]; kind != "" { // those of providers are package sso's
			kinds = append(kinds, kind)
		}
	}
	if p.Fresh && p.Method == identity.MethodPassword {
		kinds = append(kinds, "email_verification")
	}
	if p.Second != "" {
		kinds = append(kinds, "mfa")
	}
	return kinds
}

// enroll gives the attempt's user the authenticator app of the attempt's secret, and
// its recovery codes.
func (f *Flow) enroll(tx *identity.Tx, e *identity.Environment, a *attempt, step int64) error {
	u, err := tx.User(e.ID, a.Proof.User)
	if err != nil {
		return err
	}
	secret, err := enrollSecret(tx, e, a.ID)
	if err != nil {
		return err
	}
	factor, _, err := tx.EnrollFactor(e.ID, identity.NewFactor{User: u.ID, Type: identity.FactorTOTP, Issuer: e.Name, Account: u.Email, Secret: secret})
	if err != nil {
		return err
	}
	if err := tx.MarkFactorUsed(e.ID, factor.ID, step); err != nil {
		return err
	}
	codes, err := recoveryCodes(tx, e, a.ID)
	if err != nil {
		return err
	}
	return tx.SetRecoveryCodes(u.ID, codes)
}

// enrollSecret and recoveryCodes are derived from the attempt, so that its pages can
// be shown again and yet nothing secret is stored with it.
func enrollSecret(tx *identity.Tx, e *identity.Environment, id AttemptID) (string, error) {
	b, err := tx.Derive(e, "authenticator secret", string(id))
	if err != nil {
		return "", err
	}
	return identity.TOTPSecretOf(b), nil
}

// recoveryCodes needs more bytes than one derivation gives.
func recoveryCodes(tx *identity.Tx, e *identity.Environment, id AttemptID) ([]string, error) {
	var seed []byte
	for n := 0; len(seed) < identity.RecoverySeed; n++ {
		b, err := tx.Derive(e, "recovery codes", string(id), strconv.Itoa(n))
		if err != nil {
			return nil, err
		}
		seed = append(seed, b...)
	}
	return identity.RecoveryCodes(seed), nil
}

// finish signs the browser in and issues the authorization code.
func (f *Flow) finish(tx *identity.Tx, v Visitor, e *identity.Environment, a *attempt) (Step, error) {
	u, err := tx.User(e.ID, a.Proof.User)
	if err != nil {
		return f.gone(a, err)
	}
	out := grantCode{}
	if a.Proof.Arrival != "" {
		if no, err := f.settleWith(tx, v, e, a, &out); no != nil || err != nil {
			return no, err
		}
	}
	ctx, err := signInContext(tx, e, u, a.Proof.Organization, a.Proof.Method, v.IPAddress, v.UserAgent)
	if err != nil {
		return nil, err
	}
	if err := f.mustAsk(tx, e, a.answered, webhook.ActionAuthentication, ctx); err != nil {
		return nil, err
	}
	if v.Cookie != nil && v.SSO == "" {
		v.SSO = v.Cookie(SSOCookie(e.ClientID))
	}
	again := false // the same person, asked once more
	if v.SSO != "" {
		_, before, err := tx.Browser(e, v.SSO)
		if err != nil {
			return nil, err
		}
		again = before != nil && before.ID == u.ID && a.Proof.Since.IsZero()
		// One browser, one sign-in: the one before ends.
		if err := tx.EndBrowser(e, v.SSO); err != nil {
			return nil, err
		}
	}
	if a.Proof.Organization != "" { // it may have been left since the machine looked
		m, err := tx.Membership(e.ID, u.ID, a.Proof.Organization)
		if err != nil {
			return nil, err
		}
		if m == nil || m.Status != identity.MembershipActive {
			a.Stage, a.Proof = atSignIn, proof{}
			return ask(*a, f.world(e, tx.Now(), ""), &accountChanged), nil
		}
	}
	m := a.Proof.Method
	b, secret, err := tx.StartBrowser(e, identity.BrowserSession{User: u.ID, Method: m, Second: a.Proof.Second, Organization: a.Proof.Organization, Authenticated: a.Proof.Since})
	if err != nil {
		return nil, err
	}
	if err := knowBrowser(tx, e.ID, u.ID, v.Browser); err != nil {
		return nil, err
	}
	kinds := a.Proof.events()
	if again {
		kinds = append(kinds, "reauthentication")
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
	err = tx.Add(tableCodes, codeRow(code, &grantCode{Provider: out.Provider, Tokens: out.Tokens, Environment: e.ID, User: u.ID, Browser: b.ID, Method: m, Second: a.Proof.Second, Organization: a.Proof.Organization, Authenticated: b.Authenticated, Challenge: a.Challenge,
		RedirectURI: a.RedirectURI, IPAddress: v.IPAddress, UserAgent: v.UserAgent, Expires: tx.Now().Add(grantLifetime)}))
	return &Done{RedirectTo: a.granted(code), Client: e.ClientID, SSO: secret, SSOMaxAge: e.Settings.Defaulted().SessionLifetime}, err
}
