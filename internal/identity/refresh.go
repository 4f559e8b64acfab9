package identity

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
)

// A refresh token is not stored: it is the session's ULID, a generation and a MAC
// over both and the session's random seed. So every holder of generation n can be
// given the very same generation n+1, and a copy of the store yields no token
// without the sealed key.
//
// Layout, version 1 (2026-11-23), base64url: version 1 byte, ULID 16, generation
// 4 big-endian, MAC 20.
const (
	refreshVersion = 1
	refreshMAC     = 20 // 160 bits, as RFC 6749 §10.10 wishes
	refreshSize    = 1 + 16 + 4 + refreshMAC
)

// refreshToken is a token's text taken apart; the MAC is not yet believed.
type refreshToken struct {
	session    SessionID
	generation uint32
	mac        []byte
}

// sessionPrefix begins every session id.
const sessionPrefix = "session_"

// refreshText writes the token of a generation of a session.
func refreshText(key []byte, session SessionID, seed []byte, generation uint32) (string, error) {
	id, err := ulid.ParseStrict(strings.TrimPrefix(string(session), sessionPrefix))
	if err != nil {
		return "", err
	}
	b := make([]byte, 0, refreshSize)
	b = append(b, refreshVersion)
	b = append(b, id[:]...)
	b = binary.BigEndian.AppendUint32(b, generation)
	b = append(b, refreshSum(key, seed, b)...)
	return base64.RawURLEncoding.EncodeToString(b), nil
}

// refreshSum is the MAC over a token's head.
func refreshSum(key, seed, head []byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte("lentil refresh token v1\x00"))
	m.Write(seed)
	m.Write(head)
	return m.Sum(nil)[:refreshMAC]
}

// parseRefresh takes a token's text apart; ok is false if it cannot be one.
func parseRefresh(text string) (t refreshToken, ok bool) {
	if len(text) != base64.RawURLEncoding.EncodedLen(refreshSize) {
		return t, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || b[0] != refreshVersion {
		return t, false
	}
	t.session = SessionID(sessionPrefix + ulid.ULID(b[1:17]).String())
	t.generation = binary.BigEndian.Uint32(b[17:21])
	t.mac = b[21:]
	return t, true
}

// genuine reports whether the house made the token for a session of this seed.
func (t refreshToken) genuine(key, seed []byte) bool {
	id, err := ulid.ParseStrict(strings.TrimPrefix(string(t.session), sessionPrefix))
	if err != nil {
		return false
	}
	head := make([]byte, 0, 21)
	head = append(head, refreshVersion)
	head = append(head, id[:]...)
	head = binary.BigEndian.AppendUint32(head, t.generation)
	return hmac.Equal(t.mac, refreshSum(key, seed, head))
}

// Bounds of what a session remembers. A client that exchanges more than
// maxLineage times within one reuse window gets its token back unrotated; of the
// forgivenesses still open, the newest maxLate are kept.
const (
	maxLineage = 64
	maxLate    = 8
)

// exchange says that one generation was answered with another.
type exchange struct {
	from, to uint32
	at       time.Time
	// late says that to was handed out again after it had itself been exchanged.
	// Its holder is honest as far as anyone can tell, so one use of it is forgiven
	// whenever it comes, and leads to the newest generation.
	late bool
}

// absence is a time in which there was no house to repeat an answer that got lost on
// the way. It does not count for the reuse window: a client that had no answer when
// the house was killed asks again as soon as it can, and that is no theft. from is
// the newest commit that the store had when it was opened, since nobody writes down
// when a house is killed; what was exchanged by then is not older than it.
type absence struct{ from, to time.Time }

// by is the same absence by a clock that is ahead.
func (a absence) by(ahead time.Duration) absence { return absence{a.from.Add(ahead), a.to.Add(ahead)} }

// since is how long a house has been there since at.
func (a absence) since(at, now time.Time) time.Duration {
	if at.After(a.from) || a.to.Before(a.from) || now.Before(a.to) {
		return now.Sub(at)
	}
	return now.Sub(at) - a.to.Sub(a.from)
}

// lineage is what a session remembers of its refresh tokens: the newest
// generation, and the exchanges of the present reuse window.
type lineage struct {
	newest uint32
	recent []exchange // oldest first
}

// verdict is what the presentation of a genuine token leads to.
type verdict struct {
	reuse   bool   // too old: whoever presents it, the family is over
	give    uint32 // the generation to hand out
	changed bool   // the lineage is to be stored
}

// prune forgets what the window has left behind, except open forgivenesses.
func (l *lineage) prune(now time.Time, window time.Duration, away absence) {
	kept := make([]exchange, 0, len(l.recent)+1)
	late := 0
	for i := len(l.recent) - 1; i >= 0; i-- {
		e := l.recent[i]
		within := away.since(e.at, now) <= window
		if e.late {
			if late++; late > maxLate && !within {
				continue
			}
		} else if !within {
			continue
		}
		kept = append(kept, e)
	}
	slices.Reverse(kept)
	l.recent = kept
}

// present decides on a genuine token of generation g. It is pure but for l, which
// is to be stored where the verdict says so.
//
//	the newest        → exchanged for a new one
//	exchanged, within → the same successor as the first time
//	handed out late   → the newest, once
//	any other         → reuse
func (l *lineage) present(g uint32, now time.Time, window time.Duration, away absence) verdict {
	l.prune(now, window, away)
	if g >= l.newest {
		// Above the newest there is nothing, unless the store was set back to a
		// backup: the token is genuine, so its holder goes on from there.
		if len(l.recent) >= maxLineage || g == math.MaxUint32 {
			return verdict{give: g}
		}
		l.newest = g + 1
		l.recent = append(l.recent, exchange{from: g, to: g + 1, at: now})
		return verdict{give: g + 1, changed: true}
	}
	for i := range l.recent {
		e := &l.recent[i]
		if e.from != g || away.since(e.at, now) > window {
			continue
		}
		if e.to < l.newest && !e.late {
			e.late = true
			return verdict{give: e.to, changed: true}
		}
		return verdict{give: e.to}
	}
	for i, e := range l.recent {
		if e.late && e.to == g {
			// The forgiveness is used up and counts as an exchange made now, so that
			// the holder's other tabs fare alike.
			l.recent = append(slices.Delete(l.recent, i, i+1), exchange{from: g, to: l.newest, at: now})
			return verdict{give: l.newest, changed: true}
		}
	}
	return verdict{reuse: true}
}
