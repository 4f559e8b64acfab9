package dashboard

import (
	"net/url"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// signInView is the page to sign in at.
type signInView struct {
	*Visit
	Next    string
	AuthKit string // address at which to sign in with an account; "" for none
}

func (signInView) template() string { return "sign-in" }
func (signInView) heading() string  { return "Sign in" }

// showSignIn tells how to sign in.
func (s *Site) showSignIn(v *Visit) (view, error) {
	next := ownPath(v.Q("next"))
	if v.Operator != nil {
		return v.redirect(next)
	}
	out := &signInView{Visit: v, Next: next}
	if s.haveAccounts(v.Context()) {
		out.AuthKit = address(accountPath, url.Values{"next": {next}})
	}
	return out, nil
}

// followLink signs in by a link that was pasted, or the text at its end. It is the
// one form that no session's secret protects; what is posted is a secret itself.
func (s *Site) followLink(v *Visit) (string, error) {
	text := strings.TrimSpace(v.PostForm.Get("link"))
	if u, err := url.Parse(text); err == nil {
		text = u.Path[strings.LastIndexByte(u.Path, '/')+1:]
	}
	if text == "" {
		return "", apierr.New(apierr.BadRequest, "NoLink", "Paste the link that lentil dashboard printed.")
	}
	_, session, err := s.Platform.UseLink(v.Context(), text)
	if err != nil {
		return "", err
	}
	if err := s.begin(v.W, v.Request, session, ownPath(v.Q("next"))); err != nil {
		return "", err
	}
	return "", errDone
}
