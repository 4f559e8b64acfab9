package dashboard

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/platform"
)

// Operators sign in with accounts of an identity environment of the house's own, of
// which the dashboard is an application like any other: it sends the browser to the
// hosted pages and gets a code back. Nobody can sign up there who is not invited.
const (
	operatorsEnvironment = identity.EnvironmentID("environment_operators")
	operatorsClient      = identity.ClientID("client_operators")
)

// Paths of signing in with an account.
const (
	accountPath  = "/sign-in/account"
	callbackPath = "/sign-in/callback"
)

// Accounts is what the dashboard needs of authflow.
type Accounts interface {
	Redeem(ctx context.Context, r authflow.GrantRequest) (*authflow.Grant, error)
	SendInvitation(e *identity.Environment, i *identity.Invitation, link, who, organization string) error
}

// operators gives the operators' environment, making it when it is first needed.
func (s *Site) operators(ctx context.Context) (*identity.Environment, error) {
	e, err := s.Identity.Environment(ctx, operatorsEnvironment)
	if apierr.KindOf(err) == apierr.NotFound {
		kind := identity.Production
		if !strings.HasPrefix(s.BaseURL, "https://") {
			kind = identity.Development // production has no redirect URI without https
		}
		e, err = s.Identity.CreateEnvironment(ctx, identity.NewEnvironment{ID: operatorsEnvironment, ClientID: operatorsClient, Name: "Operators", Kind: kind,
			Settings: identity.Settings{SignUpDisabled: true, InitiateLoginURI: s.BaseURL + accountPath}})
	}
	if err != nil {
		return nil, err
	}
	if e.Settings.InitiateLoginURI != s.BaseURL+accountPath { // the house has moved
		if e, err = s.Identity.ChangeSettings(ctx, e.ID, func(st *identity.Settings) { st.InitiateLoginURI = s.BaseURL + accountPath }); err != nil {
			return nil, err
		}
	}
	if _, err := s.Identity.AddRedirectURI(ctx, e.ID, s.BaseURL+callbackPath); err != nil && apierr.KindOf(err) != apierr.Conflict {
		return nil, err
	}
	return e, nil
}

// haveAccounts says whether anybody can sign in with an account.
func (s *Site) haveAccounts(ctx context.Context) bool {
	if s.Accounts == nil {
		return false
	}
	_, err := s.Identity.Environment(ctx, operatorsEnvironment)
	return err == nil
}

// inviteAccount mails a person that they may make an account, unless they have one.
func (s *Site) inviteAccount(ctx context.Context, o *platform.Operator, who string) error {
	if s.Accounts == nil {
		return nil
	}
	e, err := s.operators(ctx)
	if err != nil {
		return err
	}
	var i *identity.Invitation
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		i, err = tx.CreateInvitation(e.ID, identity.NewInvitation{Email: o.Email})
		return err
	})
	if a, ok := apierr.As(err); ok && (a.Code == "user_already_exists" || a.Code == "email_already_invited") {
		return nil
	}
	if err != nil {
		return err
	}
	return s.Accounts.SendInvitation(e, i, s.AuthKitURL+"/invite?token="+url.QueryEscape(i.Token), who, "")
}

// attemptCookie holds state and verifier of a sign-in that is under way. It comes
// back on the way from the hosted pages, which may be another site: so it is Lax.
const attemptCookie = "sign_in"

// attemptAge is how long a sign-in may take, in seconds.
const attemptAge = 30 * 60

// signInAccount sends the browser to the hosted pages.
func (s *Site) signInAccount(w http.ResponseWriter, r *http.Request) error {
	if !s.haveAccounts(r.Context()) {
		return apierr.New(apierr.NotFound, "NoAccounts", "Nobody has an account for this dashboard yet. Sign in with a link: run lentil dashboard on the machine that the house runs on.")
	}
	if _, err := s.operators(r.Context()); err != nil {
		return err
	}
	state, verifier := rand.Text(), rand.Text()+rand.Text()
	s.setCookie(w, r, attemptCookie, state+"."+verifier+"."+base64.RawURLEncoding.EncodeToString([]byte(ownPath(r.URL.Query().Get("next")))), attemptAge, http.SameSiteLaxMode)
	sum := sha256.Sum256([]byte(verifier))
	q := url.Values{"client_id": {string(operatorsClient)}, "redirect_uri": {s.BaseURL + callbackPath}, "response_type": {"code"}, "provider": {"authkit"},
		"state": {state}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}}
	if t := r.URL.Query().Get("invitation_token"); t != "" {
		q.Set("invitation_token", t)
	} else {
		q.Set("prompt", "login") // the session of the hosted pages is not the dashboard's
	}
	http.Redirect(w, r, s.AuthKitURL+"/user_management/authorize?"+q.Encode(), http.StatusSeeOther)
	return nil
}

// errAttempt is the answer to a code that no sign-in of this browser has asked for.
var errAttempt = apierr.New(apierr.BadRequest, "SignInNotBegun", "This sign-in was not begun in this browser, or too long ago. Sign in once more.")

// signedIn takes the code of a finished sign-in, and finds the operator whose account
// it is.
func (s *Site) signedIn(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	state, rest, _ := strings.Cut(s.cookie(r, attemptCookie), ".")
	verifier, encoded, _ := strings.Cut(rest, ".")
	s.setCookie(w, r, attemptCookie, "", -1, http.SameSiteLaxMode)
	if s.Accounts == nil || state == "" || subtle.ConstantTimeCompare([]byte(state), []byte(q.Get("state"))) != 1 {
		return errAttempt
	}
	if code := q.Get("error"); code != "" {
		return apierr.New(apierr.Forbidden, "SignInRefused", "The sign-in did not succeed: %s", clipText(q.Get("error_description"), 300))
	}
	g, err := s.Accounts.Redeem(r.Context(), authflow.GrantRequest{Type: authflow.GrantAuthorizationCode, ClientID: string(operatorsClient), Code: q.Get("code"), CodeVerifier: verifier,
		IPAddress: s.clientIP(r), UserAgent: r.UserAgent()})
	if err != nil {
		if e, ok := apierr.As(err); ok && e.Kind != apierr.Internal {
			return errAttempt
		}
		return err
	}
	o, err := s.operatorOf(r.Context(), g)
	if err != nil {
		return err
	}
	_, session, err := s.Platform.CreateCredential(r.Context(), platform.NewCredential{Kind: platform.SessionToken, Name: browserName(r.UserAgent()), Operator: o.ID,
		Expires: time.Now().Add(sessionAge * time.Second)})
	if err != nil {
		return err
	}
	next, _ := base64.RawURLEncoding.DecodeString(encoded)
	return s.begin(w, r, session, ownPath(string(next)))
}

// operatorOf finds the operator of an account: the one who signed in with it before,
// or the one who was invited at its address, which must be proven.
func (s *Site) operatorOf(ctx context.Context, g *authflow.Grant) (*platform.Operator, error) {
	no := apierr.New(apierr.Forbidden, "NotAnOperator", "%s has an account, but is in no team of this house. Ask an administrator for an invitation.", g.User.Email)
	if g.Impersonator != nil {
		return nil, no
	}
	o, err := s.Platform.OperatorByUser(ctx, g.User.ID)
	if err == nil || apierr.KindOf(err) != apierr.NotFound {
		return o, err
	}
	if !g.User.EmailVerified {
		return nil, no
	}
	o, err = s.Platform.OperatorByEmail(ctx, g.User.Email)
	if apierr.KindOf(err) == apierr.NotFound || err == nil && o.User != "" {
		return nil, no
	}
	if err != nil {
		return nil, err
	}
	return o, s.Platform.ChangeOperator(ctx, o.ID, func(o *platform.Operator) {
		o.User = g.User.ID
		if name := strings.TrimSpace(g.User.FirstName + " " + g.User.LastName); name != "" {
			o.Name = name
		}
	})
}

// browserName is what a list of sessions calls a browser.
func browserName(agent string) string {
	name := "A browser"
	for _, b := range [][2]string{{"Firefox/", "Firefox"}, {"Edg/", "Edge"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}} {
		if strings.Contains(agent, b[0]) {
			name = b[1]
			break
		}
	}
	for _, o := range [][2]string{{"Android", "Android"}, {"iPhone", "iPhone"}, {"Windows", "Windows"}, {"Mac OS", "macOS"}, {"Linux", "Linux"}} {
		if strings.Contains(agent, o[0]) {
			return name + " on " + o[1]
		}
	}
	return name
}

// makeAccount lets the operator sign in with an account from now on: an invitation
// goes to the address, which becomes theirs.
func (s *Site) makeAccount(v *Visit) (string, error) {
	email := strings.ToLower(strings.TrimSpace(v.PostForm.Get("email")))
	if at := strings.LastIndexByte(email, '@'); at < 1 || at == len(email)-1 || len(email) > 254 || strings.ContainsAny(email, " \t\r\n<>") {
		return "", apierr.New(apierr.BadRequest, "InvalidEmail", "%q is not an e-mail address.", clipText(email, 100))
	}
	if v.Operator.User != "" {
		return "", apierr.New(apierr.Conflict, "HasAccount", "You sign in with an account already.")
	}
	if email != v.Operator.Email && !v.Operator.Owner {
		// Who is invited at that address later would be this operator, in teams of others.
		return "", apierr.New(apierr.Forbidden, "NotYourAddress", "An account is made for the address that you were invited at: %s.", v.Operator.Email)
	}
	if err := s.Platform.ChangeOperator(v.Context(), v.Operator.ID, func(o *platform.Operator) { o.Email = email }); err != nil {
		return "", err
	}
	o := *v.Operator
	o.Email = email
	if err := s.inviteAccount(v.Context(), &o, ""); err != nil {
		return "", err
	}
	v.Say("A mail is on its way to %s. Open the link in it to choose how you sign in.", email)
	return "", nil
}
