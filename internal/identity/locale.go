package identity

import (
	"slices"
	"strings"
)

// locales are the languages of the imitated service's mails and pages
// (workos-operations.md, CreateUserlandUserInviteOptionsDto).
var locales = strings.Fields(`
	af am ar bg bn bs ca cs da de de-DE el en en-AU en-CA en-GB en-US es es-419 es-ES es-US et fa fi fil
	fr fr-BE fr-CA fr-FR fy gl gu ha he hi hr hu hy id is it it-IT ja jv ka kk km kn ko lt lv mk ml mn
	mr ms my nb ne nl nl-BE nl-NL nn no pa pl pt pt-BR pt-PT ro ru sk sl sq sr sv sw ta te th tr uk ur
	uz vi zh zh-CN zh-HK zh-TW zu
`)

// KnownLocale reports whether a locale is one that people can be written to in.
func KnownLocale(locale string) bool { return slices.Contains(locales, locale) }

// wellFormedLocale reports whether s has the form of a locale: a language, and parts
// of up to eight letters and digits (RFC 5646 §2.1, of which this is the outline).
// People's own may be any, as identity providers send them.
func wellFormedLocale(s string) bool {
	if len(s) > 35 {
		return false
	}
	for i, part := range strings.FieldsFunc(s, func(r rune) bool { return r == '-' || r == '_' }) {
		if i == 0 && (len(part) < 2 || len(part) > 3) || len(part) > 8 {
			return false
		}
		for j := range len(part) {
			if !alphanumeric(part[j]) {
				return false
			}
		}
	}
	return s[0] != '-' && s[0] != '_' && s[len(s)-1] != '-' && s[len(s)-1] != '_'
}
