package udf

import (
	"github.com/lentil-dev/lentil/internal/isolate"
	"github.com/lentil-dev/lentil/internal/token"
)

// position is a place between the rows of an index: after the row with the given
// key, or after all of them.
type position struct {
	key []byte
	end bool
}

// cursorSealer turns positions into the opaque strings that clients hold, and back.
// A string tells nothing about the keys in it and cannot be forged.
type cursorSealer struct{ sealer *token.Sealer }

// cursorPurpose binds sealed strings to being cursors.
const cursorPurpose = "cursor"

// The layout of a sealed position, version 1 (November 2026): version, whether it is
// the end (1) or a key (0), fingerprint of the query, key.
const (
	cursorVersion = 1
	cursorHeader  = 2 + 16
)

// seal writes a position of the query with the given fingerprint.
func (c cursorSealer) seal(p position, fingerprint [16]byte) string {
	b := make([]byte, 0, cursorHeader+len(p.key))
	b = append(b, cursorVersion, 0)
	if p.end {
		b[1] = 1
	}
	b = append(b, fingerprint[:]...)
	b = append(b, p.key...)
	return c.sealer.Seal(cursorPurpose, b)
}

// open reads a cursor, which must belong to the query with the given fingerprint.
func (c cursorSealer) open(text string, fingerprint [16]byte) (position, error) {
	b, err := c.sealer.Open(cursorPurpose, text)
	if err != nil || len(b) < cursorHeader || b[0] != cursorVersion || b[1] > 1 || [16]byte(b[2:cursorHeader]) != fingerprint {
		return position{}, invalidCursor()
	}
	if b[1] == 1 {
		return position{end: true}, nil
	}
	return position{key: b[cursorHeader:]}, nil
}

// invalidCursor is the error by which the React hook knows to begin again (convex-runtime.md §5.6).
func invalidCursor() error {
	return &isolate.Throw{
		Message: "InvalidCursor: Tried to run a query starting from a cursor, but it looks like this cursor is from a different query.",
		Data:    []byte(`{"isConvexSystemError":true,"paginationError":"InvalidCursor"}`),
	}
}
