package authflow_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/identity"
)

func TestAttackerWithACode(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		code := (&browser{h: h}).signUp("ada@example.com")
		try := func(change func(*authflow.GrantRequest)) (*authflow.Grant, error) {
			r := authflow.GrantRequest{Type: authflow.GrantAuthorizationCode, ClientID: string(h.env.ClientID), Code: code, CodeVerifier: verifier}
			change(&r)
			return h.flow.Redeem(t.Context(), r)
		}
		other, err := h.ids.CreateEnvironment(t.Context(), identity.NewEnvironment{Name: "other"})
		must(t, err)
		_, otherSecret, err := h.ids.CreateAPIKey(t.Context(), other.ID, "k", "")
		must(t, err)
		for name, c := range map[string]struct {
			want   string
			change func(*authflow.GrantRequest)
		}{
			"no verifier":                  {"oauth:invalid_grant", func(r *authflow.GrantRequest) { r.CodeVerifier = "" }},
			"another verifier":             {"oauth:invalid_grant", func(r *authflow.GrantRequest) { r.CodeVerifier = strings.Repeat("w", 64) }},
			"the challenge as verifier":    {"oauth:invalid_grant", func(r *authflow.GrantRequest) { r.CodeVerifier = challenge }},
			"no verifier but the secret":   {"oauth:invalid_grant", func(r *authflow.GrantRequest) { r.CodeVerifier, r.ClientSecret = "", h.secret }},
			"a wrong secret":               {"oauth:invalid_client", func(r *authflow.GrantRequest) { r.ClientSecret = "sk_test_wrong_wrong_wrong" }},
			"another environment's secret": {"oauth:invalid_client", func(r *authflow.GrantRequest) { r.ClientSecret = otherSecret }},
			"another client":               {"oauth:invalid_grant", func(r *authflow.GrantRequest) { r.ClientID = string(other.ClientID) }},
			"an unknown client":            {"oauth:invalid_client", func(r *authflow.GrantRequest) { r.ClientID = "client_x" }},
			"no client":                    {"oauth:invalid_request", func(r *authflow.GrantRequest) { r.ClientID = "" }},
			"no code":                      {"oauth:invalid_request", func(r *authflow.GrantRequest) { r.Code = "" }},
			"another code":                 {"oauth:invalid_grant", func(r *authflow.GrantRequest) { r.Code = "01JABCDEFGHJKMNPQRSTVWXYZ0" }},
			"a refresh with it":            {"oauth:invalid_grant", func(r *authflow.GrantRequest) { r.Type, r.RefreshToken = authflow.GrantRefreshToken, r.Code }},
			"no grant type":                {"oauth:invalid_request", func(r *authflow.GrantRequest) { r.Type = "" }},
			"a foreign grant type":         {"oauth:unsupported_grant_type", func(r *authflow.GrantRequest) { r.Type = "client_credentials" }},
		} {
			if _, err := try(c.change); refusal(err) != c.want {
				t.Errorf("%s: %v", name, err)
			}
		}
		// None of that burned it.
		g, err := try(func(r *authflow.GrantRequest) { r.ClientSecret = h.secret })
		must(t, err)
		// Used again, all that came of it ends.
		if _, err := try(func(*authflow.GrantRequest) {}); refusal(err) != "oauth:invalid_grant" {
			t.Errorf("again: %v", err)
		}
		if _, err := h.refresh(g.RefreshToken); refusal(err) != "oauth:invalid_grant" {
			t.Errorf("refresh after reuse of the code: %v", err)
		}
	})
}

func TestCodeIsRedeemedOnceByManyAtOnce(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		code := (&browser{h: h}).signUp("ada@example.com")
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for range 10 {
			wg.Go(func() {
				if _, err := h.redeem(code); err == nil {
					mu.Lock()
					won++
					mu.Unlock()
				} else if refusal(err) != "oauth:invalid_grant" {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won != 1 {
			t.Errorf("redeemed %d times", won)
		}
	})
}

func TestCodeExpiresAndAnswersARetryAlike(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		b := &browser{h: h}
		code := b.signUp("ada@example.com")
		r := authflow.GrantRequest{Type: authflow.GrantAuthorizationCode, ClientID: string(h.env.ClientID), Code: code, CodeVerifier: verifier, IdempotencyKey: "retry-1"}
		first, err := h.flow.Redeem(t.Context(), r)
		must(t, err)
		again, err := h.flow.Redeem(t.Context(), r)
		must(t, err)
		if again.Session != first.Session || again.RefreshToken != first.RefreshToken {
			t.Error("the retry of a lost answer made another session")
		}
		late := codeOf(t, b.begin(h.request()), h.request().State)
		time.Sleep(10 * time.Minute)
		if _, err := h.redeem(late); refusal(err) != "oauth:invalid_grant" {
			t.Errorf("late: %v", err)
		}
	})
}

func TestCodeWithoutChallengeNeedsTheSecret(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		b := &browser{h: h}
		b.signUp("ada@example.com")
		r := h.request()
		r.CodeChallenge, r.CodeChallengeMethod, r.HasState, r.State = "", "", false, ""
		s := b.begin(r)
		if strings.Contains(step[*authflow.Done](t, s).RedirectTo, "state") {
			t.Error("a state came from nowhere")
		}
		g := authflow.GrantRequest{Type: authflow.GrantAuthorizationCode, ClientID: string(h.env.ClientID), Code: codeOf(t, s, "")}
		if _, err := h.flow.Redeem(t.Context(), g); refusal(err) != "oauth:invalid_client" {
			t.Errorf("public: %v", err)
		}
		stripped := g
		stripped.CodeVerifier = verifier
		if _, err := h.flow.Redeem(t.Context(), stripped); refusal(err) != "plain:code_challenge_not_found" {
			t.Errorf("verifier without a challenge: %v", err)
		}
		g.ClientSecret = h.secret
		if _, err := h.flow.Redeem(t.Context(), g); err != nil {
			t.Error(err)
		}
	})
}

func TestRefreshThroughTheWindow(t *testing.T) {
	inHouse(t, identity.Settings{AccessTokenLifetime: 15 * time.Second}, func(t *testing.T, h *house) {
		g, err := h.redeem((&browser{h: h}).signUp("ada@example.com"))
		must(t, err)
		// Five tabs that share one token, all at once, for two minutes.
		shared := g.RefreshToken
		jwts := map[string]bool{}
		for range 24 {
			var wg sync.WaitGroup
			got := make([]*authflow.Grant, 5)
			for i := range got {
				wg.Go(func() {
					r, err := h.refresh(shared)
					if err != nil {
						t.Error(err)
					}
					got[i] = r
				})
			}
			wg.Wait()
			for _, r := range got {
				if r == nil || r.RefreshToken != got[0].RefreshToken {
					t.Fatal("tabs got different successors")
				}
				if jwts[r.AccessToken] {
					t.Error("an access token came twice")
				}
				jwts[r.AccessToken] = true
			}
			shared = got[0].RefreshToken
			time.Sleep(5 * time.Second)
		}
		// A thief with the first token, long after.
		_, err = h.refresh(g.RefreshToken)
		if e, _ := apierr.As(err); e == nil || e.Message != "Refresh token already exchanged." || refusal(err) != "oauth:invalid_grant" {
			t.Errorf("thief: %v", err)
		}
		if _, err := h.refresh(shared); refusal(err) != "oauth:invalid_grant" {
			t.Errorf("owner after the theft: %v", err)
		}
	})
}

func TestRefreshEndsWithInactivityAndKeepsOrganizationsOut(t *testing.T) {
	inHouse(t, identity.Settings{InactivityTimeout: time.Hour, SessionLifetime: 3 * time.Hour}, func(t *testing.T, h *house) {
		g, err := h.redeem((&browser{h: h}).signUp("ada@example.com"))
		must(t, err)
		_, err = h.flow.Redeem(t.Context(), authflow.GrantRequest{Type: authflow.GrantRefreshToken, ClientID: string(h.env.ClientID), RefreshToken: g.RefreshToken, Organization: "org_1"})
		if refusal(err) != "oauth:organization_not_found" {
			t.Errorf("organization: %v", err)
		}
		text := g.RefreshToken
		for range 3 {
			time.Sleep(50 * time.Minute)
			r, err := h.refresh(text)
			must(t, err)
			text = r.RefreshToken
		}
		time.Sleep(31 * time.Minute) // beyond the lifetime, though not inactive for an hour
		if _, err := h.refresh(text); refusal(err) != "oauth:invalid_grant" {
			t.Errorf("beyond the lifetime: %v", err)
		}
	})
}

func TestPasswordGrantStepsUp(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		hash, err := cheap().Hash(t.Context(), goodPassword)
		must(t, err)
		_, err = h.ids.CreateUser(t.Context(), h.env.ID, identity.NewUser{Email: "bob@example.com", PasswordHash: hash})
		must(t, err)
		r := authflow.GrantRequest{Type: authflow.GrantPassword, ClientID: string(h.env.ClientID), Email: "bob@example.com", Password: goodPassword}
		if _, err := h.flow.Redeem(t.Context(), r); refusal(err) != "oauth:invalid_client" {
			t.Errorf("without secret: %v", err)
		}
		r.ClientSecret = h.secret
		wrong := r
		wrong.Password = "wrong"
		if _, err := h.flow.Redeem(t.Context(), wrong); refusal(err) != "plain:invalid_credentials" {
			t.Errorf("wrong: %v", err)
		}
		_, err = h.flow.Redeem(t.Context(), r)
		e, _ := apierr.As(err)
		if refusal(err) != "plain:email_verification_required" || e.Kind != apierr.Forbidden {
			t.Fatalf("unverified: %v", err)
		}
		d := e.Details.(*authflow.Refusal)
		v := authflow.GrantRequest{Type: authflow.GrantEmailVerification, ClientID: string(h.env.ClientID), ClientSecret: h.secret, PendingAuthenticationToken: d.PendingAuthenticationToken, Code: "000000"}
		right := h.mailedCode("bob@example.com")
		if right != "000000" {
			if _, err := h.flow.Redeem(t.Context(), v); refusal(err) != "plain:invalid_one_time_code" {
				t.Errorf("wrong code: %v", err)
			}
		}
		v.Code = right
		g, err := h.flow.Redeem(t.Context(), v)
		must(t, err)
		if !g.User.EmailVerified || g.RefreshToken == "" {
			t.Errorf("%+v", g.User)
		}
		if _, err := h.flow.Redeem(t.Context(), v); refusal(err) != "plain:invalid_pending_authentication_token" {
			t.Errorf("again: %v", err)
		}
		if _, err := h.flow.Redeem(t.Context(), r); err != nil {
			t.Errorf("verified: %v", err)
		}
	})
}

func TestLogoutIsTolerantAndNoOpenRedirect(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		g, err := h.redeem((&browser{h: h}).signUp("ada@example.com"))
		must(t, err)
		for _, c := range []struct{ session, to, want string }{
			{string(g.Session), "", "https://app.example.com/"},
			{string(g.Session), "https://evil.example/", "https://app.example.com/"},
			{string(g.Session), "https://app.example.com/bye?x=1", "https://app.example.com/bye?x=1"},
			{string(g.Session), "//evil.example", "https://app.example.com/"},
			{string(g.Session), "https://app.example.com@evil.example/", "https://app.example.com/"},
			{string(g.Session), "javascript:alert(1)", "https://app.example.com/"},
			{identity.NewID("session_"), "http://localhost:3000/", "http://localhost:3000/"},
			{identity.NewID("session_"), "https://evil.example/", "https://app.example.com/"},
		} {
			out, err := h.flow.Logout(t.Context(), authflow.LogoutRequest{SessionID: c.session, ReturnTo: c.to})
			if err != nil || out.RedirectTo != c.want {
				t.Errorf("%q: %+v %v", c.to, out, err)
			}
		}
		must(t, h.ids.SetHomepage(t.Context(), h.env.ID, "https://www.example.com/home"))
		if out, _ := h.flow.Logout(t.Context(), authflow.LogoutRequest{SessionID: string(g.Session)}); out.RedirectTo != "https://www.example.com/home" {
			t.Errorf("%+v", out)
		}
		if _, err := h.flow.Logout(t.Context(), authflow.LogoutRequest{SessionID: "x' or 1=1"}); refusal(err) != "plain:invalid_session_id" {
			t.Errorf("bad id: %v", err)
		}
	})
}
