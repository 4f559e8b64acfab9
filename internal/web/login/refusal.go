package login

import "github.com/lentil-dev/lentil/internal/apierr"

// A Refusal is a page that says why there is nothing to sign in to: what was
// wrong, and for whoever can mend it, how.
type Refusal struct {
	Kind         apierr.Kind // decides the status
	Code         string      // short and stable, for searching
	Heading      string
	What         string // one or two sentences for anybody
	Subject      string // the exact thing refused, if there is one
	Remedies     []Remedy
	KnownHeading string
	Known        []string // what would have been accepted, in development
	Back         *Link
	RequestID    string

	brand brand
}

// A Remedy is one way to mend it.
type Remedy struct {
	Heading string
	Text    string
	Snippet string // a command or lines to paste
}

// A Link is a way on.
type Link struct{ Label, URL string }
