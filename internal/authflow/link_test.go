package authflow_test

import (
	"strings"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/identity"
)

// invite makes an organization and an invitation to it.
func (h *house) invite(email string) (*identity.Organization, *identity.Invitation) {
	h.t.Helper()
	o, err := h.ids.CreateOrganization(h.t.Context(), h.env.ID, identity.NewOrganization{Name: "Acme"})
	must(h.t, err)
	var i *identity.Invitation
	must(h.t, h.ids.Update(h.t.Context(), func(tx *identity.Tx) error {
		i, err = tx.CreateInvitation(h.env.ID, identity.NewInvitation{Email: email, Organization: o.ID, Days: new(1)})
		return err
	}))
	return o, i
}

func TestFlowInvitationOpensAClosedDoor(t *testing.T) {
	inHouse(t, identity.Settings{SignUpDisabled: true}, func(t *testing.T, h *house) {
		o, i := h.invite("ada@example.com")
		to, err := h.flow.Follow(t.Context(), authflow.LinkInvitation, i.Token)
		must(t, err)
		r := to.Request
		if r.InvitationToken != i.Token || to.RedirectTo != "" {
			t.Fatalf("the link leads to %+v", to)
		}
		b := &browser{h: h}
		page := step[*authflow.AskSignUp](t, b.begin(r))
		if page.Email != "ada@example.com" {
			t.Errorf("the page asks %q", page.Email)
		}
		done := step[*authflow.Done](t, b.submit(authflow.Register{Email: "ada@example.com", Password: "correct horse battery"}))
		if !strings.HasPrefix(done.RedirectTo, "https://app.example.com/callback?code=") {
			t.Fatalf("leads to %s", done.RedirectTo)
		}
		g, err := h.flow.Redeem(t.Context(), authflow.GrantRequest{Type: authflow.GrantAuthorizationCode, ClientID: string(h.env.ClientID), ClientSecret: h.secret,
			Code: done.RedirectTo[strings.Index(done.RedirectTo, "code=")+len("code="):]})
		must(t, err)
		if g.OrganizationID != o.ID || !g.User.EmailVerified {
			t.Errorf("in %q, verified %v", g.OrganizationID, g.User.EmailVerified)
		}
		// The link again: who used it is simply signed in, anybody else reads why not.
		if g, err := h.redeem(codeOf(t, b.begin(with(h.request(), func(r *authflow.AuthorizeRequest) { r.InvitationToken = i.Token })), h.request().State)); err != nil || g.OrganizationID != o.ID {
			t.Fatal("the link again:", g, err)
		}
		h.passwordUser("eve@example.com")
		other := &browser{h: h}
		step[*authflow.AskSignIn](t, other.begin(with(h.request(), func(r *authflow.AuthorizeRequest) { r.InvitationToken = i.Token })))
		told := step[*authflow.TellInvitation](t, other.submit(authflow.EnterPassword{Email: "eve@example.com", Password: "correct horse battery"}))
		if told.Fault != authflow.InvitationUsed {
			t.Errorf("the link is %s for somebody else", told.Fault)
		}
		if g, err := h.redeem(codeOf(t, other.submit(authflow.Continue{}), h.request().State)); err != nil || g.OrganizationID != "" {
			t.Error("without it:", g, err)
		}
	})
}

// with changes a request.
func with(r authflow.AuthorizeRequest, change func(*authflow.AuthorizeRequest)) authflow.AuthorizeRequest {
	change(&r)
	return r
}

func TestFlowInvitationIsForOneAddress(t *testing.T) {
	inHouse(t, identity.Settings{SignUpDisabled: true}, func(t *testing.T, h *house) {
		o, i := h.invite("ada@gmail.com")
		eve := h.passwordUser("eve@gmail.com")
		b := &browser{h: h}
		r := with(h.request(), func(r *authflow.AuthorizeRequest) { r.InvitationToken = i.Token })
		step[*authflow.AskSignUp](t, b.begin(r))
		b.submit(authflow.GoTo{Place: authflow.SignIn})
		told := step[*authflow.TellInvitation](t, b.submit(authflow.EnterPassword{Email: "eve@gmail.com", Password: "correct horse battery"}))
		if told.Fault != authflow.InvitationOther || told.Email != "eve@gmail.com" {
			t.Errorf("told %s to %s", told.Fault, told.Email)
		}
		must(t, h.ids.View(t.Context(), func(tx *identity.Tx) error {
			m, err := tx.Membership(h.env.ID, eve.ID, o.ID)
			if m != nil {
				t.Error("a member all the same")
			}
			return err
		}))
		// A stranger makes no account with it.
		s := &browser{h: h}
		s.begin(r)
		s.submit(authflow.Register{Email: "mallory@gmail.com", Password: "correct horse battery"})
		step[*authflow.TellInvitation](t, s.submit(authflow.EnterCode{Code: h.mailedCode("mallory@gmail.com")}))
		if got := problem(s.submit(authflow.Continue{})); got != "sign_up_not_allowed" {
			t.Errorf("a stranger with it: %q", got)
		}
		// Revoked, expired and unknown ones have a page.
		must(t, h.ids.Update(t.Context(), func(tx *identity.Tx) error { _, err := tx.RevokeInvitation(h.env.ID, i.ID); return err }))
		if got := step[*authflow.TellInvitation](t, b.begin(r)).Fault; got != authflow.InvitationRevoked {
			t.Errorf("revoked: %s", got)
		}
		step[*authflow.AskSignIn](t, b.submit(authflow.GoTo{Place: authflow.SignIn}))
		r.InvitationToken = "nonsense"
		if got := step[*authflow.TellInvitation](t, b.begin(r)).Fault; got != authflow.InvitationUnknown {
			t.Errorf("unknown: %s", got)
		}
		_, late := h.invite("bob@gmail.com")
		time.Sleep(24*time.Hour + time.Second)
		r.InvitationToken = late.Token
		if got := step[*authflow.TellInvitation](t, b.begin(r)).Fault; got != authflow.InvitationExpired {
			t.Errorf("expired: %s", got)
		}
		if _, err := h.flow.Follow(t.Context(), authflow.LinkInvitation, "nonsense"); apierr.KindOf(err) != apierr.NotFound {
			t.Errorf("a link that never was: %v", err)
		}
	})
}

func TestFlowLinksBounceThroughTheApplication(t *testing.T) {
	inHouse(t, identity.Settings{InitiateLoginURI: "http://localhost:5173/login?from=mail"}, func(t *testing.T, h *house) {
		_, i := h.invite("ada@example.com")
		to, err := h.flow.Follow(t.Context(), authflow.LinkInvitation, i.Token)
		must(t, err)
		if want := "http://localhost:5173/login?from=mail&invitation_token=" + i.Token; to.RedirectTo != want {
			t.Errorf("leads to %s, want %s", to.RedirectTo, want)
		}
	})
}

// An application that has not said where its sign-ins begin, and whose package refuses
// codes that it did not ask for.
func TestFlowLinksEndAtTheHomepage(t *testing.T) {
	const home = "https://app.example.com/welcome"
	inHouse(t, identity.Settings{HomepageURL: home}, func(t *testing.T, h *house) {
		o, i := h.invite("ada@example.com")
		to, err := h.flow.Follow(t.Context(), authflow.LinkInvitation, i.Token)
		must(t, err)
		b := &browser{h: h}
		if page := step[*authflow.AskSignUp](t, b.begin(to.Request)); page.Email != "ada@example.com" || page.LeadsTo != home {
			t.Errorf("asks %q, leads to %s", page.Email, page.LeadsTo)
		}
		first := step[*authflow.Done](t, b.submit(authflow.Register{Email: "ada@example.com", Password: "correct horse battery"}))
		again := step[*authflow.Done](t, b.submit(authflow.Continue{}))
		if first.RedirectTo != home || again.RedirectTo != home {
			t.Errorf("ends at %s, sent twice at %s", first.RedirectTo, again.RedirectTo)
		}
		// From there the application's own sign-in asks nothing.
		if g, err := h.redeem(codeOf(t, b.begin(h.request()), h.request().State)); err != nil || g.OrganizationID != o.ID {
			t.Error("the application's own:", g, err)
		}
		// The link again, in a browser that is signed in.
		if to := step[*authflow.Done](t, b.begin(to.Request)).RedirectTo; to != home {
			t.Errorf("the link again ends at %s", to)
		}
		u := h.passwordUser("bob@example.com")
		_, secret, err := h.flow.NewImpersonation(t.Context(), h.env.ID, help(u))
		must(t, err)
		begun, err := h.flow.Impersonate(t.Context(), authflow.Visitor{}, secret)
		must(t, err)
		if to := step[*authflow.Done](t, begun.Step).RedirectTo; to != home {
			t.Errorf("an impersonation begins at %s", to)
		}
		support := &browser{h: h, v: authflow.Visitor{Browser: begun.Browser}}
		if g, err := h.redeem(codeOf(t, support.begin(h.request()), h.request().State)); err != nil || g.Impersonator == nil {
			t.Error("as bob:", g, err)
		}
	})
}

func TestFlowResetLinkSetsAPasswordOnce(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		u := h.passwordUser("ada@example.com")
		var p *identity.PasswordReset
		must(t, h.ids.Update(t.Context(), func(tx *identity.Tx) (err error) {
			p, err = tx.CreatePasswordReset(h.env.ID, u.ID)
			return err
		}))
		r := with(h.request(), func(r *authflow.AuthorizeRequest) { r.PasswordResetToken = p.Token })
		b, late := &browser{h: h}, &browser{h: h}
		step[*authflow.AskNewPassword](t, b.begin(r))
		step[*authflow.AskNewPassword](t, late.begin(r))
		if got := problem(b.submit(authflow.ChoosePassword{Password: "short"})); got != "password_too_short" {
			t.Errorf("a short one: %q", got)
		}
		g, err := h.redeem(codeOf(t, b.submit(authflow.ChoosePassword{Password: "lentil soup at noon"}), r.State))
		must(t, err)
		if g.User.ID != u.ID {
			t.Errorf("signed in as %s", g.User.ID)
		}
		if got := problem(late.submit(authflow.ChoosePassword{Password: "another long password"})); got != "reset_link_expired" {
			t.Errorf("the same link in another window: %q", got)
		}
		if got := problem(late.begin(r)); got != "reset_link_expired" {
			t.Errorf("the same link later: %q", got)
		}
		if got := problem((&browser{h: h}).password("ada@example.com")); got != "invalid_credentials" {
			t.Errorf("the old password: %q", got)
		}
	})
}
