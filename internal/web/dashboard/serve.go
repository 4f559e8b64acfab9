package dashboard

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

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
		if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
			return s.upload(w, r, p)
		}
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
		a, err := v.action()
		if err != nil {
			return err
		}
		if a.do == nil {
			return errNoAction
		}
		return s.act(v, a, a.do)
	}
}

// errNoAction is the answer to a form that no page has.
var errNoAction = apierr.New(apierr.BadRequest, "NoSuchAction", "This page has no such action.")

// action finds what a form asks for, and refuses whoever may not.
func (v *Visit) action() (*action, error) {
	name := v.PostForm.Get("do")
	for i := range v.page.actions {
		if a := &v.page.actions[i]; a.name == name {
			return a, v.mayDo(a)
		}
	}
	return nil, errNoAction
}

// maxField bounds a field that is sent ahead of a file.
const maxField = 64 << 10

// upload takes in a form with a file. The file is the last of its fields, and read as
// it comes: by then it is known who sends it, and whether they may.
func (s *Site) upload(w http.ResponseWriter, r *http.Request, p *page) error {
	parts, err := r.MultipartReader()
	if err != nil {
		return apierr.New(apierr.BadRequest, "BadForm", "The form could not be read.").Wrap(err)
	}
	r.PostForm = url.Values{}
	v, err := s.visit(w, r, p)
	if err != nil {
		return err
	}
	v.PostForm = r.PostForm
	for n := 0; n < 100; n++ {
		part, err := parts.NextPart()
		if err != nil {
			break
		}
		if part.FileName() == "" {
			b, err := io.ReadAll(io.LimitReader(part, maxField))
			if err != nil {
				return apierr.New(apierr.BadRequest, "BadForm", "The form could not be read.").Wrap(err)
			}
			v.PostForm.Add(part.FormName(), string(b))
			continue
		}
		if err := v.checkForm(); err != nil {
			return err
		}
		a, err := v.action()
		if err != nil {
			return err
		}
		if a.file == nil {
			return errNoAction
		}
		return s.act(v, a, func(v *Visit) (string, error) { return a.file(v, part) })
	}
	if err := v.checkForm(); err != nil {
		return err
	}
	a, err := v.action()
	if err != nil {
		return err
	}
	return s.act(v, a, func(*Visit) (string, error) {
		return "", apierr.New(apierr.BadRequest, "FileMissing", "Choose a file first.")
	})
}

// act does it.
func (s *Site) act(v *Visit, a *action, do func(*Visit) (string, error)) error {
	next, err := do(v)
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
