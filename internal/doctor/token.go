package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/token"
)

// Diagnosis is what the doctor says about a token.
type Diagnosis struct {
	*token.Examination
	// Whom says whose providers were asked.
	Whom string `json:"whom"`
	// Sentence is the end of it.
	Sentence string `json:"sentence"`
	// Fix is what to do if the token is refused; lines after the first can be pasted.
	Fix string `json:"fix,omitempty"`
	// Warnings are about what can be seen of the token alone.
	Warnings []string `json:"warnings,omitempty"`
}

// Token takes a token apart, without believing it, and says what the deployment
// makes of it: by its live providers if it can be asked, else by the file.
func (p *Patient) Token(ctx context.Context, jwt string) (*Diagnosis, error) {
	jwt = strings.TrimSpace(strings.Trim(strings.TrimPrefix(strings.TrimSpace(jwt), "Bearer "), "\"' \t\r\n"))
	if jwt == "" {
		return nil, errors.New("there is no token: give it as an argument or on standard input")
	}
	providers, whom, err := p.providers()
	if err != nil {
		return nil, err
	}
	now := p.opts.Now()
	if p.House != nil {
		now = now.Add(p.House.Skew) // its clock decides
	}
	v := &token.Verifier{House: p.keys, Client: &http.Client{Timeout: askTimeout}}
	x, err := v.Examine(ctx, providers, jwt, now)
	if err != nil {
		return nil, errors.New(spoken(err))
	}
	d := &Diagnosis{Examination: x, Whom: whom}
	if x.Accepted {
		d.Sentence = fmt.Sprintf("%s accepts this token; functions see the user %s.", whom, x.Identity)
	} else {
		d.Sentence = fmt.Sprintf("%s refuses this token. %s", whom, x.Refusal.Said)
		d.Fix = x.Refusal.Fix
	}
	if x.Alive {
		d.Warnings = append(d.Warnings, fmt.Sprintf("The token is good for another %v, and whoever has it is its user. It may now be in your shell's history; give it on standard input next time.",
			x.Expires.Sub(now).Round(time.Second)))
	}
	if n := cookieBytes(len(jwt)); n > maxCookie && p.Framework.SignIn != Browser {
		d.Warnings = append(d.Warnings, fmt.Sprintf("A session cookie with this token has about %d bytes; browsers drop cookies of more than %d without a word, and people are asked to sign in again and again. Put less into the JWT template.", n, maxCookie))
	}
	return d, nil
}

// maxCookie is the size of a cookie that browsers keep (RFC 6265 §6.1).
const maxCookie = 4096

// cookieBytes estimates the sealed session cookie with an access token of so many
// bytes: beside it the seal holds a refresh token and the user, about 480 bytes,
// becomes a third longer by base64, and has some 250 bytes of its own.
func cookieBytes(jwt int) int { return (jwt+480)*4/3 + 250 }

// spoken is an error without its code.
func spoken(err error) string {
	if _, text, ok := strings.Cut(err.Error(), ": "); ok {
		return text
	}
	return err.Error()
}

// providers are whom the deployment trusts, and who says so.
func (p *Patient) providers() ([]token.Provider, string, error) {
	if p.House != nil && p.House.Providers != nil {
		name := p.House.URL
		if p.House.Facts != nil {
			name = p.House.Facts.Deployment
		}
		return p.House.Providers, "The deployment " + name, nil
	}
	if p.Auth == nil {
		return nil, "", fmt.Errorf("nobody can be asked whom to trust: %s; %s", p.HouseWhy, p.AuthWhy)
	}
	if p.Auth.Helper != "" {
		return nil, "", fmt.Errorf("%s() makes the providers of %s; start a deployment, which knows them", p.Auth.Helper, p.Auth.File.Path)
	}
	list := []token.Provider{}
	for i := range p.Auth.Providers {
		e := &p.Auth.Providers[i]
		get := func(name string) string {
			text, _ := e.Members[name].Fill(func(name string) (string, bool) {
				if name == "WORKOS_CLIENT_ID" {
					if id, _ := p.clientID(); id != "" {
						return id, true
					}
				}
				v, _ := p.env(name)
				return v, v != ""
			})
			return text
		}
		q := token.Provider{Type: get("type"), Issuer: get("issuer"), JWKS: get("jwks"), Algorithm: get("algorithm"), ApplicationID: get("applicationID")}
		if q.Type != token.TypeCustomJWT {
			q.Type, q.Issuer = token.TypeOIDC, get("domain")
		}
		list = append(list, q)
	}
	return list, "A deployment with this " + p.Auth.File.Path, nil
}

// keys finds the keys of the house's own environment at the house, as the
// deployment does, also if the address is the vendor's.
func (p *Patient) keys(jwks string) token.KeySet {
	if p.House == nil || p.House.Facts == nil || p.House.Facts.Environment == nil {
		return nil
	}
	u, err := url.Parse(jwks)
	own := "/sso/jwks/" + p.House.Facts.Environment.ClientID
	if err != nil || u.Path != own || u.Host != strings.TrimPrefix(vendor, "https://") {
		return nil
	}
	return token.NewRemoteKeySet(p.House.Facts.AuthKitURL+own, p.House.client)
}

// Print writes the diagnosis for a person. Of the token it has no signature.
func (d *Diagnosis) Print(w io.Writer, now time.Time, style Style) {
	part := func(title string, list []token.Member) {
		fmt.Fprintf(w, "\n  %s\n", style(bold, title))
		for _, m := range list {
			value := string(m.Value)
			if !m.Time.IsZero() {
				value = fmt.Sprintf("%s  %s", value, style(faint, m.Time.UTC().Format(time.DateTime)+" UTC, "+relative(m.Time.Sub(now))))
			}
			fmt.Fprintf(w, "    %-14s %s\n", m.Name, value)
		}
	}
	part("Header", d.Header)
	part("Claims", d.Payload)
	fmt.Fprintf(w, "\n  %s\n", style(bold, "Providers"))
	if len(d.Judgements) == 0 {
		fmt.Fprintf(w, "    none\n")
	}
	for _, j := range d.Judgements {
		good := true
		for _, point := range j.Points {
			good = good && point.OK
		}
		fmt.Fprintf(w, "    %s %s\n", mark(good, style), j.Provider)
		for _, point := range j.Points {
			fmt.Fprintf(w, "        %s %-10s %s\n", mark(point.OK, style), point.What, point.Said)
		}
	}
	fmt.Fprintf(w, "\n  %s %s\n", mark(d.Accepted, style), style(bold, d.Sentence))
	if d.Fix != "" {
		first, rest, _ := strings.Cut(d.Fix, "\n")
		fmt.Fprintf(w, "      %s %s\n", style(cyan, "fix:"), first)
		if rest != "" {
			for line := range strings.SplitSeq(rest, "\n") {
				fmt.Fprintf(w, "          %s\n", style(cyan, line))
			}
		}
	}
	for _, warning := range d.Warnings {
		for i, line := range wrap(warning, 96) {
			fmt.Fprintf(w, "  %s %s\n", style(yellow, []string{"!", " "}[min(i, 1)]), line)
		}
	}
	fmt.Fprintln(w)
}

// mark is the sign of good and bad.
func mark(good bool, style Style) string {
	m := marks[OK]
	if !good {
		m = marks[Problem]
	}
	return style(m[1], m[0])
}

// relative says how far away a time is.
func relative(d time.Duration) string {
	d = d.Round(time.Second)
	switch {
	case d == 0:
		return "now"
	case d > 0:
		return "in " + d.String()
	}
	return (-d).String() + " ago"
}

// checkCookieSize looks for JWT templates that make tokens too large for a cookie.
func checkCookieSize(_ context.Context, p *Patient, f *finding) {
	if p.Framework.SignIn != Server {
		f.say(Skipped, "sign-in runs in the browser, without a session cookie of the app")
		return
	}
	// Without a template a token has some 900 bytes; what the template adds is a
	// third longer in it.
	n := cookieBytes(900 + p.House.Facts.Environment.TemplateBytes*4/3)
	if n > maxCookie {
		f.say(Warning, "the JWT template has %d bytes, so the session cookie has about %d; browsers drop cookies of more than %d without a word", p.House.Facts.Environment.TemplateBytes, n, maxCookie)
		f.fix("Put less into the JWT template; look at a real token with:\nlentil doctor token < token.txt")
		return
	}
	f.say(OK, "about %d bytes of the %d that a cookie may have", n, maxCookie)
}
