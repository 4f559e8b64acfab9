package login

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strconv"
)

// embedded holds the templates and assets that the binary carries.
//
//go:embed templates/*.html assets/*
var embedded embed.FS

// A page is one struct per hosted page; its template is named after it.
type page interface{ template() string }

// frame is what every page has around its content.
type frame struct {
	Title       string // of the document; the heading is the template's
	Stylesheet  string // address of the stylesheet, with the hash of its content
	Script      string // address of the page's script; "" for all pages but those with passkeys
	Brand       brand
	Development bool // whether mails are kept in the outbox, so a way there is shown
	NewTab      bool // whether the outbox opens beside the page, so that a form is not lost
}

// problems are what was wrong with each field of a form, in words for the person.
type problems struct{ Email, Password, Code string }

// form is what the form pages have in common.
type form struct {
	frame
	App      string // the app the person signs in to, as they know it
	Action   string // where the form posts to
	Alert    string // what went wrong with the whole form
	Notice   string // what went well
	Email    string // the address typed or sent to
	Focus    string // name of the field that has the focus first
	Autofill string // what the address field is completed with; "" for user names
	Problems problems

	Providers []providerLink // accounts elsewhere to sign in with

	SignInLink, SignUpLink, ForgotLink, ResendLink string
	RecoveryLink, AuthenticatorLink                string
	PasswordHint                                   string
}

// refusalPage explains why there is nothing to sign in to, and the way out.
type refusalPage struct {
	frame
	Refusal
}

// openAppPage leads back to a native app, whose address the browser opens only
// from a link.
type openAppPage struct {
	frame
	URL template.URL // a registered address with the code; its scheme was checked
}

// signedOutPage is shown after logging out when there is nowhere to go.
type signedOutPage struct {
	frame
	Home        string // the app's homepage, if there is one
	Explanation string // why the person was not sent where the app asked
}

// homePage is what the bare address shows.
type homePage struct {
	frame
	Apps []string // homepages of the apps, in development only
}

// outboxPage lists the mails kept in development.
type outboxPage struct {
	frame
	Address string // only mails to this address, if set
	Clear   string // link to everyone's mails
	Mails   []mailView
}

// mailView is one mail as the outbox page shows it.
type mailView struct {
	To, Subject, Text, Code string
	Human, Machine          string // the time, to read and to parse
}

// Each page names its template.
func (refusalPage) template() string   { return "refusal.html" }
func (openAppPage) template() string   { return "open-app.html" }
func (signedOutPage) template() string { return "signed-out.html" }
func (homePage) template() string      { return "home.html" }
func (outboxPage) template() string    { return "outbox.html" }

// scripted is a page that may have a script.
type scripted interface{ script() string }

// script is the address of a page's script.
func (f frame) script() string { return f.Script }

// press holds the parsed templates and the addresses of stylesheet and script.
type press struct {
	templates  *template.Template
	stylesheet string
	passkeys   string // the script of pages that ask for one
}

// newPress parses the templates of files, which has the folders templates and assets.
func newPress(files fs.FS) (*press, error) {
	t, err := template.ParseFS(files, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("login: parse templates: %w", err)
	}
	pr := &press{templates: t}
	for name, address := range map[string]*string{"login.css": &pr.stylesheet, "passkey.js": &pr.passkeys} {
		b, err := fs.ReadFile(files, "assets/"+name)
		if err != nil {
			return nil, fmt.Errorf("login: read asset: %w", err)
		}
		sum := sha256.Sum256(b)
		*address = AssetsPath + name + "?v=" + hex.EncodeToString(sum[:6])
	}
	return pr, nil
}

// print renders p in full before anything is sent, so that a template's fault
// cannot leave half a page.
func (pr *press) print(w http.ResponseWriter, status int, p page) error {
	var b bytes.Buffer
	if err := pr.templates.ExecuteTemplate(&b, p.template(), p); err != nil {
		return fmt.Errorf("login: render %s: %w", p.template(), err)
	}
	h := w.Header()
	harden(h)
	if s, ok := p.(scripted); ok && s.script() != "" {
		h.Set("Content-Security-Policy", h.Get("Content-Security-Policy")+"; script-src 'self'")
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	_, err := b.WriteTo(w)
	return err
}

// harden sets the headers that every page carries.
//
// form-action names schemes and not hosts: Chromium applies it to every redirect
// after a post, and an app's callback may send the browser on to an origin that
// only the app knows (https://github.com/w3c/webappsec-csp/issues/8).
func harden(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; "+
		"form-action 'self' https: http:; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	// same-origin, not no-referrer: the latter makes browsers send "Origin: null"
	// with our own forms, which then look foreign where Sec-Fetch-Site is absent.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}
