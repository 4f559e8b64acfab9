package workos

import (
	"net/http"
	"net/url"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// ResetPath is where the link of a password reset leads, on the host of the
// sign-in pages; the token is its parameter "token".
const ResetPath = "/reset-password"

// userEnvelope is a user within an object of its own, as the SDKs read some answers.
type userEnvelope struct {
	User userObject `json:"user"`
}

// newUserEnvelope shows u.
func newUserEnvelope(u *identity.User) userEnvelope { return userEnvelope{newUserObject(u)} }

// proof is a user and the code that is to prove an address of theirs.
type proof struct {
	user *identity.User
	code *identity.OneTimeCode
}

// sendProof makes a code and mails it.
func (a *API) sendProof(r *http.Request, create func(*identity.Tx, identity.EnvironmentID, identity.UserID) (*identity.User, *identity.OneTimeCode, error)) (*proof, error) {
	p, err := change(a, r, func(tx *identity.Tx, env identity.EnvironmentID) (*proof, error) {
		u, c, err := create(tx, env, identity.UserID(r.PathValue("id")))
		return &proof{u, c}, err
	})
	if err != nil {
		return nil, err
	}
	return p, a.Letters.SendCode(environment(r), p.code)
}

// answered commits what an answer to a code did, and then says what it was worth.
func (a *API) answered(r *http.Request, take func(*identity.Tx, identity.EnvironmentID) (*apierr.Error, error)) error {
	refusal, err := change(a, r, take)
	if err == nil && refusal != nil {
		return refusal
	}
	return err
}

// codeBody is the body of an answer to a code.
type codeBody struct {
	Code string `json:"code"`
}

// sendVerificationEmail is POST /user_management/users/{id}/email_verification/send.
func (a *API) sendVerificationEmail(w http.ResponseWriter, r *http.Request) error {
	p, err := a.sendProof(r, (*identity.Tx).CreateEmailVerification)
	if err != nil {
		return err
	}
	return show(w, http.StatusOK, p.user, nil, newUserEnvelope)
}

// verifyEmail is POST /user_management/users/{id}/email_verification/confirm.
func (a *API) verifyEmail(w http.ResponseWriter, r *http.Request) error {
	var b codeBody
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	var u *identity.User
	err := a.answered(r, func(tx *identity.Tx, env identity.EnvironmentID) (refusal *apierr.Error, err error) {
		u, refusal, err = tx.VerifyEmail(env, identity.UserID(r.PathValue("id")), b.Code)
		return refusal, err
	})
	return show(w, http.StatusOK, u, err, newUserEnvelope)
}

// getEmailVerification is GET /user_management/email_verification/{id}. The
// application may see the code: it may mail it itself.
func (a *API) getEmailVerification(w http.ResponseWriter, r *http.Request) error {
	c, err := look(a, r, func(tx *identity.Tx, env identity.EnvironmentID) (*identity.OneTimeCode, error) {
		return tx.OneTimeCode(env, identity.CodeEmailVerification, identity.CodeID(r.PathValue("id")))
	})
	return show(w, http.StatusOK, c, err, func(c *identity.OneTimeCode) any {
		return struct {
			Object    string `json:"object"`
			ID        string `json:"id"`
			UserID    string `json:"user_id"`
			Email     string `json:"email"`
			ExpiresAt string `json:"expires_at"`
			Code      string `json:"code"`
			CreatedAt string `json:"created_at"`
			UpdatedAt string `json:"updated_at"`
		}{"email_verification", string(c.ID), string(c.User), c.Email, identity.FormatTime(c.Expires), c.Code, identity.FormatTime(c.Created), identity.FormatTime(c.Updated)}
	})
}

// unprocessableEmail gives the refusal of an address its status here.
func unprocessableEmail(err error) error {
	if e, ok := apierr.As(err); ok && e.Code == "invalid_email" {
		return e.With(atStatus{http.StatusUnprocessableEntity, e.Details})
	}
	return err
}

// sendEmailChange is POST /user_management/users/{id}/email_change/send.
func (a *API) sendEmailChange(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		NewEmail string `json:"new_email"`
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	p, err := a.sendProof(r, func(tx *identity.Tx, env identity.EnvironmentID, user identity.UserID) (*identity.User, *identity.OneTimeCode, error) {
		return tx.CreateEmailChange(env, user, b.NewEmail)
	})
	if err != nil {
		return unprocessableEmail(err)
	}
	return show(w, http.StatusOK, p, nil, func(p *proof) any {
		return struct {
			Object    string     `json:"object"`
			User      userObject `json:"user"`
			NewEmail  string     `json:"new_email"`
			ExpiresAt string     `json:"expires_at"`
			CreatedAt string     `json:"created_at"`
		}{"email_change", newUserObject(p.user), p.code.Email, identity.FormatTime(p.code.Expires), identity.FormatTime(p.code.Created)}
	})
}

// confirmEmailChange is POST /user_management/users/{id}/email_change/confirm. Whoever
// reads the former mailbox is told.
func (a *API) confirmEmailChange(w http.ResponseWriter, r *http.Request) error {
	var b codeBody
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	var u *identity.User
	var former string
	err := a.answered(r, func(tx *identity.Tx, env identity.EnvironmentID) (refusal *apierr.Error, err error) {
		u, former, refusal, err = tx.ConfirmEmailChange(env, identity.UserID(r.PathValue("id")), b.Code)
		return refusal, err
	})
	if err != nil {
		return err
	}
	if err := a.Letters.SendMoved(environment(r), former); err != nil {
		a.Log.Warn("nobody told of a changed address", "user", u.ID, "err", err)
	}
	return show(w, http.StatusOK, u, nil, func(u *identity.User) any {
		return struct {
			Object string     `json:"object"`
			User   userObject `json:"user"`
		}{"email_change_confirmation", newUserObject(u)}
	})
}

// resetObject is a password reset on the wire.
type resetObject struct {
	Object    string `json:"object"`
	ID        string `json:"id"`
	UserID    string `json:"user_id"`
	Email     string `json:"email"`
	Token     string `json:"password_reset_token"`
	URL       string `json:"password_reset_url"`
	ExpiresAt string `json:"expires_at"`
	CreatedAt string `json:"created_at"`
}

// passwordReset shows password resets, with links to this front.
func (a *API) passwordReset(r *http.Request) func(*identity.PasswordReset) resetObject {
	return func(p *identity.PasswordReset) resetObject {
		return resetObject{
			Object: "password_reset", ID: string(p.ID), UserID: string(p.User), Email: p.Email, Token: p.Token,
			URL:       a.peopleURL(r, environment(r)) + ResetPath + "?token=" + url.QueryEscape(p.Token),
			ExpiresAt: identity.FormatTime(p.Expires), CreatedAt: identity.FormatTime(p.Created),
		}
	}
}

// passwordsAllowed refuses where nobody signs in with a password.
func passwordsAllowed(e *identity.Environment) error {
	if e.Settings.SignIn.NoPassword {
		return apierr.New(apierr.Forbidden, "email_password_auth_disabled", "Nobody signs in with a password here; passwords can be allowed in the environment's settings.")
	}
	return nil
}

// createPasswordReset is POST /user_management/password_reset. The application mails
// the link, or shows pages of its own.
func (a *API) createPasswordReset(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		Email string `json:"email"`
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	if err := passwordsAllowed(environment(r)); err != nil {
		return err
	}
	p, err := change(a, r, func(tx *identity.Tx, env identity.EnvironmentID) (*identity.PasswordReset, error) {
		u, err := tx.UserByEmail(env, b.Email)
		if err != nil {
			return nil, err
		}
		if u == nil {
			return nil, identity.NotFound("User", b.Email)
		}
		return tx.CreatePasswordReset(env, u.ID)
	})
	return show(w, http.StatusCreated, p, err, a.passwordReset(r))
}

// getPasswordReset is GET /user_management/password_reset/{id}.
func (a *API) getPasswordReset(w http.ResponseWriter, r *http.Request) error {
	p, err := look(a, r, func(tx *identity.Tx, env identity.EnvironmentID) (*identity.PasswordReset, error) {
		return tx.PasswordReset(env, identity.ResetID(r.PathValue("id")))
	})
	return show(w, http.StatusOK, p, err, a.passwordReset(r))
}

// resetPassword is POST /user_management/password_reset/confirm. The password is
// hashed only for a token that is good, and before the transaction that uses it.
func (a *API) resetPassword(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		Token       string `json:"token"`
		NewPassword string `json:"new_password"`
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	if err := passwordsAllowed(environment(r)); err != nil {
		return err
	}
	p, err := look(a, r, func(tx *identity.Tx, env identity.EnvironmentID) (*identity.PasswordReset, error) {
		return tx.PasswordResetByToken(env, b.Token)
	})
	if err != nil {
		return err
	}
	problem, err := a.Policy.Check(environment(r), b.NewPassword, p.Email)
	if err != nil {
		return err
	}
	if problem != nil {
		return apierr.New(apierr.BadRequest, "password_reset_error", "Password does not meet strength requirements.").
			With([]identity.FieldError{{Code: problem.Code, Message: problem.Message}})
	}
	hash, err := a.Hasher.Hash(r.Context(), b.NewPassword)
	if err != nil {
		return err
	}
	u, err := change(a, r, func(tx *identity.Tx, env identity.EnvironmentID) (*identity.User, error) {
		return tx.ResetPassword(env, b.Token, hash)
	})
	if err != nil {
		return err
	}
	if err := a.Letters.SendPasswordChanged(environment(r), u.ID); err != nil {
		a.Log.Warn("nobody told of a changed password", "user", u.ID, "err", err)
	}
	return show(w, http.StatusOK, u, nil, newUserEnvelope)
}
