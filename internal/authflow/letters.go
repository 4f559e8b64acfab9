package authflow

import (
	"context"
	"embed"
	"fmt"
	htmltemplate "html/template"
	"strings"
	"sync"
	"text/template"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/mail"
)

// letterFiles are the texts of the mails: a first line that is the title, then
// paragraphs. The HTML form is made of the same words.
//
//go:embed letters
var letterFiles embed.FS

// The texts, parsed when the first letter is written.
var (
	letterTexts = sync.OnceValue(func() *template.Template { return template.Must(template.ParseFS(letterFiles, "letters/*.txt")) })
	letterHTML  = sync.OnceValue(func() *htmltemplate.Template {
		return htmltemplate.Must(htmltemplate.ParseFS(letterFiles, "letters/letter.html"))
	})
)

// How mail leaves: so many at once, so many waiting, and so many tries each.
const (
	postmen     = 2
	maxLetters  = 512
	letterTries = 3
	letterPause = 2 * time.Second // doubled after each try
	sendWithin  = time.Minute
)

// errMailBusy is the refusal while too much mail waits.
var errMailBusy = apierr.New(apierr.Overloaded, "mail_busy", "Mail cannot be sent right now. Please try again in a few minutes.")

// letter is a mail to be written. Who exactly receives it, and in which words, is
// looked up when it is sent: at that time nobody waits for a page whose delay
// could tell whether there is an account.
type letter struct {
	Environment identity.Environment
	Kind        letterKind
	Email       string          // as typed
	User        identity.UserID // for letters to an account's owner
	Code        string

	// Of letters that an application asks for (send.go).
	Link, Who, Organization string
}

// letterKind is the occasion of a letter.
type letterKind string

// The occasions, and the subjects of their letters.
const (
	letterSignUp  letterKind = "sign-up"
	letterVerify  letterKind = "verification"
	letterMagic   letterKind = "magic"
	letterReset   letterKind = "reset"
	letterChanged letterKind = "changed"

	letterEnrolled  letterKind = "enrolled"
	letterRecovered letterKind = "recovered"
	letterPasskey   letterKind = "passkey"

	letterImpersonated letterKind = "impersonated"
	letterAccount      letterKind = "account" // Who says what changed
)

// tells reports whether the letter only tells something, and so carries no code.
func (k letterKind) tells() bool {
	return k == letterChanged || k == letterEnrolled || k == letterRecovered || k == letterPasskey || k == letterImpersonated || k == letterAccount
}

// queue makes the channel of waiting letters once.
func (f *Flow) queue() chan *letter {
	f.once.Do(func() { f.letters = make(chan *letter, maxLetters) })
	return f.letters
}

// mailBusy reports whether the queue has no room for an answer's letters.
func (f *Flow) mailBusy() bool { return len(f.queue()) > maxLetters-8 }

// lettersOf lists the letters that effects ask for.
func (f *Flow) lettersOf(e *identity.Environment, a *attempt, effects []effect) []letter {
	var out []letter
	for _, fx := range effects {
		switch fx := fx.(type) {
		case mailCode:
			l := letter{Environment: *e, Kind: letterVerify, Email: a.Email, User: a.User, Code: fx.Code}
			switch {
			case fx.For == CodeForReset:
				l.Kind = letterReset
			case fx.For == CodeForSignIn:
				l.Kind = letterMagic
			case a.User == "":
				l.Kind = letterSignUp
			}
			out = append(out, l)
		case mailChanged:
			out = append(out, letter{Environment: *e, Kind: letterChanged, User: fx.User})
		case mailEnrolled:
			out = append(out, letter{Environment: *e, Kind: letterEnrolled, User: fx.User})
		case mailPasskey:
			out = append(out, letter{Environment: *e, Kind: letterPasskey, User: fx.User})
		case mailRecovered:
			out = append(out, letter{Environment: *e, Kind: letterRecovered, User: fx.User})
		}
	}
	return out
}

// post hands letters to the postmen.
func (f *Flow) post(letters []letter) {
	for _, l := range letters {
		select {
		case f.queue() <- &l:
		default:
			f.Log.Warn("mail dropped, too much waits", "kind", l.Kind, "environment", l.Environment.ID)
		}
	}
}

// lastMail is how long letters that wait when the house stops are given to begin to
// leave, and each of them to arrive.
const lastMail = 3 * time.Second

// deliver sends letters until ctx ends, and then those that wait, one try each.
func (f *Flow) deliver(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case l := <-f.queue():
			f.deliverOne(ctx, *l)
		}
	}
	for end := time.Now().Add(lastMail); ; {
		select {
		case l := <-f.queue():
			if time.Now().After(end) {
				f.Log.Error("mail dropped at the end", "kind", l.Kind, "environment", l.Environment.ID)
				continue
			}
			f.deliverLast(ctx, *l)
		default:
			return
		}
	}
}

// deliverOne writes and sends a letter, trying again a few times.
func (f *Flow) deliverOne(ctx context.Context, l letter) {
	pause := letterPause
	for try := 1; ; try++ {
		err := f.send(ctx, l)
		if err == nil {
			return
		}
		if ctx.Err() == nil && try == letterTries {
			f.Log.Error("mail not sent", "kind", l.Kind, "environment", l.Environment.ID, "err", err)
			return
		}
		if ctx.Err() == nil {
			f.Log.Warn("mail not sent yet", "kind", l.Kind, "environment", l.Environment.ID, "try", try, "err", err)
		}
		select {
		case <-ctx.Done():
			f.deliverLast(ctx, l)
			return
		case <-time.After(pause):
		}
		pause *= 2
	}
}

// deliverLast sends a letter when ctx has ended already.
func (f *Flow) deliverLast(ctx context.Context, l letter) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastMail)
	defer cancel()
	if err := f.send(ctx, l); err != nil {
		f.Log.Error("mail not sent before the end", "kind", l.Kind, "environment", l.Environment.ID, "err", err)
	}
}

// send writes a letter and hands it over.
func (f *Flow) send(ctx context.Context, l letter) error {
	ctx, cancel := context.WithTimeout(ctx, sendWithin)
	defer cancel()
	m, err := f.write(ctx, l)
	if err != nil || m == nil {
		return err
	}
	m.Owner = string(l.Environment.ID)
	return f.Mail.Send(ctx, *m)
}

// write makes the message of a letter; nil if there is nobody to receive it. An
// account's mail goes to the address as the account has it, never as typed.
func (f *Flow) write(ctx context.Context, l letter) (*mail.Message, error) {
	if m, ok, err := l.addressed(); ok {
		return m, err
	}
	var u *identity.User
	app := l.Environment.Name
	err := f.Identity.View(ctx, func(tx *identity.Tx) (err error) {
		b, err := tx.Branding(l.Environment.ID)
		if err != nil {
			return err
		}
		if b.Name != "" {
			app = b.Name
		}
		if l.User != "" {
			u, err = tx.User(l.Environment.ID, l.User)
			if apierr.KindOf(err) == apierr.NotFound {
				u, err = nil, nil
			}
			return err
		}
		u, err = tx.UserByEmail(l.Environment.ID, l.Email)
		return err
	})
	if err != nil {
		return nil, err
	}
	to, file, subject := l.Email, string(l.Kind), ""
	if u != nil {
		to = u.Email
	}
	switch l.Kind {
	case letterSignUp:
		if file = "verification"; u != nil && u.EmailVerified {
			file = "known"
		}
		subject = "Your code for " + app
	case letterVerify:
		subject = "Your code for " + app
	case letterMagic:
		subject = "Your " + app + " sign-in code"
	case letterReset:
		subject = "Reset your " + app + " password"
	case letterChanged:
		subject = "Your " + app + " password was changed"
	case letterEnrolled:
		subject = "Two-step sign-in is on for " + app
	case letterAccount:
		subject = "Your " + app + " account was changed"
	case letterImpersonated:
		subject = "Your " + app + " account is looked at"
	case letterPasskey:
		subject = "A passkey was added for " + app
	case letterRecovered:
		subject = "A recovery code was used for " + app
	}
	if l.Kind != letterSignUp && l.Kind != letterMagic && u == nil || !l.Kind.tells() && l.Code == "" {
		return nil, nil
	}
	return compose(to, oneLine(subject), file, words{App: oneLine(app), Code: l.Code, Who: oneLine(l.Who)})
}

// oneLine makes a name safe for a subject.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// words are what a text is filled in with.
type words struct{ App, Code, Link, Who, Organization string }

// compose fills in a text and makes its HTML form.
func compose(to, subject, file string, w words) (*mail.Message, error) {
	var text, html strings.Builder
	if err := letterTexts().ExecuteTemplate(&text, file+".txt", w); err != nil {
		return nil, fmt.Errorf("authflow: write letter %s: %w", file, err)
	}
	title, body, _ := strings.Cut(text.String(), "\n")
	if w.Code != "" {
		title = strings.TrimSuffix(title, " is "+w.Code)
	}
	var paragraphs []string
	for p := range strings.SplitSeq(strings.TrimSpace(body), "\n\n") {
		paragraphs = append(paragraphs, oneLine(p))
	}
	err := letterHTML().Execute(&html, map[string]any{"Subject": subject, "Title": title, "Code": w.Code, "Link": w.Link, "Paragraphs": paragraphs})
	if err != nil {
		return nil, fmt.Errorf("authflow: write letter %s: %w", file, err)
	}
	return &mail.Message{To: to, Subject: subject, Text: text.String(), HTML: html.String(), Code: w.Code}, nil
}
