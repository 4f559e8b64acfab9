package dashboard

import (
	"errors"
	"net/http"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/wire"
)

// errDone is returned by a show that has answered itself.
var errDone = errors.New("dashboard: answered")

// get shows a page, or keeps a browser's copy of it up to date.
func (s *Site) get(p *page) wire.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if wantsStream(r) {
			return s.stream(w, r, p)
		}
		v, err := s.visit(w, r, p)
		if err != nil {
			return err
		}
		v.Notice = v.takeNotice()
		shown, err := p.show(v)
		if errors.Is(err, errDone) {
			return nil
		}
		if err != nil {
			return err
		}
		return s.printPage(v, shown, http.StatusOK)
	}
}

// post does an action of a page and goes on to where it says. A refusal shows the
// page again, with what was typed.
func (s *Site) post(p *page) wire.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			var large *http.MaxBytesError
			if errors.As(err, &large) {
				return apierr.New(apierr.TooLarge, "FormTooLarge", "The form is larger than %d MB.", maxForm>>20)
			}
			return apierr.New(apierr.BadRequest, "BadForm", "The form could not be read.").Wrap(err)
		}
		v, err := s.visit(w, r, p)
		if err != nil {
			return err
		}
		if err := v.checkForm(); err != nil {
			return err
		}
		name := r.PostForm.Get("do")
		for i := range p.actions {
			a := &p.actions[i]
			if a.name != name {
				continue
			}
			if err := v.mayDo(a); err != nil {
				return err
			}
			return s.act(v, a)
		}
		return apierr.New(apierr.BadRequest, "NoSuchAction", "This page has no such action.")
	}
}

// act does it.
func (s *Site) act(v *Visit, a *action) error {
	next, err := a.do(v)
	if errors.Is(err, errDone) {
		return nil
	}
	if err == nil {
		if next == "" {
			next = v.With()
		}
		v.giveNotice(v.say)
		http.Redirect(v.W, v.Request, next, http.StatusSeeOther)
		return nil
	}
	e, ok := apierr.As(err)
	if !ok || e.Kind == apierr.Internal {
		return err
	}
	v.Alert, v.Posted = e, a.name
	shown, err := v.page.show(v)
	if errors.Is(err, errDone) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.printPage(v, shown, wire.Status(e.Kind))
}
