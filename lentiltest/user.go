package lentiltest

import (
	"crypto/rand"
	"net/url"
	"strings"
	"testing"
)

// User is an account of the identity service.
type User struct {
	ID, Email, Password string
}

// CreateUser makes a user with a proven address and a random password.
func (h *House) CreateUser(t testing.TB, email string) User {
	t.Helper()
	u := User{Email: email, Password: "lentil-" + strings.ToLower(rand.Text())}
	h.API(t, "POST", "/user_management/users", map[string]any{"email": email, "password": u.Password, "email_verified": true}, &u)
	return u
}

// Tokens are what a signed-in user's app holds.
type Tokens struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
}

// SignIn signs a user in without a browser.
func (h *House) SignIn(t testing.TB, u User) Tokens {
	t.Helper()
	var out Tokens
	h.API(t, "POST", "/user_management/authenticate", map[string]any{
		"grant_type": "password", "client_id": h.ClientID, "client_secret": h.APIKey, "email": u.Email, "password": u.Password,
	}, &out)
	return out
}

// AllowRedirect registers an address that sign-ins may come back to.
func (h *House) AllowRedirect(t testing.TB, uri string) {
	t.Helper()
	h.API(t, "POST", "/user_management/redirect_uris", map[string]any{"uri": uri}, nil)
}

// AllowOrigin registers the origin of a browser app.
func (h *House) AllowOrigin(t testing.TB, origin string) {
	t.Helper()
	h.API(t, "POST", "/user_management/cors_origins", map[string]any{"origin": origin}, nil)
}

// Mail is a message that the house has sent.
type Mail struct {
	To, Subject, Text string
	Code              string // the code in it, if there is one
}

// Mails are the messages to an address, newest first.
func (h *House) Mails(t testing.TB, to string) []Mail {
	t.Helper()
	var list []Mail
	h.API(t, "GET", "/_lentil/outbox?to="+url.QueryEscape(to), nil, &list)
	return list
}
