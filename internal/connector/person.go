package connector

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Person is what somebody else says of a person.
type Person struct {
	ID            string // the other side's own, never reused: sub, NameID
	Email         string
	EmailVerified bool // the provider says that this person owns the address
	FirstName     string
	LastName      string
	Name          string
	Picture       string
	Groups        []string
	Raw           map[string]any // as received
	Tokens        *Tokens        // nil if the protocol has none
	SessionIndex  string         // SAML only, for signing out there
	NameIDFormat  string         // SAML only
	Authenticated time.Time      // when the person last signed in there; zero if it was not said
}

// Tokens are what an OAuth provider gave besides the person.
type Tokens struct {
	Access  string    `json:"access_token"`
	Refresh string    `json:"refresh_token"`
	ID      string    `json:"id_token"`
	Expires time.Time `json:"expires"`
	Scopes  []string  `json:"scopes"`
}

// Bounds of what is taken from elsewhere.
const (
	maxClaim  = 1000 // bytes of a text
	maxGroups = 500
)

// claims reads the members of somebody else's JSON object, whose kinds nobody can
// be sure of.
type claims map[string]any

// text is a member as text, "" if it is none; over-long ones are cut.
func (c claims) text(name string) string {
	switch v := c[name].(type) {
	case string:
		return cut(strings.TrimSpace(v))
	case json.Number:
		return v.String()
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

// yes tells whether a member says yes: true, or "true" as Apple writes it, or 1 as
// Microsoft does.
func (c claims) yes(name string) bool {
	switch v := c[name].(type) {
	case bool:
		return v
	case string:
		return v == "true" || v == "1"
	case json.Number:
		return v == "1"
	}
	return false
}

// texts is a member that is a list of texts, or one.
func (c claims) texts(name string) []string {
	var out []string
	switch v := c[name].(type) {
	case string:
		out = append(out, cut(v))
	case []any:
		for _, e := range v {
			if s, ok := e.(string); ok && len(out) < maxGroups {
				out = append(out, cut(s))
			}
		}
	}
	return out
}

// in is a member that is an object; empty if it is none.
func (c claims) in(name string) claims {
	m, _ := c[name].(map[string]any)
	return m
}

// cut shortens an over-long text, keeping it UTF-8.
func cut(s string) string {
	if len(s) > maxClaim {
		s = s[:maxClaim]
	}
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "")
}

// nameParts fills first and last name from a full name where they are missing.
func (p *Person) nameParts() {
	if p.FirstName == "" && p.LastName == "" && p.Name != "" {
		p.FirstName = p.Name
		if i := strings.LastIndexByte(p.Name, ' '); i > 0 {
			p.FirstName, p.LastName = strings.TrimSpace(p.Name[:i]), p.Name[i+1:]
		}
	}
	if p.Name == "" {
		p.Name = strings.TrimSpace(p.FirstName + " " + p.LastName)
	}
	for _, s := range []*string{&p.FirstName, &p.LastName} {
		for utf8.RuneCountInString(*s) > 200 { // what identity takes
			*s = string([]rune(*s)[:200])
		}
	}
	if len(p.Picture) > 2048 || !strings.HasPrefix(p.Picture, "https://") {
		p.Picture = ""
	}
}
