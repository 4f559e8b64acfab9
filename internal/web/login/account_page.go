package login

import (
	"net/http"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/account"
	"github.com/lentil-dev/lentil/internal/authflow"
)

// accountPage shows an account.
type accountPage struct {
	form
	FirstName, LastName string
	HasPassword         bool
	Passwords           bool // they are a way to sign in here
	Factors             []accountItem
	CodesLeft           int
	Passkeys            []accountItem
	CanAddPasskey       bool
	Devices             []accountItem
	Others              bool // somewhere else is signed in, too
	Linked              []accountItem
	Applications        []accountItem
}

func (accountPage) template() string { return "account.html" }

// accountItem is a line of one of the page's lists.
type accountItem struct {
	ID, Type, Name string
	Detail         string
	When, Machine  string // to read and to parse
	Current        bool   // this browser
}

// at fills in a time.
func (i accountItem) at(t time.Time) accountItem {
	if !t.IsZero() {
		i.When, i.Machine = t.UTC().Format("2 Jan 2006, 15:04 MST"), t.UTC().Format(time.RFC3339)
	}
	return i
}

// printAccount prints the account page.
func (p *Pages) printAccount(w http.ResponseWriter, r *http.Request, who *account.Person, status int, pb *authflow.Problem) error {
	o, err := p.Account.Overview(r.Context(), who)
	if err != nil {
		return err
	}
	f := p.accountForm(who, "Your account", pb)
	f.NewTab = false
	f.Notice = accountDone[r.URL.Query().Get("done")]
	m := who.Environment.Settings.SignIn
	pg := accountPage{form: f, FirstName: who.User.FirstName, LastName: who.User.LastName, HasPassword: o.HasPassword, Passwords: !m.NoPassword,
		CodesLeft: o.CodesLeft, CanAddPasskey: p.Account.CanAddPasskey(who)}
	for _, x := range o.Factors {
		pg.Factors = append(pg.Factors, accountItem{ID: string(x.ID), Name: "Authenticator app"}.at(x.Created))
	}
	for _, x := range o.Passkeys {
		pg.Passkeys = append(pg.Passkeys, accountItem{ID: string(x.ID), Name: x.Name}.at(x.LastUsed))
	}
	for _, x := range o.Devices {
		item := accountItem{ID: string(x.ID), Name: device(x.UserAgent), Detail: x.IPAddress, Current: x.Browser != "" && x.Browser == who.Browser}.at(x.Updated)
		if x.Impersonator != nil {
			item.Name = "Support (" + x.Impersonator.Email + ")"
		}
		pg.Others = pg.Others || !item.Current
		pg.Devices = append(pg.Devices, item)
	}
	for _, x := range o.Linked {
		pg.Linked = append(pg.Linked, accountItem{ID: x.IDP, Type: x.Type, Name: strings.TrimSuffix(x.Type, "OAuth")})
	}
	for _, x := range o.Applications {
		pg.Applications = append(pg.Applications, accountItem{ID: x.Application.ID, Name: x.Application.Name}.at(x.Created))
	}
	return p.print().print(w, status, pg)
}

// browsers and systems are what user agents are told by, in the order of looking: most
// pretend to be others, too.
var (
	browsers = [][2]string{{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"CriOS/", "Chrome"}, {"Safari/", "Safari"}}
	systems  = [][2]string{{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"}, {"Mac OS X", "Mac"}, {"Linux", "Linux"}}
)

// device is a user agent as a person knows it.
func device(agent string) string {
	name, on := "", ""
	for _, b := range browsers {
		if name == "" && strings.Contains(agent, b[0]) {
			name = b[1]
		}
	}
	for _, s := range systems {
		if on == "" && strings.Contains(agent, s[0]) {
			on = s[1]
		}
	}
	switch {
	case name != "" && on != "":
		return name + " on " + on
	case name+on != "":
		return name + on
	}
	if first, _, _ := strings.Cut(agent, " "); first != "" {
		return clip(first, 40)
	}
	return "Unknown device"
}
