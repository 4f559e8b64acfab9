package authflow_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/identity"
)

// ask sends a confidential grant and gives what it answers.
func (h *house) ask(g authflow.GrantRequest) (*authflow.Grant, *authflow.Refusal, string) {
	g.ClientID, g.ClientSecret = string(h.env.ClientID), h.secret
	out, err := h.flow.Redeem(h.t.Context(), g)
	if err == nil {
		return out, nil, "granted"
	}
	e, _ := apierr.As(err)
	d, _ := e.Details.(*authflow.Refusal)
	return nil, d, refusal(err)
}

// user makes a user with goodPassword.
func (h *house) user(t *testing.T, email string, verified bool) identity.UserID {
	t.Helper()
	hash, err := cheap().Hash(t.Context(), goodPassword)
	must(t, err)
	u, err := h.ids.CreateUser(t.Context(), h.env.ID, identity.NewUser{Email: email, EmailVerified: verified, PasswordHash: hash})
	must(t, err)
	return u.ID
}

// enroll gives a user an authenticator app.
func (h *house) enroll(t *testing.T, user identity.UserID) (id identity.FactorID, secret string) {
	t.Helper()
	must(t, h.ids.Update(t.Context(), func(tx *identity.Tx) error {
		f, s, err := tx.EnrollFactor(h.env.ID, identity.NewFactor{User: user, Type: identity.FactorTOTP, Issuer: "Test", Account: "a"})
		if err == nil {
			id, secret = f.ID, s
		}
		return err
	}))
	return id, secret
}

// challenge begins a challenge of a factor.
func (h *house) challenge(t *testing.T, id identity.FactorID) (c identity.ChallengeID) {
	t.Helper()
	must(t, h.ids.Update(t.Context(), func(tx *identity.Tx) error {
		ch, _, err := tx.ChallengeFactor(h.env.ID, id)
		if err == nil {
			c = ch.ID
		}
		return err
	}))
	return c
}

// history names what happened, oldest first, from the n-th on.
func (h *house) history(t *testing.T, n int) []string {
	t.Helper()
	l, err := h.ids.Events(t.Context(), h.env.ID, nil, identity.Page{Limit: 100})
	must(t, err)
	var out []string
	for _, e := range l.Data[min(n, len(l.Data)):] {
		out = append(out, e.Name)
	}
	return out
}

// passwordGrant is Ada's.
var passwordGrant = authflow.GrantRequest{Type: authflow.GrantPassword, Email: "ada@example.com", Password: goodPassword}

// TestChainOfEverything walks a sign-in through every step there is.
func TestChainOfEverything(t *testing.T) {
	inHouse(t, identity.Settings{AMR: true}, func(t *testing.T, h *house) {
		ada := h.user(t, "ada@example.com", false)
		factor, secret := h.enroll(t, ada)
		acme, beta := h.member(t, ada, "Acme"), h.member(t, ada, "Beta")
		other := h.member(t, "", "Other")
		before := len(h.history(t, 0))

		_, d, got := h.ask(passwordGrant)
		if got != "plain:email_verification_required" || d.Email != "ada@example.com" || d.EmailVerificationID == "" {
			t.Fatalf("%s %+v", got, d)
		}
		mailbox := authflow.GrantRequest{Type: authflow.GrantEmailVerification, PendingAuthenticationToken: d.PendingAuthenticationToken, Code: h.mailedCode("ada@example.com")}
		_, d, got = h.ask(mailbox)
		if got != "plain:mfa_challenge" || d.User.ID != ada || len(d.Factors) != 1 || d.Factors[0].ID != factor {
			t.Fatalf("%s %+v", got, d)
		}
		if _, _, got := h.ask(mailbox); got != "plain:invalid_pending_authentication_token" {
			t.Errorf("the first token again: %s", got)
		}
		second := authflow.GrantRequest{Type: authflow.GrantMFATOTP, PendingAuthenticationToken: d.PendingAuthenticationToken, AuthenticationChallengeID: string(h.challenge(t, factor)), Code: "000000"}
		if _, _, got := h.ask(second); got != "plain:invalid_one_time_code" {
			t.Errorf("wrong: %s", got)
		}
		second.Code = identity.TOTPCode(secret, time.Now())
		_, d, got = h.ask(second)
		if got != "plain:organization_selection_required" || !cmp.Equal(d.Organizations, []authflow.OrganizationChoice{{ID: acme, Name: "Acme"}, {ID: beta, Name: "Beta"}}) {
			t.Fatalf("%s %+v", got, d)
		}
		choose := authflow.GrantRequest{Type: authflow.GrantOrganizationSelection, PendingAuthenticationToken: d.PendingAuthenticationToken, Organization: other}
		if _, _, got := h.ask(choose); got != "plain:invalid_organization_id" {
			t.Errorf("another organization: %s", got)
		}
		choose.Organization = beta
		g, _, got := h.ask(choose)
		if got != "granted" || g.OrganizationID != beta || g.AuthenticationMethod != identity.MethodPassword || !g.User.EmailVerified {
			t.Fatalf("%s %+v", got, g)
		}
		c := claimsOf(t, g.AccessToken)
		if c["org_id"] != string(beta) || !cmp.Equal(c["amr"], []any{"pwd", "otp", "mfa"}) {
			t.Errorf("%v", c)
		}
		if d := cmp.Diff([]string{"email_verification.created", "user.updated", "authentication.mfa_failed", "authentication.password_succeeded",
			"authentication.email_verification_succeeded", "authentication.mfa_succeeded", "session.created"}, h.history(t, before)); d != "" {
			t.Error(d)
		}
	})
}

func TestChainTokensAreBound(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		ada, bob := h.user(t, "ada@example.com", true), h.user(t, "bob@example.com", true)
		factor, secret := h.enroll(t, ada)
		bobs, bobSecret := h.enroll(t, bob)
		start := func() authflow.GrantRequest {
			_, d, got := h.ask(passwordGrant)
			if got != "plain:mfa_challenge" {
				t.Fatal(got)
			}
			return authflow.GrantRequest{Type: authflow.GrantMFATOTP, PendingAuthenticationToken: d.PendingAuthenticationToken}
		}
		// Bob's app does not prove that Ada is there, and Bob's challenge is not used up.
		r := start()
		challenge := h.challenge(t, bobs)
		r.AuthenticationChallengeID, r.Code = string(challenge), identity.TOTPCode(bobSecret, time.Now())
		if _, _, got := h.ask(r); got != "plain:user_mismatch" {
			t.Errorf("another's factor: %s", got)
		}
		must(t, h.ids.Update(t.Context(), func(tx *identity.Tx) error {
			_, valid, err := tx.VerifyChallenge(h.env.ID, challenge, r.Code)
			if !valid {
				t.Error("the other's challenge was used up")
			}
			return err
		}))
		// A token is good for its own kind of step, its environment, and ten minutes.
		other, err := h.ids.CreateEnvironment(t.Context(), identity.NewEnvironment{Name: "other"})
		must(t, err)
		_, key, err := h.ids.CreateAPIKey(t.Context(), other.ID, "k", "")
		must(t, err)
		r.AuthenticationChallengeID, r.Code = string(h.challenge(t, factor)), identity.TOTPCode(secret, time.Now())
		elsewhere := r
		elsewhere.ClientID, elsewhere.ClientSecret = string(other.ClientID), key
		if _, err := h.flow.Redeem(t.Context(), elsewhere); refusal(err) != "plain:invalid_pending_authentication_token" {
			t.Errorf("elsewhere: %v", err)
		}
		skip := authflow.GrantRequest{Type: authflow.GrantOrganizationSelection, PendingAuthenticationToken: r.PendingAuthenticationToken, Organization: h.member(t, ada, "Acme")}
		if _, _, got := h.ask(skip); got != "plain:mfa_challenge" {
			t.Errorf("choosing an organization instead of answering: %s", got)
		}
		late := start()
		time.Sleep(10 * time.Minute)
		late.AuthenticationChallengeID, late.Code = string(h.challenge(t, factor)), identity.TOTPCode(secret, time.Now())
		if _, _, got := h.ask(late); got != "plain:invalid_pending_authentication_token" {
			t.Errorf("late: %s", got)
		}
		// Guessing ends, also with a new challenge for every five guesses.
		r = start()
		wrong := 0
		for range 12 {
			r.AuthenticationChallengeID, r.Code = string(h.challenge(t, factor)), "000000"
			if identity.TOTPCode(secret, time.Now()) == r.Code {
				r.Code = "000001"
			}
			_, _, got := h.ask(r)
			if got == "plain:invalid_one_time_code" {
				wrong++
			} else if got != "plain:one_time_code_too_many_attempts" {
				t.Error(got)
			}
		}
		r.Code = identity.TOTPCode(secret, time.Now())
		if _, _, got := h.ask(r); wrong != 10 || got != "plain:one_time_code_too_many_attempts" {
			t.Errorf("%d guesses, then %s", wrong, got)
		}
	})
}

func TestSecondFactorPolicies(t *testing.T) {
	inHouse(t, identity.Settings{MFA: identity.MFARequired}, func(t *testing.T, h *house) {
		ada := h.user(t, "ada@example.com", true)
		_, d, got := h.ask(passwordGrant)
		if got != "plain:mfa_enrollment" || d.User.ID != ada {
			t.Fatalf("%s %+v", got, d)
		}
		// The application enrols an app, and its first code goes on from there.
		factor, secret := h.enroll(t, ada)
		g, _, got := h.ask(authflow.GrantRequest{Type: authflow.GrantMFATOTP, PendingAuthenticationToken: d.PendingAuthenticationToken,
			AuthenticationChallengeID: string(h.challenge(t, factor)), Code: identity.TOTPCode(secret, time.Now())})
		if got != "granted" || g.OrganizationID != "" {
			t.Errorf("%s", got)
		}
		h.settings(t, func(s *identity.Settings) { s.MFA = identity.MFAOff })
		if _, _, got := h.ask(passwordGrant); got != "granted" {
			t.Errorf("off: %s", got)
		}
		h.settings(t, func(s *identity.Settings) { s.SignIn.NoPassword = true })
		if _, _, got := h.ask(passwordGrant); got != "plain:email_password_auth_disabled" {
			t.Errorf("no passwords: %s", got)
		}
	})
}

func TestOrganizationOfASignIn(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		ada := h.user(t, "ada@example.com", true)
		if g, _, got := h.ask(passwordGrant); got != "granted" || g.OrganizationID != "" {
			t.Errorf("none: %s", got)
		}
		acme := h.member(t, ada, "Acme")
		if g, _, got := h.ask(passwordGrant); got != "granted" || g.OrganizationID != acme {
			t.Errorf("one: %s", got)
		}
		h.flow.Rules = &onlySSO{acme}
		if _, d, got := h.ask(passwordGrant); got != "oauth:sso_required" || !cmp.Equal(d.ConnectionIDs, []string{"conn_1"}) || d.Email != "ada@example.com" {
			t.Errorf("which wants SSO: %s %+v", got, d)
		}
		h.flow.Rules = nil
		beta := h.member(t, ada, "Beta")
		must(t, h.ids.Update(t.Context(), func(tx *identity.Tx) error {
			m, err := tx.Membership(h.env.ID, ada, acme)
			if err != nil {
				return err
			}
			_, err = tx.SetMembershipActive(h.env.ID, m.ID, false)
			return err
		}))
		if g, _, got := h.ask(passwordGrant); got != "granted" || g.OrganizationID != beta {
			t.Errorf("one of two is active: %s", got)
		}
	})
}

func TestMagicAuthGrant(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		code := func() string {
			t.Helper()
			c, err := h.ids.CreateMagicAuth(t.Context(), h.env.ID, "New@Example.com", "")
			must(t, err)
			return c.Code
		}
		not := func(c string) string {
			if c == "000000" {
				return "000001"
			}
			return "000000"
		}
		magic := authflow.GrantRequest{Type: authflow.GrantMagicAuth, Email: "new@example.com", Code: "123456"}
		if _, _, got := h.ask(magic); got != "plain:invalid_one_time_code" {
			t.Errorf("nobody: %s", got)
		}
		first := code()
		magic.Code = not(first)
		if _, _, got := h.ask(magic); got != "plain:invalid_one_time_code" {
			t.Errorf("wrong: %s", got)
		}
		magic.Code = first[:3] + " " + first[3:]
		before := len(h.history(t, 0))
		g, _, got := h.ask(magic)
		if got != "granted" || g.AuthenticationMethod != identity.MethodMagicAuth || !g.User.EmailVerified || g.User.Email != "New@Example.com" {
			t.Fatalf("%s %+v", got, g)
		}
		if d := cmp.Diff([]string{"user.updated", "authentication.magic_auth_succeeded", "session.created"}, h.history(t, before)); d != "" {
			t.Error(d)
		}
		if _, _, got := h.ask(magic); got != "plain:one_time_code_previously_used" {
			t.Errorf("again: %s", got)
		}
		// A newer code voids the older one, and a code lives for ten minutes.
		old := code()
		magic.Code = old
		if newer := code(); newer != old {
			if _, _, got := h.ask(magic); got != "plain:invalid_one_time_code" {
				t.Errorf("older: %s", got)
			}
			magic.Code = newer
		}
		time.Sleep(10 * time.Minute)
		if _, _, got := h.ask(magic); got != "plain:one_time_code_expired" {
			t.Errorf("late: %s", got)
		}
		last := code()
		magic.Code = not(last)
		for range 5 {
			h.ask(magic)
		}
		magic.Code = last
		if _, _, got := h.ask(magic); got != "plain:one_time_code_too_many_attempts" {
			t.Errorf("guessed: %s", got)
		}
		// Beyond that the account is slowed down, however many codes are made.
		for range 10 {
			magic.Code = not(code())
			_, _, got = h.ask(magic)
		}
		if got != "oauth:too_many_requests" {
			t.Errorf("guessed at over many codes: %s", got)
		}
		h.settings(t, func(s *identity.Settings) { s.SignUpDisabled = true })
		if _, err := h.ids.CreateMagicAuth(t.Context(), h.env.ID, "stranger@example.com", ""); refusal(err) != "plain:sign_up_not_allowed" {
			t.Errorf("a stranger: %v", err)
		}
	})
}

func TestRadarGrantsAreRefused(t *testing.T) {
	inHouse(t, identity.Settings{MFA: identity.MFARequired}, func(t *testing.T, h *house) {
		h.user(t, "ada@example.com", true)
		_, d, _ := h.ask(passwordGrant)
		for want, r := range map[string]authflow.GrantRequest{
			"plain:invalid_pending_authentication_token": {Type: authflow.GrantRadarEmail, RadarChallengeID: "radar_challenge_1", Code: "123456", PendingAuthenticationToken: d.PendingAuthenticationToken},
			"plain:phone_number_required":                {Type: authflow.GrantRadarSMS, Code: "123456", PendingAuthenticationToken: d.PendingAuthenticationToken},
			"plain:verification_id_required":             {Type: authflow.GrantRadarSMS, PhoneNumber: "+15551234567", Code: "123456", PendingAuthenticationToken: d.PendingAuthenticationToken},
		} {
			if _, _, got := h.ask(r); got != want {
				t.Errorf("%s, not %s", got, want)
			}
		}
	})
}

// inviteTo makes an invitation into an organization.
func (h *house) inviteTo(t *testing.T, email string, org identity.OrganizationID) (token string) {
	t.Helper()
	must(t, h.ids.Update(t.Context(), func(tx *identity.Tx) error {
		i, err := tx.CreateInvitation(h.env.ID, identity.NewInvitation{Email: email, Organization: org})
		if err == nil {
			token = i.Token
		}
		return err
	}))
	return token
}

func TestInvitationTokenChoosesTheOrganization(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		ada := h.user(t, "ada@example.com", false)
		h.member(t, ada, "Acme")
		beta := h.member(t, "", "Beta")
		with := passwordGrant
		// Another's invitation, or none, lets nobody in.
		with.InvitationToken = h.inviteTo(t, "bob@elsewhere.example", beta)
		if _, _, got := h.ask(with); got != "oauth:invitation_cannot_be_used_for_email" {
			t.Errorf("another's: %s", got)
		}
		with.InvitationToken = "nothing"
		if _, _, got := h.ask(with); got != "oauth:invitation_invalid" {
			t.Errorf("unknown: %s", got)
		}
		// Her own proves that she reads the mail, and leads into its organization.
		with.InvitationToken = h.inviteTo(t, "ada@example.com", beta)
		g, _, got := h.ask(with)
		if got != "granted" || g.OrganizationID != beta || !g.User.EmailVerified || claimsOf(t, g.AccessToken)["role"] != "member" {
			t.Fatalf("%s %+v", got, g)
		}
		if g, _, got := h.ask(with); got != "granted" || g.OrganizationID != beta {
			t.Errorf("again: %s", got)
		}
		// A code grant takes one, too; a stranger may have a magic code by one.
		code := (&browser{h: h}).signUp("carl@example.com")
		gamma := h.member(t, "", "Gamma")
		cg, err := h.flow.Redeem(t.Context(), authflow.GrantRequest{Type: authflow.GrantAuthorizationCode, ClientID: string(h.env.ClientID), Code: code, CodeVerifier: verifier,
			InvitationToken: h.inviteTo(t, "carl@example.com", gamma)})
		if err != nil || cg.OrganizationID != gamma {
			t.Errorf("%v %+v", err, cg)
		}
		h.settings(t, func(s *identity.Settings) { s.SignUpDisabled = true })
		token := h.inviteTo(t, "dora@example.com", gamma)
		if _, err := h.ids.CreateMagicAuth(t.Context(), h.env.ID, "eve@elsewhere.example", token); refusal(err) != "plain:invitation_invalid" {
			t.Errorf("another's: %v", err)
		}
		c, err := h.ids.CreateMagicAuth(t.Context(), h.env.ID, "dora@example.com", token)
		must(t, err)
		g, _, got = h.ask(authflow.GrantRequest{Type: authflow.GrantMagicAuth, Email: "dora@example.com", Code: c.Code, InvitationToken: token})
		if got != "granted" || g.OrganizationID != gamma {
			t.Errorf("%s", got)
		}
	})
}
