package authflow

import (
	"context"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/webhook"
)

// RefusedRedirect tells the error page about an address that is not registered.
type RefusedRedirect struct {
	Environment identity.Environment
	URI         string
	Registered  []string // a few of those that are; empty in production
}

// Admit refuses an address that begins too many sign-ins, of this room or another:
// every one leaves a row.
func (f *Flow) Admit(address string) error {
	if k, ok := addressKey("begin", "", address); ok {
		if retry := f.limits.take(k, limitBegin, time.Now()); retry > 0 {
			return apierr.New(apierr.RateLimited, "too_many_attempts", "%s", tooMuch("", retry).Message)
		}
	}
	return nil
}

// Begin answers an authorize request. An error with code "unknown_client",
// "redirect_uri_not_allowed" (Details: *RefusedRedirect) or "state_too_long" is a
// page and never a redirect, and so is RateLimited "too_many_attempts"; whatever else is wrong with the request is told to
// the application by a Done.
func (f *Flow) Begin(ctx context.Context, v Visitor, r AuthorizeRequest) (*Begun, error) {
	out := &Begun{Browser: v.Browser}
	if !secretLooksRight(out.Browser) {
		out.Browser = newSecret()
	}
	if err := f.Admit(v.IPAddress); err != nil {
		return nil, err
	}
	straight, err := f.directly(ctx, &r)
	if err != nil {
		return nil, err
	}
	var env *identity.Environment
	var answered []webhook.ActionKind
	var no *webhook.Verdict // what an action said to the browser's sign-in
	begin := func(tx *identity.Tx) error {
		out.Attempt, out.Step = "", nil
		e, err := tx.EnvironmentByClient(identity.ClientID(r.ClientID))
		if apierr.KindOf(err) == apierr.NotFound {
			return apierr.New(apierr.BadRequest, "unknown_client", "There is no application with the client id %.100q here. Check the client id in the app's configuration.", r.ClientID)
		}
		if err != nil {
			return err
		}
		env = e
		uri := r.RedirectURI
		if !r.Own && !r.Homeward {
			if uri, err = f.redirectURI(tx, e, r.RedirectURI); err != nil {
				return err
			}
		}
		if len(r.State) > maxState {
			return apierr.New(apierr.BadRequest, "state_too_long", "The state parameter is longer than %d bytes.", maxState)
		}
		if code, description := r.wrong(); code != "" {
			out.Step = &Done{RedirectTo: refusedTo(uri, code, description, r.State, r.HasState), Client: e.ClientID}
			return nil
		}
		if r.OrganizationID != "" {
			if _, err := tx.Organization(e.ID, identity.OrganizationID(r.OrganizationID)); apierr.KindOf(err) == apierr.NotFound {
				out.Step = &Done{RedirectTo: refusedTo(uri, "organization_invalid", "There is no such organization.", r.State, r.HasState), Client: e.ClientID}
				return nil
			} else if err != nil {
				return err
			}
		}
		if no := straight.refusal; no != nil {
			out.Step = &Done{RedirectTo: refusedTo(uri, no.Code, no.Message, r.State, r.HasState), Client: e.ClientID}
			return nil
		}
		a := r.attempt(e, uri, tx.Now())
		a.Browser, a.Origin = secretHash("browser", out.Browser), v.Origin
		if out.Step, err = f.impersonated(tx, v, e, &r, uri); err != nil || out.Step != nil {
			return err
		}
		if err := f.linked(tx, e, &r, &a); err != nil {
			return err
		}
		var step Step
		var refused *Problem
		if no != nil {
			refused = &Problem{Code: "access_denied", Message: denialMessage(no.Message)}
		} else if !straight.forced {
			if step, err = f.silent(tx, v, e, &r, &a, answered); err != nil {
				return err
			}
		}
		if _, done := step.(*Done); done {
			out.Step = step
			return nil
		}
		if r.prompts("none") {
			code, description := "login_required", "The user is not signed in."
			if no != nil {
				code, description = "access_denied", refused.Message
			} else if step != nil {
				code, description = "interaction_required", "The user has to answer a question."
			}
			out.Step = &Done{RedirectTo: refusedTo(uri, code, description, r.State, r.HasState), Client: e.ClientID}
			return nil
		}
		if straight.connection != nil {
			v.Browser = out.Browser
			away := depart{Connection: straight.connection.ID, Found: straight.found, Direct: true}
			if step, err = f.leave(tx, v, e, &a, away, &r); err != nil {
				return err
			}
		}
		if step == nil {
			step = ask(a, f.world(e, tx.Now(), ""), refused)
		}
		out.Attempt = a.ID
		if out.Step, err = f.dress(tx, step, e, &a); err != nil {
			return err
		}
		return tx.Add(tableAttempts, attemptRow(&a))
	}
	run := func() error { return f.Identity.Update(ctx, begin) }
	if no, err = f.asking(ctx, func() *identity.Environment { return env }, &answered, run); err == nil && no != nil {
		err = run()
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// linked takes up the mailed link that an attempt begins with.
func (f *Flow) linked(tx *identity.Tx, e *identity.Environment, r *AuthorizeRequest, a *attempt) error {
	unusable := func(err error) bool {
		k := apierr.KindOf(err)
		return k == apierr.NotFound || k == apierr.BadRequest
	}
	if r.PasswordResetToken != "" {
		p, err := tx.PasswordResetByToken(e.ID, r.PasswordResetToken)
		if unusable(err) {
			a.Stage, a.Fault = atForgot, ResetExpired
			return nil
		}
		if err != nil {
			return err
		}
		a.Stage, a.User, a.Email, a.ResetToken = atNewPassword, p.User, p.Email, f.Identity.Sealer.Seal(purposeReset, []byte(r.PasswordResetToken))
		return nil
	}
	if r.InvitationToken == "" {
		return nil
	}
	i, err := tx.InvitationByToken(e.ID, r.InvitationToken)
	if unusable(err) {
		a.Stage, a.Fault = atInvitation, InvitationUnknown
		return nil
	}
	if err != nil {
		return err
	}
	if fault := faultOf(i, tx.Now()); fault != "" && fault != InvitationUsed {
		a.Stage, a.Fault = atInvitation, fault
		return nil
	}
	a.Invitation, a.Invited, a.Email = i.ID, i.Email, i.Email
	u, err := tx.UserByEmail(e.ID, i.Email)
	if err == nil && u == nil { // whoever holds the token reads this mailbox, and may know
		a.Stage = atSignUp
	}
	return err
}

// silent looks whether the browser's sign-in answers the request. If it does, the
// step is a Done with a code; if something is still to be asked of the person, the
// attempt stands there and the step is its page; and nil if they have to sign in.
func (f *Flow) silent(tx *identity.Tx, v Visitor, e *identity.Environment, r *AuthorizeRequest, a *attempt, answered []webhook.ActionKind) (Step, error) {
	if a.ResetToken != "" || a.Fault != "" {
		return nil, nil
	}
	b, u, err := tx.Browser(e, v.SSO)
	if err != nil || b == nil || !r.satisfiedBy(b, u, tx.Now()) {
		return nil, err
	}
	asked := *a
	asked.Email = u.Email
	asked.Proof = proof{User: u.ID, Method: b.Method, Since: b.Authenticated, Second: b.Second, Organization: b.Organization}
	st, err := f.standing(tx, e, lookStanding{User: u.ID, Invitation: a.Invitation})
	if err != nil {
		return nil, err
	}
	moved, step, effects := afterProof(asked, st, f.world(e, tx.Now(), ""))
	if _, done := step.(*Done); !done {
		if len(effects) > 0 || moved.Proof.User == "" { // mail, or nothing: not for a mere visit
			return nil, nil
		}
		*a = moved
		return step, nil
	}
	about, err := signInContext(tx, e, u, moved.Proof.Organization, b.Method, v.IPAddress, v.UserAgent)
	if err != nil {
		return nil, err
	}
	if err := f.mustAsk(tx, e, answered, webhook.ActionAuthentication, about); err != nil {
		return nil, err
	}
	if a.Invitation != "" {
		if over, err := f.accept(tx, e, &moved); err != nil || over != nil {
			*a = moved
			return over, err
		}
	}
	if err := tx.KeepBrowser(e, v.SSO); err != nil {
		return nil, err
	}
	code := newGrantCode()
	err = tx.Add(tableCodes, codeRow(code, &grantCode{Environment: e.ID, User: u.ID, Browser: b.ID, Method: b.Method, Second: b.Second, Organization: moved.Proof.Organization,
		Authenticated: b.Authenticated, Challenge: r.CodeChallenge, RedirectURI: a.RedirectURI, IPAddress: v.IPAddress, UserAgent: v.UserAgent, Expires: tx.Now().Add(grantLifetime)}))
	return &Done{RedirectTo: a.granted(code), Client: e.ClientID}, err
}

// redirectURI finds the address that codes go to: the one asked for, if it is
// allowed, or the registered default if none was.
func (f *Flow) redirectURI(tx *identity.Tx, e *identity.Environment, asked string) (string, error) {
	registered, err := tx.RegisteredRedirects(e.ID, 10)
	if err != nil {
		return "", err
	}
	if asked == "" && len(registered) > 0 && !strings.Contains(registered[0], "*") {
		return registered[0], nil
	}
	ok, err := tx.RedirectAllowed(e, asked)
	if err != nil {
		return "", err
	}
	if !ok {
		if e.Kind == identity.Production {
			registered = nil
		}
		return "", apierr.New(apierr.BadRequest, "redirect_uri_not_allowed",
			"The redirect URI %.300q is not registered for this application. Add it to the environment's redirect URIs, or correct it in the app.", asked).
			With(&RefusedRedirect{Environment: *e, URI: asked, Registered: registered})
	}
	return asked, nil
}

// wrong says what an application is told about its request; "" if all is well.
func (r *AuthorizeRequest) wrong() (code, description string) {
	switch {
	case r.ResponseType != "code":
		return "unsupported_response_type", "response_type must be code."
	case r.CodeChallenge == "" && r.CodeChallengeMethod != "":
		return "invalid_request", "code_challenge_method was sent without code_challenge."
	case r.CodeChallenge != "" && r.CodeChallengeMethod != "S256":
		return "invalid_request", "code_challenge_method must be S256."
	case r.CodeChallenge != "" && !challengeLooksRight(r.CodeChallenge):
		return "invalid_request", "code_challenge must be the base64url form of a SHA-256."
	}
	if _, err := r.maxAge(); err != nil {
		return "invalid_request", "max_age must be a number of seconds."
	}
	return "", ""
}

// maxAge reads max_age; negative if there is none.
func (r *AuthorizeRequest) maxAge() (time.Duration, error) {
	if r.MaxAge == "" {
		return -1, nil
	}
	n, err := strconv.ParseUint(r.MaxAge, 10, 31)
	return time.Duration(n) * time.Second, err
}

// prompts reports whether prompt, a list, holds the word.
func (r *AuthorizeRequest) prompts(word string) bool {
	for w := range strings.FieldsSeq(r.Prompt) {
		if w == word {
			return true
		}
	}
	return false
}

// satisfiedBy reports whether the browser's sign-in is all that the request needs.
func (r *AuthorizeRequest) satisfiedBy(b *identity.BrowserSession, u *identity.User, now time.Time) bool {
	if r.prompts("login") || r.prompts("select_account") || r.prompts("create") {
		return false
	}
	if age, err := r.maxAge(); err != nil || age >= 0 && now.Sub(b.Authenticated) > age {
		return false
	}
	return r.LoginHint == "" || strings.EqualFold(strings.TrimSpace(r.LoginHint), u.Email)
}

// attempt makes the attempt that a request begins.
func (r *AuthorizeRequest) attempt(e *identity.Environment, uri string, now time.Time) attempt {
	a := attempt{
		ID: AttemptID(identity.NewID(attemptPrefix)), Environment: e.ID, RedirectURI: uri, Homeward: r.Homeward, State: []byte(r.State), HasState: r.HasState,
		Challenge: r.CodeChallenge, Organization: identity.OrganizationID(r.OrganizationID), SignUp: r.ScreenHint == "sign-up" || r.prompts("create"), Stage: atSignIn,
		Created: now, Expires: now.Add(attemptLifetime),
	}
	if a.SignUp && !e.Settings.SignUpDisabled {
		a.Stage = atSignUp
	}
	if email, _, ok := identity.ParseEmail(r.LoginHint); ok {
		a.Email = email
	}
	return a
}

// challengeLooksRight reports whether s could be the base64url form of 32 bytes.
func challengeLooksRight(s string) bool {
	if len(s) != 43 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// newGrantCode makes an authorization code. It looks like a ULID, as clients have
// seen them, but all of its 128 bits are random (RFC 6749 §10.10).
func newGrantCode() string {
	var id ulid.ULID
	randomBytes(id[:])
	return id.String()
}

// grantedTo is the redirect that carries a code. Whatever query the address has
// stays as it is; the state's bytes are escaped so that they decode to the same.
func grantedTo(uri, code, state string, hasState bool) string {
	return withQuery(uri, "code="+url.QueryEscape(code), state, hasState)
}

// granted is where an attempt ends that issued a code.
func (a *attempt) granted(code string) string {
	if a.Homeward {
		return a.RedirectURI
	}
	return grantedTo(a.RedirectURI, code, string(a.State), a.HasState)
}

// refusedTo is the redirect that carries an error.
func refusedTo(uri, code, description, state string, hasState bool) string {
	return withQuery(uri, "error="+url.QueryEscape(code)+"&error_description="+url.QueryEscape(description), state, hasState)
}

// withQuery adds to the query of an address, which has no fragment.
func withQuery(uri, query, state string, hasState bool) string {
	if hasState {
		query += "&state=" + url.QueryEscape(state)
	}
	switch {
	case !strings.Contains(uri, "?"):
		return uri + "?" + query
	case strings.HasSuffix(uri, "?") || strings.HasSuffix(uri, "&"):
		return uri + query
	}
	return uri + "&" + query
}
