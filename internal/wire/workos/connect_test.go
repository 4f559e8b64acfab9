package workos

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/application"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/sso"
)

// verifier is a PKCE verifier of the tests.
const verifier = "a-verifier-that-is-long-enough-for-the-rfc-of-pkce"

// codeRequest is a request for a code, with changes.
func codeRequest(client string, change ...string) application.Request {
	sum := sha256.Sum256([]byte(verifier))
	q := url.Values{"client_id": {client}, "redirect_uri": {"https://board.example/cb"}, "response_type": {"code"}, "state": {"s"}, "nonce": {"n"},
		"scope": {"openid email profile offline_access"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}}
	for i := 0; i+1 < len(change); i += 2 {
		q.Set(change[i], change[i+1])
	}
	return application.ReadRequest(q)
}

// board makes an OAuth application of a third party that uses PKCE, and a person who
// is signed in.
func (h *house) board() (client string, id string, who *application.Person, secret string, org identity.OrganizationID) {
	h.t.Helper()
	user, org := h.member("ada@example.com", "Soup")
	made := h.call("POST", "/connect/applications", object{"application_type": "oauth", "name": "Board", "is_first_party": false, "uses_pkce": true, "organization_id": org,
		"redirect_uris": []object{{"uri": "https://board.example/cb"}, {"uri": "http://127.0.0.1/cb"}}, "scopes": []string{"board:read"}}).want(201)
	check(h.t, h.Identity.Update(h.t.Context(), func(tx *identity.Tx) (err error) {
		_, secret, err = tx.StartBrowser(h.env, identity.BrowserSession{User: user, Method: identity.MethodPassword, Authenticated: tx.Now()})
		return err
	}))
	a, err := h.Applications.Ask(h.t.Context(), codeRequest(made.text("client_id")))
	check(h.t, err)
	who, err = h.Applications.Who(h.t.Context(), a, secret, time.Time{})
	check(h.t, err)
	if who == nil || who.User.ID != user {
		h.t.Fatal("nobody is signed in")
	}
	return made.text("client_id"), made.text("id"), who, secret, org
}

// code gives a code for a request.
func (h *house) code(r application.Request, who *application.Person) string {
	h.t.Helper()
	a, err := h.Applications.Ask(h.t.Context(), r)
	check(h.t, err)
	if a.Fault != nil {
		h.t.Fatal(a.Fault)
	}
	code, err := h.Applications.Grant(h.t.Context(), a, who)
	check(h.t, err)
	return code
}

// redeem redeems a code as a public client.
func (h *house) redeem(client, code string, more ...string) *answer {
	h.t.Helper()
	v := url.Values{"grant_type": {"authorization_code"}, "client_id": {client}, "code": {code}, "redirect_uri": {"https://board.example/cb"}, "code_verifier": {verifier}}
	for i := 0; i+1 < len(more); i += 2 {
		v.Set(more[i], more[i+1])
	}
	return h.form("/oauth2/token", v)
}

// TestConnectFollowsTheClock puts the environment's clock forward over the ends of
// what a client or a person holds, on ways in that know no environment before.
func TestConnectFollowsTheClock(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	client, _, who, _, org := h.board()
	code := h.code(codeRequest(client), who)
	refresh := h.redeem(client, h.code(codeRequest(client), who)).want(200).text("refresh_token")
	link, err := h.SSO.PortalLink(t.Context(), sso.Portal{Environment: h.env.ID, Organization: org, Intent: sso.IntentSSO})
	check(t, err)
	file := h.AuditLogs.Link(h.env.ID, "audit_log_export_1", time.Now())
	_, _, err = h.AuditLogs.Follow(t.Context(), file)
	if apierr.KindOf(err) != apierr.NotFound || strings.Contains(err.Error(), "not valid any more") {
		t.Errorf("a fresh link to a file: %v", err)
	}
	h.call("POST", "/_lentil/v1/clock/advance", object{"seconds": 3600}).want(200)
	h.redeem(client, code).want(400)
	if _, err := h.SSO.EnterPortal(t.Context(), link); apierr.KindOf(err) != apierr.NotFound {
		t.Errorf("an old link to the portal: %v", err)
	}
	if _, _, err = h.AuditLogs.Follow(t.Context(), file); !strings.Contains(fmt.Sprint(err), "not valid any more") {
		t.Errorf("an old link to a file: %v", err)
	}
	got := h.form("/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "client_id": {client}, "refresh_token": {refresh}}).want(200)
	h.redeem(client, h.code(codeRequest(client), who)).want(200) // made by that clock
	h.call("POST", "/_lentil/v1/clock/advance", object{"seconds": 400 * 24 * 3600}).want(200)
	h.form("/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "client_id": {client}, "refresh_token": {got.text("refresh_token")}}).want(400)
}

func TestConnectCodesAndTokens(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	client, id, who, _, org := h.board()
	got := h.redeem(client, h.code(codeRequest(client, "organization_id", string(org)), who)).want(200)
	access, idToken := payload(t, got.text("access_token")), payload(t, got.text("id_token"))
	if access["sub"] != string(who.User.ID) || access["client_id"] != client || access["aud"] != string(h.env.ClientID) || access["org_id"] != string(org) || access["scope"] != "openid email profile offline_access" {
		t.Errorf("access token: %v", access)
	}
	if idToken["aud"] != client || idToken["nonce"] != "n" || idToken["email"] != "ada@example.com" || idToken["email_verified"] != true || idToken["iss"] != "http://localhost:4100" || idToken["auth_time"] == nil {
		t.Errorf("id token: %v", idToken)
	}
	bearer := []string{"Authorization", "Bearer " + got.text("access_token")}
	if u := h.call("GET", "/oauth2/userinfo", nil, bearer...).want(200); u.text("sub") != string(who.User.ID) || u.text("email") != "ada@example.com" {
		t.Errorf("userinfo: %s", u.raw)
	}
	refresh := func(token string, more ...string) *answer {
		v := url.Values{"grant_type": {"refresh_token"}, "client_id": {client}, "refresh_token": {token}}
		for i := 0; i+1 < len(more); i += 2 {
			v.Set(more[i], more[i+1])
		}
		return h.form("/oauth2/token", v)
	}
	second := refresh(got.text("refresh_token")).want(200)
	if third := refresh(second.text("refresh_token"), "scope", "openid").want(200); third.text("scope") != "openid" || payload(t, third.text("id_token"))["email"] != nil {
		t.Errorf("narrowed: %s", third.raw)
	}
	list := h.call("GET", "/user_management/users/"+string(who.User.ID)+"/authorized_applications", nil).want(200)
	if list.size("data") != 1 || list.text("data", 0, "application", "id") != id || list.size("data", 0, "granted_scopes") != 4 {
		t.Errorf("authorized: %s", list.raw)
	}
	if l := h.call("GET", "/organizations/"+string(org)+"/authorized_applications", nil).want(200); l.text("data", 0, "user_id") != string(who.User.ID) {
		t.Errorf("of the organization: %s", l.raw)
	}
	h.stranger().call("DELETE", "/user_management/users/"+string(who.User.ID)+"/authorized_applications/"+id, nil).want(404)
	h.call("DELETE", "/user_management/users/"+string(who.User.ID)+"/authorized_applications/"+id, nil).want(204)
	h.call("DELETE", "/user_management/users/"+string(who.User.ID)+"/authorized_applications/"+id, nil).want(404)
	h.call("GET", "/oauth2/userinfo", nil, bearer...).want(401)
	if again := refresh(second.text("refresh_token")).want(400); again.text("error") != "invalid_grant" {
		t.Errorf("after all: %s", again.raw)
	}
}

func TestConnectCodesAreGoodOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		client, _, who, _, _ := h.board()
		other, _, _ := h.robot()
		for name, no := range map[string]*answer{
			"another verifier":  h.redeem(client, h.code(codeRequest(client), who), "code_verifier", verifier+"x"),
			"no verifier":       h.redeem(client, h.code(codeRequest(client), who), "code_verifier", ""),
			"another address":   h.redeem(client, h.code(codeRequest(client), who), "redirect_uri", "https://evil.example/"),
			"another client":    h.redeem(other, h.code(codeRequest(client), who)),
			"a code of nothing": h.redeem(client, "nothing"),
		} {
			if no.status != 400 || no.at("error") != "invalid_grant" && no.at("error") != "invalid_client" {
				t.Errorf("%s: %d %s", name, no.status, no.raw)
			}
		}
		late := h.code(codeRequest(client), who)
		time.Sleep(61 * time.Second)
		h.redeem(client, late).want(400)
		code := h.code(codeRequest(client), who)
		got := h.redeem(client, code).want(200)
		h.redeem(client, code).want(400)
		v := url.Values{"grant_type": {"refresh_token"}, "client_id": {client}, "refresh_token": {got.text("refresh_token")}}
		h.form("/oauth2/token", v).want(400) // the second use of the code ended what the first gave

		got = h.redeem(client, h.code(codeRequest(client), who)).want(200)
		v.Set("refresh_token", got.text("refresh_token"))
		next := h.form("/oauth2/token", v).want(200)
		h.form("/oauth2/token", v).want(400) // used before: somebody else has it, too
		v.Set("refresh_token", next.text("refresh_token"))
		h.form("/oauth2/token", v).want(400)
	})
}

func TestConnectRequestsAreChecked(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	client, _, who, secret, org := h.board()
	ctx := t.Context()
	for name, change := range map[string][]string{
		"an address that is not registered": {"redirect_uri", "https://board.example/cb/x"}, "another scheme": {"redirect_uri", "http://board.example/cb"},
		"more of a query": {"redirect_uri", "https://board.example/cb?x=1"}, "nobody's client": {"client_id", "client_x"},
		"the environment's own client": {"client_id", string(h.env.ClientID)}, "another path here": {"redirect_uri", "http://127.0.0.1:7777/other"},
	} {
		if _, err := h.Applications.Ask(ctx, codeRequest(client, change...)); err == nil {
			t.Errorf("%s: went through", name)
		}
	}
	if a, err := h.Applications.Ask(ctx, codeRequest(client, "redirect_uri", "http://127.0.0.1:7777/cb")); err != nil || a.Fault != nil {
		t.Errorf("a port of its own: %v", err)
	}
	for code, change := range map[string][]string{
		"unsupported_response_type": {"response_type", "token"}, "invalid_scope": {"scope", "openid board:write"},
		"invalid_target": {"resource", "not an address"}, "invalid_request": {"code_challenge_method", "plain"},
	} {
		a, err := h.Applications.Ask(ctx, codeRequest(client, change...))
		check(t, err)
		if a.Fault == nil || a.Fault.Code != code {
			t.Errorf("%v: %v", change, a.Fault)
		}
		if back := a.Back("https://iss.example", "error", code); !strings.HasPrefix(back, "https://board.example/cb?error="+code) || !strings.Contains(back, "state=s") || !strings.Contains(back, "iss=https") {
			t.Errorf("back: %s", back)
		}
	}
	a, err := h.Applications.Ask(ctx, codeRequest(client, "code_challenge", "", "code_challenge_method", ""))
	check(t, err)
	if a.Fault == nil {
		t.Error("a public client without PKCE went through")
	}
	a, err = h.Applications.Ask(ctx, codeRequest(client, "prompt", "login"))
	check(t, err)
	if p, err := h.Applications.Who(ctx, a, secret, time.Time{}); err != nil || p != nil {
		t.Errorf("prompt=login: %v %v", p, err)
	}
	if p, err := h.Applications.Who(ctx, a, secret, who.Authenticated); err != nil || p == nil {
		t.Errorf("prompt=login, afterwards: %v %v", p, err)
	}
	a, err = h.Applications.Ask(ctx, codeRequest(client))
	check(t, err)
	if ask, err := h.Applications.Consent(ctx, a, who); err != nil || !ask {
		t.Errorf("consent at first: %v %v", ask, err)
	}
	h.code(codeRequest(client), who)
	if ask, err := h.Applications.Consent(ctx, a, who); err != nil || ask {
		t.Errorf("consent again: %v %v", ask, err)
	}
	more, err := h.Applications.Ask(ctx, codeRequest(client, "scope", "openid board:read"))
	check(t, err)
	if ask, err := h.Applications.Consent(ctx, more, who); err != nil || !ask {
		t.Errorf("consent to more: %v %v", ask, err)
	}
	field := h.Applications.SealConsent(url.Values{"a": {"b"}}, who, time.Now())
	form, err := h.Applications.OpenConsent(field)
	check(t, err)
	if err := form.Fresh(time.Now()); err != nil || form.Query.Get("a") != "b" || form.Browser != who.Browser {
		t.Errorf("consent form: %v %v", form, err)
	}
	for name, open := range map[string]func() error{
		"changed": func() error { _, err := h.Applications.OpenConsent(field + "x"); return err },
		"late":    func() error { return form.Fresh(time.Now().Add(time.Hour)) },
		"another": func() error {
			_, err := h.Applications.OpenConsent(h.Applications.Sent(client, time.Now()))
			return err
		},
	} {
		if open() == nil {
			t.Errorf("a consent form that is %s: taken", name)
		}
	}
	mark := h.Applications.Sent(client, time.Now())
	if h.Applications.SentAt(mark, client, time.Now()).IsZero() || !h.Applications.SentAt(mark, "client_x", time.Now()).IsZero() || !h.Applications.SentAt(mark, client, time.Now().Add(2*time.Hour)).IsZero() {
		t.Error("the mark of a sign-in is not that of its client and hour")
	}
	stranger, err := h.Identity.CreateOrganization(ctx, h.env.ID, identity.NewOrganization{Name: "Salad"})
	check(t, err)
	elsewhere, err := h.Applications.Ask(ctx, codeRequest(client, "organization_id", string(stranger.ID)))
	check(t, err)
	if _, err := h.Applications.Grant(ctx, elsewhere, who); err == nil {
		t.Errorf("a grant in an organization of others (%s)", org)
	}
}

func TestConnectTakesTheWordOfTheApplicationsOwnSignIn(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	client, _, ada, _, _ := h.board()
	h.call("PUT", "/_lentil/v1/connect", object{"login_uri": "javascript:alert(1)"}).want(422)
	if set := h.call("PUT", "/_lentil/v1/connect", object{"login_uri": "https://own.example/login"}).want(200); set.text("login_uri") != "https://own.example/login" {
		t.Errorf("set: %s", set.raw)
	}
	ctx := t.Context()
	a, err := h.Applications.Ask(ctx, codeRequest(client))
	check(t, err)
	begin := func() (id, secret string) {
		id, secret, err := h.Applications.BeginExternal(ctx, a, url.Values{"client_id": {client}})
		check(t, err)
		return id, secret
	}
	complete := func(id string, user object) *answer {
		return h.call("POST", "/authkit/oauth2/complete", object{"external_auth_id": id, "user": user})
	}
	id, secret := begin()
	if _, err := h.Applications.FinishExternal(ctx, id, secret); err == nil {
		t.Error("went on before it was completed")
	}
	h.stranger().call("POST", "/authkit/oauth2/complete", object{"external_auth_id": id, "user": object{"id": "7", "email": "eve@example.com"}}).want(404)
	for code, user := range map[string]object{"invalid_email": {"id": "7", "email": "nobody"}} {
		if no := complete(id, user).want(400); no.text("code") != code {
			t.Errorf("%s: %s", code, no.raw)
		}
	}
	if got := complete(id, object{"id": "ada", "email": "Ada@example.com", "name": "Ada L"}).want(200); got.text("redirect_uri") != "http://localhost:4100/oauth2/external/"+id {
		t.Errorf("completed: %s", got.raw)
	}
	if no := complete(id, object{"id": "ada", "email": "ada@example.com"}).want(400); no.text("code") != "external_auth_session_already_completed" {
		t.Errorf("twice: %s", no.raw)
	}
	if _, err := h.Applications.FinishExternal(ctx, id, secret+"x"); err == nil {
		t.Error("another browser went on")
	}
	x, err := h.Applications.FinishExternal(ctx, id, secret)
	check(t, err)
	who, err := h.Applications.Who(ctx, a, x.Secret, x.Since)
	check(t, err)
	if who == nil || who.User.ID != ada.User.ID || who.User.ExternalID != "ada" || who.User.FirstName != "Ada" {
		t.Errorf("signed in: %+v", who)
	}
	if _, err := h.Applications.FinishExternal(ctx, id, secret); err == nil {
		t.Error("went on twice")
	}
	id, _ = begin()
	if no := complete(id, object{"id": "bob", "email": "ada@example.com"}).want(400); no.text("code") != "email_not_available" {
		t.Errorf("somebody else's address: %s", no.raw)
	}
	if no := h.call("POST", "/authkit/oauth2/complete", object{"external_auth_id": id, "user": object{"id": "bob", "email": "bob@example.com"}, "user_consent_options": []object{{"claim": "x"}}}).want(400); no.text("code") != "user_consent_options_not_supported" {
		t.Errorf("choices: %s", no.raw)
	}
}
