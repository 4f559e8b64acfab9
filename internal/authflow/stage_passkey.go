package authflow

import (
	"cmp"
	"context"
	"strconv"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/passkey"
)

// Passkeys are a way to sign in, and are offered to those who came another way. Each
// page that asks for one has a challenge of its own: of the attempt, which belongs to
// one browser, and of the number of answers so far, each of which uses one up.

// ShowPasskey answers AskSignIn with what the browser says of a passkey, in JSON.
type ShowPasskey struct{ Response string }

func (ShowPasskey) answer() {}

// AskPasskey offers to make a passkey. Ways on: AddPasskey; Continue, which declines.
type AskPasskey struct {
	Screen
	Email   string
	Options string // for the page's script; the shell fills them in
}

// AddPasskey answers AskPasskey with what the browser says of the new one, in JSON.
type AddPasskey struct{ Response string }

func (AddPasskey) answer() {}

// The effects of passkeys. The first two ask; Ceremony says which challenge the
// answer is to.
type (
	checkPasskey struct {
		Ceremony int
		Response string
	}
	makePasskey struct {
		Ceremony int
		Response string
	}
	// usePasskey notes that a passkey was shown, passkeyFailed that it proved nothing.
	usePasskey    struct{ Shown passkey.Shown }
	passkeyFailed struct{ Shown passkey.Shown }
	// addPasskey keeps a new one, mailPasskey tells its owner, declinePasskey notes that
	// they did not want one.
	addPasskey     struct{ Made passkey.Made }
	mailPasskey    struct{ User identity.UserID }
	declinePasskey struct{ User identity.UserID }
)

func (checkPasskey) effect()   {}
func (makePasskey) effect()    {}
func (usePasskey) effect()     {}
func (passkeyFailed) effect()  {}
func (addPasskey) effect()     {}
func (mailPasskey) effect()    {}
func (declinePasskey) effect() {}

// The outcomes of the asking ones.
type (
	passkeyShown struct {
		Shown passkey.Shown
		Email string // of the user
	}
	passkeyMade struct {
		Made    passkey.Made
		Refusal string // why there is none
	}
)

// passkeys reports whether the attempt's pages can ask for passkeys.
func (a *attempt) passkeys(w world) bool { return w.Methods.Passkeys && passkey.RP(a.Origin) != "" }

// nextShown takes a passkey on the sign-in page.
func nextShown(a attempt, in input, w world) (attempt, Step, []effect) {
	switch in := in.(type) {
	case ShowPasskey:
		if !a.passkeys(w) {
			break
		}
		n := a.Ceremony
		a.Ceremony++
		return a, nil, []effect{checkPasskey{n, in.Response}}
	case passkeyShown:
		if in.Shown.Refusal != "" {
			return a, ask(a, w, &Problem{Code: "passkey_refused", Message: "This passkey does not open an account here. Try another one, or sign in another way."}),
				[]effect{passkeyFailed{in.Shown}}
		}
		a.Email, a.User = in.Email, ""
		return prove(a, proof{User: in.Shown.User, Method: identity.MethodPasskey}, usePasskey{in.Shown})
	}
	return a, ask(a, w, nil), nil
}

// offersPasskey reports whether a proof is followed by the offer to make one: it is new,
// and of a kind that a passkey would replace.
func (a *attempt) offersPasskey(st standing, w world) bool {
	switch a.Proof.Method {
	case identity.MethodPasskey, identity.MethodSSO, identity.MethodImpersonation:
		return false
	}
	return st.OfferPasskey && a.passkeys(w) && !a.Proof.Offered && a.Proof.Since.IsZero()
}

// askPasskey is the page that offers it.
func askPasskey(a attempt, _ world, s Screen) Step { return &AskPasskey{Screen: s, Email: a.Email} }

// nextPasskey takes the answer to it.
func nextPasskey(a attempt, in input, w world) (attempt, Step, []effect) {
	p := a.Proof
	p.Offered = true
	switch in := in.(type) {
	case AddPasskey:
		n := a.Ceremony
		a.Ceremony++
		return a, nil, []effect{makePasskey{n, in.Response}}
	case passkeyMade:
		if in.Refusal != "" {
			return a, ask(a, w, &Problem{Code: "passkey_refused", Message: "That did not work. Try again, or go on without."}), nil
		}
		return prove(a, p, addPasskey{in.Made}, mailPasskey{User: p.User})
	case Continue:
		return prove(a, p, declinePasskey{User: p.User})
	}
	return a, ask(a, w, nil), nil
}

// ceremony is the exchange with an authenticator that an attempt's page asks for.
func ceremony(tx *identity.Tx, e *identity.Environment, a *attempt, n int) (passkey.Ceremony, error) {
	challenge, err := tx.Derive(e, "passkey challenge", string(a.ID), strconv.Itoa(n))
	return passkey.Ceremony{Environment: e.ID, Origin: a.Origin, Challenge: challenge}, err
}

// dressPasskey fills in what a page's script needs.
func (f *Flow) dressPasskey(tx *identity.Tx, s Step, e *identity.Environment, a *attempt) error {
	switch s := s.(type) {
	case *AskSignIn:
		if f.Passkeys == nil || !s.Methods.Passkeys || passkey.RP(a.Origin) == "" {
			return nil
		}
		c, err := ceremony(tx, e, a, a.Ceremony)
		if err != nil {
			return err
		}
		s.Passkey, err = c.Request()
		return err
	case *AskPasskey:
		c, err := ceremony(tx, e, a, a.Ceremony)
		if err != nil {
			return err
		}
		u, err := tx.User(e.ID, a.Proof.User)
		if apierr.KindOf(err) == apierr.NotFound { // deleted meanwhile: the answer will say so
			return nil
		}
		if err != nil {
			return err
		}
		s.Options, err = f.Passkeys.Creation(tx, e, c, u, cmp.Or(s.Brand.Name, e.Name))
		return err
	}
	return nil
}

// lookAtPasskey carries out checkPasskey.
func (f *Flow) lookAtPasskey(ctx context.Context, e *identity.Environment, v Visitor, a *attempt, fx checkPasskey) (input, error) {
	if k, ok := addressKey("passkey", string(e.ID), v.IPAddress); ok {
		if retry := f.limits.locked(k, time.Now()); retry > 0 {
			return guessedTooMuch{Retry: retry}, nil
		}
	}
	var out passkeyShown
	err := f.Identity.View(ctx, func(tx *identity.Tx) error {
		out = passkeyShown{}
		c, err := ceremony(tx, e, a, fx.Ceremony)
		if err != nil {
			return err
		}
		if out.Shown, err = f.Passkeys.Show(tx, e, c, fx.Response); err != nil || out.Shown.User == "" {
			return err
		}
		u, err := userOf(tx, e, out.Shown.User, "")
		if u != nil {
			out.Email = u.Email
		}
		return err
	})
	if err == nil && out.Shown.Refusal != "" {
		f.Log.Info("passkey refused", "environment", e.ID, "user", out.Shown.User, "reason", out.Shown.Refusal)
	}
	return out, err
}

// tryPasskey carries out makePasskey.
func (f *Flow) tryPasskey(ctx context.Context, e *identity.Environment, a *attempt, fx makePasskey) (input, error) {
	var out passkeyMade
	err := f.Identity.View(ctx, func(tx *identity.Tx) error {
		c, err := ceremony(tx, e, a, fx.Ceremony)
		if err != nil {
			return err
		}
		made, err := c.Make(fx.Response)
		if out = (passkeyMade{Made: made}); err != nil {
			out.Refusal = err.Error()
		}
		return nil
	})
	if err == nil && out.Refusal != "" {
		f.Log.Info("new passkey refused", "environment", e.ID, "user", a.Proof.User, "reason", out.Refusal)
	}
	return out, err
}

// applyPasskey carries out the doing effects, in the transaction that stores the
// attempt. A page other than nil takes the place of what the machine chose.
func (f *Flow) applyPasskey(tx *identity.Tx, v Visitor, e *identity.Environment, a *attempt, fx effect) (Step, error) {
	switch fx := fx.(type) {
	case usePasskey:
		ok, err := f.Passkeys.Use(tx, fx.Shown)
		if err != nil || ok {
			return nil, err
		}
		a.Stage, a.Proof = atSignIn, proof{}
		return ask(*a, f.world(e, tx.Now(), ""), &accountChanged), nil
	case passkeyFailed:
		u, err := userOf(tx, e, fx.Shown.User, "")
		if err != nil || u == nil || fx.Shown.User == "" {
			return nil, err
		}
		ev := authentication("passkey", "failed", u, v.IPAddress, v.UserAgent, u.Email)
		ev.Error = &identity.EventErr{Code: "invalid_passkey", Message: "The passkey was refused: " + fx.Shown.Refusal + "."}
		return nil, tx.RecordAuthentication(e.ID, ev)
	case addPasskey:
		_, err := f.Passkeys.Add(tx, e.ID, a.Proof.User, fx.Made)
		if k := apierr.KindOf(err); k == apierr.BadRequest || k == apierr.Conflict {
			a.Stage, a.Proof.Offered = atPasskey, false
			return ask(*a, f.world(e, tx.Now(), ""), &Problem{Code: "passkey_refused", Message: "This passkey is known already. Try another one, or go on without."}), nil
		}
		return nil, err
	case declinePasskey:
		return nil, f.Passkeys.Decline(tx, fx.User)
	}
	return nil, nil
}

// offerPasskey tells whether somebody is to be asked to make a passkey.
func (f *Flow) offerPasskey(tx *identity.Tx, e *identity.Environment, st *standing) (err error) {
	if f.Passkeys == nil || !e.Settings.SignIn.Passkeys {
		return nil
	}
	if st.OfferPasskey = true; st.User != "" {
		st.OfferPasskey, err = f.Passkeys.Offer(tx, st.User)
	}
	return err
}
