package login

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/lentil-dev/lentil/internal/account"
	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/passkey"
	"github.com/lentil-dev/lentil/internal/sso"
)

// AccountPath is where people see and change their own accounts; the client id follows.
const AccountPath = "/account"

// accountRoutes are the pages of accounts.
func (p *Pages) accountRoutes() []route {
	return []route{
		{"GET " + AccountPath, p.findAccount},
		{"GET " + AccountPath + "/{client}", p.account(p.showAccount)},
		{"POST " + AccountPath + "/{client}", p.account(p.changeAccount)},
		{"GET " + AccountPath + "/{client}/{page}", p.account(p.showAccountPage)},
		{"POST " + AccountPath + "/{client}/{page}", p.account(p.submitAccountPage)},
	}
}

// findAccount leads to the account of the application that is meant: by its client id,
// by the environment's own domain, or because there is but one.
func (p *Pages) findAccount(w http.ResponseWriter, r *http.Request) error {
	client := identity.ClientID(clip(r.URL.Query().Get("client_id"), 128))
	if client == "" {
		e, err := p.Identity.EnvironmentAt(r.Context(), r.Host)
		if err != nil {
			return err
		}
		if e != nil {
			client = e.ClientID
		}
	}
	if client == "" {
		all, err := p.Identity.Environments(r.Context())
		if err != nil {
			return err
		}
		var signedIn []identity.ClientID
		for _, e := range all {
			if p.cookie(r, authflow.SSOCookie(e.ClientID), 1) != "" {
				signedIn = append(signedIn, e.ClientID)
			}
		}
		switch {
		case len(signedIn) == 1:
			client = signedIn[0]
		case len(all) == 1:
			client = all[0].ClientID
		default:
			return apierr.New(apierr.NotFound, "client_id_missing", "Which account? Open this page from the app, or add ?client_id= and the app's client id to the address.")
		}
	}
	return p.redirect(w, r, accountOf(client), http.StatusFound)
}

// accountOf is the address of a client's account page.
func accountOf(client identity.ClientID) string {
	return AccountPath + "/" + url.PathEscape(string(client))
}

// accountHandler answers for whoever is signed in.
type accountHandler func(w http.ResponseWriter, r *http.Request, who *account.Person) error

// account finds who is signed in, and has whoever is not sign in first.
func (p *Pages) account(h accountHandler) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		client := identity.ClientID(clip(r.PathValue("client"), 128))
		who, err := p.Account.Who(r.Context(), client, p.visitor(r, client))
		if err != nil {
			return err
		}
		if q := r.URL.Query(); q.Has("code") || q.Has("error") { // back from signing in
			if who.User == nil && q.Has("error") {
				return apierr.New(apierr.Forbidden, "not_signed_in", "You did not sign in, so there is nothing to show.")
			}
			return p.redirect(w, r, r.URL.Path, http.StatusFound)
		}
		if who.User == nil {
			return p.confirm(w, r, who)
		}
		err = h(w, r, who)
		if errors.Is(err, account.ErrStale) {
			return p.confirm(w, r, who)
		}
		return err
	}
}

// confirm asks for a sign-in of the last minutes, and comes back to the page.
func (p *Pages) confirm(w http.ResponseWriter, r *http.Request, who *account.Person) error {
	q := authflow.AuthorizeRequest{ClientID: string(who.Environment.ClientID), RedirectURI: p.origin(r) + r.URL.EscapedPath(), Own: true, ResponseType: "code"}
	if who.User != nil {
		q.Prompt, q.LoginHint = "login", who.User.Email
	}
	return p.Authorize(w, r, q)
}

// accountForm is the common part of the pages.
func (p *Pages) accountForm(who *account.Person, heading string, pb *authflow.Problem) form {
	f := p.form(authflow.Screen{Environment: *who.Environment, Brand: who.Brand, Problem: pb}, heading)
	f.Action, f.Email = accountOf(who.Environment.ClientID), who.User.Email
	f.SignInLink = f.Action // "back"
	return f
}

// accountDone are the good things that a page says after a change, by the word in its
// address.
var accountDone = map[string]string{
	"names":      "Your name was saved.",
	"password":   "Your password was changed. If somebody else may know the former one, sign out everywhere else below.",
	"email":      "Your e-mail address was changed. A note went to the former one.",
	"factor":     "The authenticator app was added.",
	"no-factor":  "The authenticator app was removed. You may want to sign out everywhere else below.",
	"passkey":    "The passkey was added.",
	"renamed":    "The passkey has a new name.",
	"no-passkey": "The passkey was removed. You may want to sign out everywhere else below.",
	"session":    "That device was signed out.",
	"others":     "You are signed out everywhere else.",
	"unlinked":   "The account was unlinked.",
	"withdrawn":  "The application may not use your account any more.",
}

// accountChanged leads back to the account page, which says what was done.
func (p *Pages) accountChanged(w http.ResponseWriter, r *http.Request, who *account.Person, what string) error {
	return p.redirect(w, r, accountOf(who.Environment.ClientID)+"?done="+what, http.StatusSeeOther)
}

// showAccount is GET /account/{client}.
func (p *Pages) showAccount(w http.ResponseWriter, r *http.Request, who *account.Person) error {
	return p.printAccount(w, r, who, http.StatusOK, nil)
}

// changeAccount is POST /account/{client}: the small forms of the page.
func (p *Pages) changeAccount(w http.ResponseWriter, r *http.Request, who *account.Person) error {
	f, err := accountPost(w, r)
	if err != nil {
		return err
	}
	ctx, id := r.Context(), text(f, "id", 200)
	var pb *authflow.Problem
	done := ""
	switch text(f, "do", 40) {
	case "names":
		done, err = "names", p.Account.Rename(ctx, who, text(f, "first_name", 255), text(f, "last_name", 255))
	case "end-session":
		done, err = "session", p.Account.EndSession(ctx, who, identity.SessionID(id))
	case "end-others":
		done, err = "others", p.Account.EndOthers(ctx, who)
	case "remove-factor":
		done, err = "no-factor", p.Account.RemoveFactor(ctx, who, identity.FactorID(id))
	case "recovery-codes":
		codes, err := p.Account.NewRecoveryCodes(ctx, who)
		if err != nil {
			return err
		}
		return p.showCodes(w, who, codes)
	case "rename-passkey":
		done = "renamed"
		pb, err = p.Account.RenamePasskey(ctx, who, passkey.ID(id), text(f, "name", 400))
	case "remove-passkey":
		done = "no-passkey"
		pb, err = p.Account.RemovePasskey(ctx, who, passkey.ID(id))
	case "unlink":
		done = "unlinked"
		pb, err = p.Account.Unlink(ctx, who, sso.Upstream{IDP: id, Type: text(f, "type", 60)})
	case "withdraw":
		done, err = "withdrawn", p.Account.Withdraw(ctx, who, id)
	case "sign-out":
		home, err := p.Account.SignOut(ctx, who)
		if err != nil {
			return err
		}
		p.setCookie(w, r, authflow.SSOCookie(who.Environment.ClientID), "", -1)
		pg := signedOutPage{frame: p.frame("Signed out")}
		if isWeb(home) {
			pg.Home = home
		}
		return p.print().print(w, http.StatusOK, pg)
	default:
		return apierr.New(apierr.BadRequest, "malformed_form", "The form is not one of ours. Go back and try again.")
	}
	if err != nil {
		return err
	}
	if pb != nil {
		return p.printAccount(w, r, who, http.StatusBadRequest, pb)
	}
	return p.accountChanged(w, r, who, done)
}

// accountPost reads a form.
func accountPost(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return nil, apierr.New(apierr.BadRequest, "malformed_form", "The form could not be read. Go back and try again.").Wrap(err)
	}
	return r.PostForm, nil
}

// accountPasswordPage sets a password.
type accountPasswordPage struct {
	form
	Has bool // there is one to show first
}

// accountEmailPage asks for a new address, and then for the code that went there.
type accountEmailPage struct {
	form
	New string // "" until it was given
}

// accountPasskeyPage makes a passkey.
type accountPasskeyPage struct {
	form
	Options string
}

// accountFactorPage adds an authenticator app.
type accountFactorPage struct{ enrollPage }

// accountCodesPage shows recovery codes, this once.
type accountCodesPage struct{ recoveryCodesPage }

func (accountPasswordPage) template() string { return "account-password.html" }
func (accountEmailPage) template() string    { return "account-email.html" }
func (accountPasskeyPage) template() string  { return "account-passkey.html" }
func (accountFactorPage) template() string   { return "account-factor.html" }
func (accountCodesPage) template() string    { return "account-codes.html" }

// showCodes prints recovery codes.
func (p *Pages) showCodes(w http.ResponseWriter, who *account.Person, codes []string) error {
	return p.print().print(w, http.StatusOK, accountCodesPage{recoveryCodesPage{p.accountForm(who, "Your recovery codes", nil), codes}})
}

// showAccountPage is GET /account/{client}/{page}: what needs a new sign-in asks for it
// before anything is typed.
func (p *Pages) showAccountPage(w http.ResponseWriter, r *http.Request, who *account.Person) error {
	return p.printAccountPage(w, r, who, nil, "")
}

// printAccountPage prints a page, after a post with what was wrong.
func (p *Pages) printAccountPage(w http.ResponseWriter, r *http.Request, who *account.Person, pb *authflow.Problem, typed string) error {
	name := r.PathValue("page")
	if !who.Fresh {
		return account.ErrStale
	}
	status := http.StatusOK
	if pb != nil {
		if status = http.StatusBadRequest; pb.Retry > 0 {
			status = http.StatusTooManyRequests
		}
	}
	var pg page
	switch name {
	case "password":
		o, err := p.Account.Overview(r.Context(), who)
		if err != nil {
			return err
		}
		f := p.accountForm(who, "Change your password", pb)
		f.Action, f.Focus, f.PasswordHint = f.Action+"/password", "current", passwordHint(10)
		pg = accountPasswordPage{f, o.HasPassword}
	case "email":
		f := p.accountForm(who, "Change your email", pb)
		f.Action, f.Focus = f.Action+"/email", "email"
		if f.Email = ""; pb != nil {
			f.Email = typed
		}
		pg = accountEmailPage{form: f}
	case "email-code":
		f := p.accountForm(who, "Change your email", pb)
		f.Action, f.Focus = f.Action+"/email-code", "code"
		pg = accountEmailPage{f, typed}
	case "authenticator":
		secret, uri, err := p.Account.NewFactor(r.Context(), who)
		if err != nil {
			return err
		}
		e := p.enroll(&authflow.AskEnroll{Screen: authflow.Screen{Environment: *who.Environment, Brand: who.Brand, Problem: pb}, Email: who.User.Email, Secret: secret, URI: uri}).(enrollPage)
		e.Action, e.SignInLink = accountOf(who.Environment.ClientID)+"/authenticator", accountOf(who.Environment.ClientID)
		pg = accountFactorPage{e}
	case "passkey":
		if !p.Account.CanAddPasskey(who) {
			return p.notFound(w, r)
		}
		options, err := p.Account.NewPasskey(r.Context(), who)
		if err != nil {
			return err
		}
		f := p.accountForm(who, "Add a passkey", pb)
		f.Action, f.Script = f.Action+"/passkey", p.print().passkeys
		pg = accountPasskeyPage{f, options}
	default:
		return p.notFound(w, r)
	}
	return p.print().print(w, status, pg)
}

// submitAccountPage is POST /account/{client}/{page}.
func (p *Pages) submitAccountPage(w http.ResponseWriter, r *http.Request, who *account.Person) error {
	f, err := accountPost(w, r)
	if err != nil {
		return err
	}
	ctx := r.Context()
	var pb *authflow.Problem
	typed, done := "", ""
	switch r.PathValue("page") {
	case "password":
		done = "password"
		pb, err = p.Account.ChangePassword(ctx, who, text(f, "current", 1024), text(f, "password", 1024), f.Get("everywhere") != "")
		if pb == nil && f.Get("everywhere") != "" {
			done = "others"
		}
	case "email":
		typed = strings.TrimSpace(text(f, "email", 320))
		if pb, err = p.Account.SendEmailCode(ctx, who, typed); err == nil && pb == nil {
			r.SetPathValue("page", "email-code") // the code's page, at once: its address does not name the mailbox
			return p.printAccountPage(w, r, who, nil, typed)
		}
	case "email-code":
		typed, done = text(f, "new", 320), "email"
		pb, err = p.Account.ConfirmEmail(ctx, who, strings.Join(strings.Fields(text(f, "code", 32)), ""))
	case "authenticator":
		var codes []string
		codes, pb, err = p.Account.AddFactor(ctx, who, strings.Join(strings.Fields(text(f, "code", 32)), ""))
		if err == nil && pb == nil && codes != nil {
			return p.showCodes(w, who, codes)
		}
		done = "factor"
	case "passkey":
		if !p.Account.CanAddPasskey(who) {
			return p.notFound(w, r)
		}
		done = "passkey"
		pb, err = p.Account.AddPasskey(ctx, who, text(f, "credential", maxCredential))
	default:
		return p.notFound(w, r)
	}
	if err != nil {
		return err
	}
	if pb != nil {
		return p.printAccountPage(w, r, who, pb, typed)
	}
	return p.accountChanged(w, r, who, done)
}
