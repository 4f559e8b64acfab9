package login

import (
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/wire"
)

// Authorize begins an attempt for an authorize request that the protocol's front
// has read, and sends the browser on: to the attempt's page, back to the app, or
// to the page that says why neither is possible.
func (p *Pages) Authorize(w http.ResponseWriter, r *http.Request, q authflow.AuthorizeRequest) error {
	v := p.visitor(r, identity.ClientID(q.ClientID))
	if kept := v.Cookie(authflow.LinkCookie(identity.ClientID(q.ClientID))); kept != "" && q.Prompt != "none" {
		q.Kept(kept)
		p.setCookie(w, r, authflow.LinkCookie(identity.ClientID(q.ClientID)), "", -1)
	}
	begun, err := p.Flow.Begin(r.Context(), v, q)
	if err != nil {
		p.Refuse(w, r, err)
		return nil
	}
	if begun.Browser != "" && begun.Browser != v.Browser {
		p.setCookie(w, r, authflow.BrowserCookie, begun.Browser, browserAge)
	}
	if _, away := begun.Step.(*authflow.Leave); away || begun.Attempt == "" {
		return p.step(w, r, begun.Step, http.StatusFound)
	}
	to := AttemptPath + url.PathEscape(string(begun.Attempt))
	if from := r.Referer(); begun.Step != nil && p.elsewhere(r, from, authflow.ScreenOf(begun.Step)) != nil {
		to += "?" + url.Values{fromField: {clip(from, maxFrom)}}.Encode() // browsers are told not to say it again
	}
	return p.redirect(w, r, to, http.StatusFound)
}

// show is the page of an attempt: whatever it asks now.
func (p *Pages) show(w http.ResponseWriter, r *http.Request) error {
	s, err := p.Flow.Step(r.Context(), p.visitor(r, ""), authflow.AttemptID(r.PathValue("attempt")))
	if err != nil {
		return err
	}
	p.noteElsewhere(r, authflow.ScreenOf(s))
	return p.step(w, r, s, http.StatusFound)
}

// goTo follows a link within an attempt. Each place has an address, so that the
// browser's back button does what it says.
func (p *Pages) goTo(w http.ResponseWriter, r *http.Request) error {
	var ans authflow.Answer
	switch place := r.PathValue("place"); place {
	case string(authflow.SignIn), string(authflow.SignUp), string(authflow.Forgot), string(authflow.RecoveryCode), string(authflow.Authenticator):
		ans = authflow.GoTo{Place: authflow.Place(place)}
	case "resend":
		if r.Header.Get("Sec-Purpose") != "" || r.Header.Get("Purpose") != "" || r.Method == http.MethodHead {
			return apierr.New(apierr.BadRequest, "prefetch_refused",
				"This link sends a mail and is not to be fetched ahead.")
		}
		ans = authflow.SendAgain{}
	default:
		away, ok, err := awayAnswer(r, place)
		if err != nil {
			return err
		}
		if ans = away; !ok {
			return p.notFound(w, r)
		}
	}
	a := authflow.AttemptID(r.PathValue("attempt"))
	s, err := p.Flow.Submit(r.Context(), p.visitor(r, ""), a, ans)
	if err != nil {
		return err
	}
	return p.step(w, r, s, http.StatusFound)
}

// submit takes a posted form. What went well leads to the attempt's page by a
// redirect, so that reloading does not post again.
func (p *Pages) submit(w http.ResponseWriter, r *http.Request) error {
	ans, err := decodeAnswer(w, r)
	if err != nil {
		return err
	}
	// The client id decides the name of the sign-in cookie and is only known once
	// the step is; authflow needs the cookie at Begin alone.
	a := authflow.AttemptID(r.PathValue("attempt"))
	s, err := p.Flow.Submit(r.Context(), p.visitor(r, ""), a, ans)
	if err != nil {
		return err
	}
	return p.step(w, r, s, http.StatusSeeOther)
}

// decodeAnswer reads the posted form; the hidden field step says which it is.
func decodeAnswer(w http.ResponseWriter, r *http.Request) (authflow.Answer, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return nil, apierr.New(apierr.BadRequest, "malformed_form",
			"The form could not be read. Go back and try again.").Wrap(err)
	}
	if decode, ok := forms[r.PostForm.Get("step")]; ok {
		return decode(r.PostForm), nil
	}
	return nil, apierr.New(apierr.BadRequest, "malformed_form", "The form is not one of ours. Go back and try again.")
}

// forms is the table of forms, by the value of the hidden field step. The file of a
// stage declares how its form is read and how its page is filled in.
var forms = map[string]func(url.Values) authflow.Answer{
	"sign-in":      decodeSignIn,
	"sign-up":      decodeSignUp,
	"code":         decodeCode,
	"forgot":       decodeForgot,
	"new-password": decodeNewPassword,

	"factor":        decodeCode,
	"recovery-code": decodeRecoveryCode,
	"enroll":        decodeCode,
	"continue":      func(url.Values) authflow.Answer { return authflow.Continue{} },
	"renew-codes":   func(url.Values) authflow.Answer { return authflow.RenewCodes{} },
	"organization":  decodeOrganization,
	"allow-device":  func(url.Values) authflow.Answer { return authflow.AllowDevice{} },
	"deny-device":   func(url.Values) authflow.Answer { return authflow.DenyDevice{} },
	"give-up":       func(url.Values) authflow.Answer { return authflow.GiveUp{} },
	"passkey":       decodeShowPasskey,
	"add-passkey":   decodeAddPasskey,
}

// pageOf is the page of a step that has a form; nil for any other.
func (p *Pages) pageOf(s authflow.Step) page {
	switch s := s.(type) {
	case *authflow.AskSignIn:
		return p.signIn(s)
	case *authflow.AskSignUp:
		return p.signUp(s)
	case *authflow.AskCode:
		return p.code(s)
	case *authflow.AskForgot:
		return p.forgot(s)
	case *authflow.AskNewPassword:
		return p.newPassword(s)
	case *authflow.AskFactor:
		return p.factor(s)
	case *authflow.AskRecoveryCode:
		return p.recoveryCode(s)
	case *authflow.TellCodesLeft:
		return p.codesLeft(s)
	case *authflow.AskEnroll:
		return p.enroll(s)
	case *authflow.TellRecoveryCodes:
		return p.recoveryCodes(s)
	case *authflow.AskOrganization:
		return p.organization(s)
	case *authflow.TellNotMember:
		return p.notMember(s)
	case *authflow.AskDevice:
		return p.device(s)
	case *authflow.TellDevice:
		return p.deviceOver(s)
	case *authflow.TellInvitation:
		return p.invitation(s)
	case *authflow.AskPasskey:
		return p.passkey(s)
	}
	return nil
}

// text is one field of a form: valid UTF-8 without NUL, not longer than n bytes
// and a bit, so that what is too long is refused as such further down.
func text(f url.Values, name string, n int) string {
	return strings.ReplaceAll(strings.ToValidUTF8(clip(f.Get(name), n+1), "\uFFFD"), "\x00", "")
}

// step shows s: a form, the way back to the app, or the end of the road. moved is
// the status for a redirect, and tells a posted form from a visited page.
func (p *Pages) step(w http.ResponseWriter, r *http.Request, s authflow.Step, moved int) error {
	switch s := s.(type) {
	case *authflow.Done:
		return p.done(w, r, s, moved)
	case *authflow.Over:
		return p.over(w, r, s)
	case *authflow.Leave:
		return p.redirect(w, r, s.RedirectTo, moved)
	}
	if pg := p.pageOf(s); pg != nil {
		return p.ask(w, r, authflow.ScreenOf(s), moved, pg)
	}
	return apierr.New(apierr.Internal, "unknown_step", "unknown step %T", s)
}

// ask prints a form. After a post without a problem it redirects instead.
func (p *Pages) ask(w http.ResponseWriter, r *http.Request, s *authflow.Screen, moved int, pg page) error {
	pb := s.Problem
	switch {
	case pb != nil && pb.Retry > 0:
		w.Header().Set("Retry-After", strconv.Itoa(int((pb.Retry+time.Second-1)/time.Second)))
		return p.print().print(w, wire.Status(apierr.RateLimited), pg)
	case pb != nil && moved == http.StatusSeeOther:
		return p.print().print(w, wire.Status(apierr.BadRequest), pg)
	case moved == http.StatusSeeOther && s.Notice == "":
		return p.redirect(w, r, AttemptPath+url.PathEscape(string(s.Attempt)), moved)
	}
	return p.print().print(w, http.StatusOK, pg)
}

// form is the common part of a form page for a screen.
func (p *Pages) form(s authflow.Screen, heading string) form {
	base := AttemptPath + url.PathEscape(string(s.Attempt))
	f := form{
		frame: p.frame(heading), App: appName(s.Environment), Action: base, Notice: s.Notice,
		SignInLink: base + "/" + string(authflow.SignIn), SignUpLink: base + "/" + string(authflow.SignUp),
		ForgotLink: base + "/" + string(authflow.Forgot), RecoveryLink: base + "/" + string(authflow.RecoveryCode),
		AuthenticatorLink: base + "/" + string(authflow.Authenticator), ResendLink: base + "/resend",
	}
	f.NewTab = true
	if f.Brand = brandOf(&s); f.Brand.Name != "" {
		f.App = f.Brand.Name
		f.Title = heading + " · " + f.Brand.Name
	}
	if pb := s.Problem; pb != nil {
		switch pb.Field {
		case authflow.FieldEmail:
			f.Problems.Email = pb.Message
		case authflow.FieldPassword:
			f.Problems.Password = pb.Message
		case authflow.FieldCode:
			f.Problems.Code = pb.Message
		default:
			f.Alert = pb.Message
		}
	}
	return f
}

// firstEmpty chooses the field to focus: the one with a problem, else the first
// that is still to be filled in.
func firstEmpty(f form, first, second string) string {
	if f.Problems.Email != "" || (f.Email == "" && f.Problems.Password == "") {
		return first
	}
	return second
}

// passwordHint says what a new password must be like.
func passwordHint(least int) string {
	return "At least " + strconv.Itoa(least) +
		" characters. A few words in a row are easy to remember and hard to guess."
}

// done sets the signed-in cookie and sends the browser back to the app.
func (p *Pages) done(w http.ResponseWriter, r *http.Request, s *authflow.Done, moved int) error {
	if s.SSO != "" {
		p.setCookie(w, r, authflow.SSOCookie(s.Client), s.SSO, max(1, int(s.SSOMaxAge/time.Second)))
	}
	scheme := schemeOf(s.RedirectTo)
	switch scheme {
	case "https", "http":
		return p.redirect(w, r, s.RedirectTo, moved)
	case "", "javascript", "data", "vbscript", "blob", "file":
		return apierr.New(apierr.Internal, "unsafe_redirect", "refused to send a browser to a %s address", scheme)
	}
	// A native app's own scheme: the content security policy of the form that was
	// posted does not let a redirect lead there, a link does.
	return p.print().print(w, http.StatusOK, openAppPage{p.frame("Signed in"), template.URL(s.RedirectTo)})
}

// schemeOf is the scheme of an absolute address in lower case, or "".
func schemeOf(address string) string {
	scheme, _, ok := strings.Cut(strings.ToLower(address), ":")
	if !ok || strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyz0123456789+.-") != "" {
		return ""
	}
	return scheme
}

// redirect sends the browser to an address exactly as written: http.Redirect
// would clean its path, and state must come back byte for byte.
func (p *Pages) redirect(w http.ResponseWriter, _ *http.Request, to string, status int) error {
	h := w.Header()
	harden(h)
	h.Set("Location", to)
	h.Set("Content-Length", "0")
	w.WriteHeader(status)
	return nil
}

// over is the end of an attempt that led nowhere.
func (p *Pages) over(w http.ResponseWriter, r *http.Request, s *authflow.Over) error {
	f := Refusal{Kind: apierr.NotFound, Code: "attempt_" + string(s.Reason), Heading: "This sign-in has expired",
		What: "It was started too long ago. Go back to the app and sign in again."}
	switch s.Reason {
	case authflow.OverOtherBrowser:
		f.Kind, f.Heading = apierr.Forbidden, "This sign-in belongs to another browser"
		f.What = "It can only be finished where it was started. If this is that browser, allow cookies for this address, " +
			"go back to the app and sign in again."
	case authflow.OverFinished:
		f.Kind, f.Heading = apierr.Conflict, "You already signed in here"
		f.What = "This sign-in was completed and cannot be used a second time. " +
			"Go back to the app; you may be signed in already."
	case authflow.OverUnknown:
	}
	f.brand = brandOf(&s.Screen)
	if isWeb(s.AppURL) {
		f.Back = &Link{"Back to the app", s.AppURL}
	}
	return p.refuse(w, r, f)
}

// isWeb reports whether s is an http or https address, fit for a link.
func isWeb(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}
