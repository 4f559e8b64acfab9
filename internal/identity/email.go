package identity

import (
	"net/mail"
	"strings"
)

// maxEmail is the longest address that SMTP can carry (RFC 5321 §4.5.3.1.3).
const maxEmail = 254

// ParseEmail reads an address as a person types it. email is what mail is sent
// to; key is what it is compared by. Only ASCII is accepted: letters of other
// scripts that look or fold alike would let two people meet in one key, and
// internationalised domains have an ASCII form.
func ParseEmail(s string) (email, key string, ok bool) {
	s = strings.Trim(s, " \t\r\n")
	if len(s) < 3 || len(s) > maxEmail {
		return "", "", false
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '(' || c == ')' || c == '<' || c == '>' || c == ',' || c == ';' || c == ':' || c == '[' || c == ']' {
			return "", "", false
		}
	}
	at := strings.LastIndexByte(s, '@')
	if at < 1 || at > 64 || strings.IndexByte(s, '@') != at {
		return "", "", false
	}
	for label := range strings.SplitSeq(s[at+1:], ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return "", "", false
		}
		for i := range len(label) {
			if !alphanumeric(label[i]) && label[i] != '-' {
				return "", "", false
			}
		}
	}
	if a, err := mail.ParseAddress(s); err != nil || a.Address != s {
		return "", "", false
	}
	return s, strings.ToLower(s), true
}
