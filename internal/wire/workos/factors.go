package workos

import (
	"cmp"
	"net/http"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// factorRoutes are about second factors and codes that sign in.
func (a *API) factorRoutes() []Route {
	return []Route{
		{"POST", "/auth/factors/enroll", "enrollFactor", "key", corsNone, false, a.enrollFactor},
		{"GET", "/auth/factors/{id}", "getFactor", "key", corsNone, false, a.getFactor},
		{"DELETE", "/auth/factors/{id}", "deleteFactor", "key", corsNone, false, a.deleteFactor},
		{"POST", "/auth/factors/{id}/challenge", "challengeFactor", "key", corsNone, false, a.challengeFactor},
		{"POST", "/auth/challenges/{id}/verify", "verifyChallenge", "key", corsNone, false, a.verifyChallenge},
		{"POST", "/user_management/users/{id}/auth_factors", "createUserAuthFactor", "key", corsNone, false, a.enrollUserFactor},
		{"GET", "/user_management/users/{id}/auth_factors", "listUserAuthFactors", "key", corsNone, false, a.listUserFactors},
		{"POST", "/user_management/magic_auth", "createMagicAuth", "key", corsNone, false, a.createMagicAuth},
		{"GET", "/user_management/magic_auth/{id}", "getMagicAuth", "key", corsNone, false, a.getMagicAuth},
	}
}

// factorObject is a second factor. Secret, QRCode and URI are there once, in the
// answer that enrols it.
type factorObject struct {
	Object    string      `json:"object"`
	ID        string      `json:"id"`
	Type      string      `json:"type"`
	UserID    string      `json:"user_id,omitempty"`
	SMS       *smsObject  `json:"sms,omitempty"`
	TOTP      *totpObject `json:"totp,omitempty"`
	CreatedAt string      `json:"created_at"`
	UpdatedAt string      `json:"updated_at"`
}

// smsObject is what a factor by text message adds.
type smsObject struct {
	PhoneNumber string `json:"phone_number"`
}

// totpObject is what an authenticator app's factor adds.
type totpObject struct {
	Issuer string `json:"issuer"`
	User   string `json:"user"`
	Secret string `json:"secret,omitempty"`
	QRCode string `json:"qr_code,omitempty"`
	URI    string `json:"uri,omitempty"`
}

// newFactorObject shows f.
func newFactorObject(f *identity.Factor) factorObject {
	o := factorObject{Object: "authentication_factor", ID: string(f.ID), Type: string(f.Type), UserID: string(f.User),
		CreatedAt: identity.FormatTime(f.Created), UpdatedAt: identity.FormatTime(f.Updated)}
	switch f.Type {
	case identity.FactorTOTP:
		o.TOTP = &totpObject{Issuer: f.Issuer, User: f.Account}
	case identity.FactorSMS:
		o.SMS = &smsObject{f.Phone}
	}
	return o
}

// newEnrolledObject shows f to whoever enrols it.
func newEnrolledObject(f *identity.Factor, secret string) (factorObject, error) {
	o := newFactorObject(f)
	if o.TOTP == nil {
		return o, nil
	}
	o.TOTP.Secret, o.TOTP.URI = secret, identity.TOTPURI(f.Issuer, f.Account, secret)
	code, err := identity.NewQRCode(o.TOTP.URI)
	if err != nil {
		return o, err
	}
	o.TOTP.QRCode, err = code.DataURI()
	return o, err
}

// challengeObject asks for a code. Code is there if somebody must bring it to the
// person: for factors that are no app.
type challengeObject struct {
	Object    string `json:"object"`
	ID        string `json:"id"`
	ExpiresAt string `json:"expires_at"`
	Code      string `json:"code,omitempty"`
	FactorID  string `json:"authentication_factor_id"`
	CreatedAt string `json:"created_at"`
	UpdatedAt string `json:"updated_at"`
}

// newChallengeObject shows c.
func newChallengeObject(c *identity.Challenge, code string) challengeObject {
	return challengeObject{"authentication_challenge", string(c.ID), identity.FormatTime(c.Expires), code, string(c.Factor),
		identity.FormatTime(c.Created), identity.FormatTime(c.Updated)}
}

// factorBody is what enrolling takes.
type factorBody struct {
	Type        string `json:"type"`
	PhoneNumber string `json:"phone_number"`
	Issuer      string `json:"totp_issuer"`
	User        string `json:"totp_user"`
	Secret      string `json:"totp_secret"`
	UserID      string `json:"user_id"`
}

// enrolled refuses what a factor cannot be in the protocol's words.
func enrolled(err error) error {
	if e, ok := apierr.As(err); ok && e.Code == "invalid_factor" {
		return invalid("%s", e.Message).Wrap(err)
	}
	return err
}

// enrollFactor is POST /auth/factors/enroll: a factor that the application keeps
// track of, or a user's.
func (a *API) enrollFactor(w http.ResponseWriter, r *http.Request) error {
	var body factorBody
	if err := decodeBody(r, &body); err != nil {
		return err
	}
	env := environment(r)
	var f *identity.Factor
	var secret string
	err := a.Identity.Update(r.Context(), func(tx *identity.Tx) (err error) {
		n := identity.NewFactor{User: identity.UserID(body.UserID), Type: identity.FactorType(body.Type), Issuer: body.Issuer, Account: body.User, Phone: body.PhoneNumber}
		if n.Type == identity.FactorTOTP && (n.Issuer == "" || n.Account == "") {
			return missing("totp_issuer", "totp_user")
		}
		f, secret, err = tx.EnrollFactor(env.ID, n)
		return err
	})
	if err != nil {
		return enrolled(err)
	}
	o, err := newEnrolledObject(f, secret)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, o)
	return nil
}

// enrollUserFactor is POST /user_management/users/{id}/auth_factors, which makes a
// challenge along with the factor.
func (a *API) enrollUserFactor(w http.ResponseWriter, r *http.Request) error {
	var body factorBody
	if err := decodeBody(r, &body); err != nil {
		return err
	}
	if body.Type != string(identity.FactorTOTP) {
		return invalidField("type", "invalid", "A user's factor has the type totp.")
	}
	env, user := environment(r), identity.UserID(r.PathValue("id"))
	var f *identity.Factor
	var c *identity.Challenge
	var secret string
	err := a.Identity.Update(r.Context(), func(tx *identity.Tx) error {
		u, err := tx.User(env.ID, user)
		if err != nil {
			return err
		}
		f, secret, err = tx.EnrollFactor(env.ID, identity.NewFactor{User: user, Type: identity.FactorTOTP, Secret: body.Secret,
			Issuer: cmp.Or(body.Issuer, env.Name), Account: cmp.Or(body.User, u.Email)})
		if err != nil {
			return err
		}
		c, _, err = tx.ChallengeFactor(env.ID, f.ID)
		return err
	})
	if err != nil {
		return enrolled(err)
	}
	o, err := newEnrolledObject(f, secret)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, map[string]any{"authentication_factor": o, "authentication_challenge": newChallengeObject(c, "")})
	return nil
}

// listUserFactors is GET /user_management/users/{id}/auth_factors.
func (a *API) listUserFactors(w http.ResponseWriter, r *http.Request) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	list, err := a.Identity.UserFactors(r.Context(), environment(r).ID, identity.UserID(r.PathValue("id")), page)
	if err != nil {
		return err
	}
	return writeList(w, list, newFactorObject)
}

// getFactor is GET /auth/factors/{id}.
func (a *API) getFactor(w http.ResponseWriter, r *http.Request) error {
	var f *identity.Factor
	err := a.Identity.View(r.Context(), func(tx *identity.Tx) (err error) {
		f, err = tx.Factor(environment(r).ID, identity.FactorID(r.PathValue("id")))
		return err
	})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, newFactorObject(f))
	return nil
}

// deleteFactor is DELETE /auth/factors/{id}.
func (a *API) deleteFactor(w http.ResponseWriter, r *http.Request) error {
	err := a.Identity.Update(r.Context(), func(tx *identity.Tx) error {
		return tx.DeleteFactor(environment(r).ID, identity.FactorID(r.PathValue("id")))
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// challengeFactor is POST /auth/factors/{id}/challenge. There is no sender of text
// messages here: the code of such a factor is in the answer, as for generic ones,
// and the application sends it.
func (a *API) challengeFactor(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Template string `json:"sms_template"`
	}
	if err := decodeBody(r, &body); err != nil {
		return err
	}
	var c *identity.Challenge
	var code string
	err := a.Identity.Update(r.Context(), func(tx *identity.Tx) (err error) {
		c, code, err = tx.ChallengeFactor(environment(r).ID, identity.FactorID(r.PathValue("id")))
		return err
	})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, newChallengeObject(c, code))
	return nil
}

// challengeRefusals are the refusals of challenges that the description does not
// list as 400: they are 422.
var challengeRefusals = map[string]bool{"one_time_code_expired": true, "one_time_code_previously_used": true}

// verifyChallenge is POST /auth/challenges/{id}/verify. A wrong code is an answer,
// not a refusal.
func (a *API) verifyChallenge(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Code string `json:"code"`
	}
	if err := decodeBody(r, &body); err != nil {
		return err
	}
	var c *identity.Challenge
	var valid bool
	err := a.Identity.Update(r.Context(), func(tx *identity.Tx) (err error) {
		c, valid, err = tx.VerifyChallenge(environment(r).ID, identity.ChallengeID(r.PathValue("id")), body.Code)
		return err
	})
	if e, ok := apierr.As(err); ok && challengeRefusals[e.Code] {
		return e.With(atStatus{status: http.StatusUnprocessableEntity})
	}
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, map[string]any{"challenge": newChallengeObject(c, ""), "valid": valid})
	return nil
}
