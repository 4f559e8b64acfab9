package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// BrowserID names a browser's sign-in on the host of the sign-in pages.
type BrowserID string

// BrowserSession says that a browser is signed in on the host of the sign-in
// pages, so that further applications of the environment need not ask again.
type BrowserSession struct {
	ID            BrowserID
	Environment   EnvironmentID
	User          UserID
	Method        Method
	Second        string         // as of a Session
	Organization  OrganizationID // last chosen; "" if none was
	Authenticated time.Time
	Created       time.Time
	Expires       time.Time
}

// browserHash is how a browser's secret is stored and found.
func browserHash(secret string) string {
	sum := sha256.Sum256([]byte("lentil browser session\x00" + secret))
	return hex.EncodeToString(sum[:])
}

// StartBrowser signs a browser in and gives its secret, a new one each time: a
// value that was known before the sign-in is worth nothing after it. Of b the user
// and what was shown are taken; a zero Authenticated is now.
func (tx *Tx) StartBrowser(e *Environment, b BrowserSession) (*BrowserSession, string, error) {
	secret := rand.Text() + rand.Text()
	if b.Authenticated.IsZero() {
		b.Authenticated = tx.now
	}
	b.ID, b.Environment, b.Created, b.Expires = BrowserID(NewID("browser_")), e.ID, tx.now, e.Settings.expiry(b.Authenticated, tx.now)
	return &b, secret, tx.Add(tableBrowsers, Row{Text("id", b.ID), Text("hash", browserHash(secret)), Text("environment", e.ID), Text("user", b.User),
		Text("method", b.Method), Text("second", b.Second), Text("organization", b.Organization), Time("authenticated", b.Authenticated), Time("created", b.Created), Time("expires", b.Expires)})
}

// Browser finds who a browser is signed in as; nil if nobody. It looks at
// everything that could have ended the sign-in since.
func (tx *Tx) Browser(e *Environment, secret string) (*BrowserSession, *User, error) {
	f, err := tx.browserRow(e, secret)
	if err != nil || f == nil {
		return nil, nil, err
	}
	b := &BrowserSession{ID: BrowserID(f.Text("id")), Environment: e.ID, User: UserID(f.Text("user")), Method: Method(f.Text("method")),
		Second: f.Text("second"), Organization: OrganizationID(f.Text("organization")), Authenticated: f.Time("authenticated"), Created: f.Time("created"), Expires: f.Time("expires")}
	if !tx.now.Before(b.Expires) {
		return nil, nil, nil
	}
	u, err := tx.userRowOf(e.ID, b.User)
	if err != nil || u == nil || b.Authenticated.Before(u.Time("valid_from")) {
		return nil, nil, err
	}
	return b, readUser(u.Record), nil
}

// browserRow finds the row of a browser's secret in the environment.
func (tx *Tx) browserRow(e *Environment, secret string) (*Found, error) {
	if secret == "" || len(secret) > 256 {
		return nil, nil
	}
	f, err := tx.First(tableBrowsers, "on_hash", browserHash(secret))
	if err != nil || f == nil || f.Text("environment") != string(e.ID) {
		return nil, err
	}
	return f, nil
}

// KeepBrowser notes that a browser's sign-in was used, which puts its end off as
// far as the environment's settings allow.
func (tx *Tx) KeepBrowser(e *Environment, secret string) error {
	f, err := tx.browserRow(e, secret)
	if err != nil || f == nil {
		return err
	}
	return tx.Patch(f, Row{Time("expires", e.Settings.expiry(f.Time("authenticated"), tx.now))})
}

// EndBrowser signs a browser out.
func (tx *Tx) EndBrowser(e *Environment, secret string) error {
	f, err := tx.browserRow(e, secret)
	if err != nil || f == nil {
		return err
	}
	return tx.Remove(f)
}
