package authflow

import (
	_ "embed"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Lengths of passwords in characters. NIST SP 800-63B-4 §3.1.1.2 asks for at least
// 8 and for room for 64; the upper bound keeps hashing input small.
const (
	minPassword = 10
	maxPassword = 256
)

// common holds passwords that guessers try first and that are long enough to pass
// otherwise, one per line, in lower case.
//
//go:embed common.txt
var common string

// checkPassword says what is wrong with a new password; nil if nothing is. It asks
// for length and for not being guessable at once, and for no particular kinds of
// characters (NIST SP 800-63B-4 §3.1.1.2).
func checkPassword(password, email string) *Problem {
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
	stem := strings.TrimRight(low, "0123456789!?.*#$ ")
	for line := range strings.SplitSeq(common, "\n") {
		if line != "" && (line == low || len(stem) >= 4 && line == stem) {
			return true
		}
	}
	return false
}
