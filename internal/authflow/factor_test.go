package authflow_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/identity"
)

// passwordUser makes a verified user with the password of the tests.
func (h *house) passwordUser(email string) *identity.User {
	h.t.Helper()
	hash, err := h.flow.Hasher.Hash(h.t.Context(), "correct horse battery")
	must(h.t, err)
	u, err := h.ids.CreateUser(h.t.Context(), h.env.ID, identity.NewUser{Email: email, EmailVerified: true, PasswordHash: hash})
	must(h.t, err)
	return u
}

// password begins and enters it.
func (b *browser) password(email string) authflow.Step {
	b.h.t.Helper()
	r := b.h.request()
	r.Prompt = "login"
	b.begin(r)
	return b.submit(authflow.EnterPassword{Email: email, Password: "correct horse battery"})
}

// look opens the attempt's page again.
func (b *browser) look() authflow.Step {
	b.h.t.Helper()
	s, err := b.h.flow.Step(b.h.t.Context(), b.v, b.attempt)
	must(b.h.t, err)
	return s
}

// events lists the names of all events.
func (h *house) events() (names []string) {
	h.t.Helper()
	l, err := h.ids.Events(h.t.Context(), h.env.ID, nil, identity.Page{Limit: 100})
	must(h.t, err)
	for _, e := range l.Data {
		names = append(names, e.Name)
	}
	return names
}

func TestFlowSecondFactorFromEnrolmentToRecovery(t *testing.T) {
	inHouse(t, identity.Settings{MFA: identity.MFARequired, AMR: true}, func(t *testing.T, h *house) {
		h.passwordUser("ada@example.com")
		b := &browser{h: h}
		enroll := step[*authflow.AskEnroll](t, b.password("ada@example.com"))
		if !strings.HasPrefix(enroll.URI, "otpauth://totp/Test:ada@example.com?secret="+enroll.Secret) {
			t.Errorf("the link for apps is %s", enroll.URI)
		}
		if again := step[*authflow.AskEnroll](t, b.look()); again.Secret != enroll.Secret {
			t.Error("looking again gives another secret")
		}
		if got := problem(b.submit(authflow.EnterCode{Code: "000000"})); got != "code_wrong" {
			t.Errorf("a wrong first code: %q", got)
		}
		first := identity.TOTPCode(enroll.Secret, time.Now())
		codes := step[*authflow.TellRecoveryCodes](t, b.submit(authflow.EnterCode{Code: first})).Codes
		if len(codes) != 10 {
			t.Fatalf("recovery codes: %q", codes)
		}
		g, err := h.redeem(codeOf(t, b.submit(authflow.Continue{}), h.request().State))
		must(t, err)
		if d := cmp.Diff([]any{"pwd", "otp", "mfa"}, claimsOf(t, g.AccessToken)["amr"]); d != "" {
			t.Error(d)
		}

		// The code that enrolled the app works no second time.
		other := &browser{h: h}
		step[*authflow.AskFactor](t, other.password("ada@example.com"))
		if got := problem(other.submit(authflow.EnterCode{Code: first})); got != "code_wrong" {
			t.Errorf("the code of the enrolment again: %q", got)
		}
		time.Sleep(30 * time.Second)
		right := identity.TOTPCode(enroll.Secret, time.Now())
		codeOf(t, other.submit(authflow.EnterCode{Code: right}), h.request().State)
		third := &browser{h: h}
		step[*authflow.AskFactor](t, third.password("ada@example.com"))
		if got := problem(third.submit(authflow.EnterCode{Code: right})); got != "code_wrong" {
			t.Errorf("the same code in another sign-in: %q", got)
		}

		// The app is lost.
		step[*authflow.AskRecoveryCode](t, third.submit(authflow.GoTo{Place: authflow.RecoveryCode}))
		if got := problem(third.submit(authflow.EnterRecoveryCode{Code: "aaaaaa-aaaaaa-aaaaaa-aaaaaa"})); got != "code_wrong" {
			t.Errorf("a wrong recovery code: %q", got)
		}
		if left := step[*authflow.TellCodesLeft](t, third.submit(authflow.EnterRecoveryCode{Code: codes[3]})).Left; left != 9 {
			t.Errorf("%d codes left", left)
		}
		codeOf(t, third.submit(authflow.Continue{}), h.request().State)
		used := &browser{h: h}
		used.password("ada@example.com")
		used.submit(authflow.GoTo{Place: authflow.RecoveryCode})
		if got := problem(used.submit(authflow.EnterRecoveryCode{Code: codes[3]})); got != "code_wrong" {
			t.Errorf("a recovery code again: %q", got)
		}
		if again := step[*authflow.TellRecoveryCodes](t, func() authflow.Step {
			renewing := &browser{h: h}
			renewing.password("ada@example.com")
			renewing.submit(authflow.GoTo{Place: authflow.RecoveryCode})
			step[*authflow.TellCodesLeft](t, renewing.submit(authflow.EnterRecoveryCode{Code: codes[4]}))
			return renewing.submit(authflow.RenewCodes{})
		}()).Codes; len(again) != 10 || again[0] == codes[0] {
			t.Errorf("new codes: %q", again)
		} else {
			codes[3] = codes[5] // one that was never used, but is void now
		}
		fourth := &browser{h: h}
		fourth.password("ada@example.com")
		fourth.submit(authflow.GoTo{Place: authflow.RecoveryCode})
		if got := problem(fourth.submit(authflow.EnterRecoveryCode{Code: codes[3]})); got != "code_wrong" {
			t.Errorf("a recovery code that was replaced: %q", got)
		}

		// Guessing is slowed down, for the account and not only for the attempt.
		for range 12 {
			fifth := &browser{h: h}
			fifth.password("ada@example.com")
			fifth.submit(authflow.EnterCode{Code: "000000"})
		}
		late := &browser{h: h}
		late.password("ada@example.com")
		time.Sleep(30 * time.Second)
		if got := problem(late.submit(authflow.EnterCode{Code: identity.TOTPCode(enroll.Secret, time.Now())})); got != "too_many_attempts" {
			t.Errorf("after a dozen wrong codes the right one: %q", got)
		}
		all := strings.Join(h.events(), " ")
		for _, want := range []string{"authentication.mfa_succeeded", "authentication.mfa_failed"} {
			if !strings.Contains(all, want) {
				t.Errorf("no event %s", want)
			}
		}
	})
}

func TestFlowSilentSignInStillAsksWhatIsMissing(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		h.passwordUser("ada@example.com")
		b := &browser{h: h}
		codeOf(t, b.password("ada@example.com"), h.request().State)
		codeOf(t, b.begin(h.request()), h.request().State) // silent
		_, err := h.ids.ChangeSettings(t.Context(), h.env.ID, func(s *identity.Settings) { s.MFA = identity.MFARequired })
		must(t, err)
		r := h.request()
		r.Prompt = "none"
		if got := b.begin(r).(*authflow.Done).RedirectTo; !strings.Contains(got, "error=interaction_required") {
			t.Errorf("prompt=none leads to %s", got)
		}
		enroll := step[*authflow.AskEnroll](t, b.begin(h.request()))
		step[*authflow.TellRecoveryCodes](t, b.submit(authflow.EnterCode{Code: identity.TOTPCode(enroll.Secret, time.Now())}))
		codeOf(t, b.submit(authflow.Continue{}), h.request().State)
		codeOf(t, b.begin(h.request()), h.request().State) // silent again
	})
}

func TestFlowOrganizationIsChosenBeforeTheCode(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		u := h.passwordUser("ada@example.com")
		org := func(name string, member bool) identity.OrganizationID {
			o, err := h.ids.CreateOrganization(t.Context(), h.env.ID, identity.NewOrganization{Name: name})
			must(t, err)
			if member {
				_, err = h.ids.AddMembership(t.Context(), h.env.ID, identity.NewMembership{User: u.ID, Organization: o.ID})
				must(t, err)
			}
			return o.ID
		}
		foreign := org("Foreign", false)
		b := &browser{h: h}
		if g, err := h.redeem(codeOf(t, b.password("ada@example.com"), h.request().State)); err != nil || g.OrganizationID != "" {
			t.Fatal("without an organization:", g, err)
		}
		acme := org("Acme", true)
		if g, err := h.redeem(codeOf(t, b.password("ada@example.com"), h.request().State)); err != nil || g.OrganizationID != acme {
			t.Fatal("with the only one:", g, err)
		}
		zeta := org("Zeta", true)
		choice := step[*authflow.AskOrganization](t, b.password("ada@example.com"))
		if len(choice.Organizations) != 2 || choice.Organizations[0].Name != "Acme" {
			t.Errorf("choice: %+v", choice.Organizations)
		}
		step[*authflow.AskOrganization](t, b.submit(authflow.ChooseOrganization{Organization: foreign}))
		if g, err := h.redeem(codeOf(t, b.submit(authflow.ChooseOrganization{Organization: zeta}), h.request().State)); err != nil || g.OrganizationID != zeta {
			t.Fatal("with the chosen one:", g, err)
		}
		// The browser remembers the choice, and the request overrules it.
		if g, err := h.redeem(codeOf(t, b.begin(h.request()), h.request().State)); err != nil || g.OrganizationID != zeta {
			t.Fatal("silently:", g, err)
		}
		r := h.request()
		r.OrganizationID = string(acme)
		if g, err := h.redeem(codeOf(t, b.begin(r), r.State)); err != nil || g.OrganizationID != acme {
			t.Fatal("silently with the one asked for:", g, err)
		}
		r.OrganizationID = string(foreign)
		if got := step[*authflow.TellNotMember](t, b.begin(r)); got.Organization != "Foreign" {
			t.Errorf("no member of %q", got.Organization)
		}
		if to := step[*authflow.Done](t, b.submit(authflow.GiveUp{})).RedirectTo; !strings.Contains(to, "error=access_denied") || !strings.Contains(to, url.QueryEscape(r.State)) {
			t.Errorf("back to the app: %s", to)
		}
		r.OrganizationID = "org_01J0000000000000000000000"
		if to := step[*authflow.Done](t, b.begin(r)).RedirectTo; !strings.Contains(to, "error=organization_invalid") {
			t.Errorf("an organization that does not exist: %s", to)
		}
		// Who leaves between the code and its redemption is out.
		r.OrganizationID = string(acme)
		code := codeOf(t, b.begin(r), r.State)
		must(t, h.ids.Update(t.Context(), func(tx *identity.Tx) error {
			m, err := tx.Membership(h.env.ID, u.ID, acme)
			if err != nil {
				return err
			}
			return tx.RemoveMembership(h.env.ID, m.ID)
		}))
		if _, err := h.redeem(code); refusal(err) != "oauth:invalid_grant" {
			t.Errorf("a code of an organization that was left: %v", err)
		}
	})
}

func TestFlowOrganizationAsksForASecondFactor(t *testing.T) {
	inHouse(t, identity.Settings{MFA: identity.MFAOff}, func(t *testing.T, h *house) {
		u := h.passwordUser("ada@example.com")
		o, err := h.ids.CreateOrganization(t.Context(), h.env.ID, identity.NewOrganization{Name: "Acme"})
		must(t, err)
		_, err = h.ids.AddMembership(t.Context(), h.env.ID, identity.NewMembership{User: u.ID, Organization: o.ID})
		must(t, err)
		b := &browser{h: h}
		codeOf(t, b.password("ada@example.com"), h.request().State)
		must(t, h.ids.Update(t.Context(), func(tx *identity.Tx) error { return tx.SetOrganizationMFA(h.env.ID, o.ID, identity.MFARequired) }))
		step[*authflow.AskEnroll](t, b.password("ada@example.com"))
	})
}

func TestFlowResetDoesNotPassByTheSecondFactor(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		u := h.passwordUser("ada@example.com")
		var secret string
		var p *identity.PasswordReset
		must(t, h.ids.Update(t.Context(), func(tx *identity.Tx) (err error) {
			if _, secret, err = tx.EnrollFactor(h.env.ID, identity.NewFactor{User: u.ID, Type: identity.FactorTOTP}); err != nil {
				return err
			}
			p, err = tx.CreatePasswordReset(h.env.ID, u.ID)
			return err
		}))
		link := &browser{h: h}
		link.begin(with(h.request(), func(r *authflow.AuthorizeRequest) { r.PasswordResetToken = p.Token }))
		step[*authflow.AskFactor](t, link.submit(authflow.ChoosePassword{Password: "lentil soup at noon"}))
		step[*authflow.AskFactor](t, link.look())
		h.mailedCode("ada@example.com") // lets the mail of the change go first
		mailed := &browser{h: h}
		mailed.begin(h.request())
		mailed.submit(authflow.GoTo{Place: authflow.Forgot})
		mailed.submit(authflow.ForgotPassword{Email: "ada@example.com"})
		step[*authflow.AskNewPassword](t, mailed.submit(authflow.EnterCode{Code: h.mailedCode("ada@example.com")}))
		step[*authflow.AskFactor](t, mailed.submit(authflow.ChoosePassword{Password: "another long password"}))
		if got := problem(mailed.submit(authflow.EnterCode{Code: "000000"})); got != "code_wrong" {
			t.Errorf("a wrong code: %q", got)
		}
		codeOf(t, mailed.submit(authflow.EnterCode{Code: identity.TOTPCode(secret, time.Now())}), h.request().State)
	})
}
