package convexsync

import "sync/atomic"

// Places are the sockets that the servers of a house may have open together.
type Places struct {
	max    int64
	open   atomic.Int64
	shared atomic.Bool
}

// NewPlaces makes so many.
func NewPlaces(max int) *Places { return &Places{max: int64(max)} }

// Share says whether several servers may take places.
func (p *Places) Share(several bool) { p.shared.Store(several) }

// Of the last eighth of shared places only servers get one that have less than a
// sixteenth of all, so that a crowd at one deployment leaves room for the others.
const (
	lastPart  = 8
	smallPart = 16
)

// take takes a place for a server that has own open already; ok says whether there
// was one.
func (p *Places) take(own int) (ok bool) {
	if p == nil {
		return true
	}
	n := p.open.Add(1)
	if n > p.max || p.shared.Load() && n > p.max-p.max/lastPart && int64(own) >= max(1, p.max/smallPart) {
		p.open.Add(-1)
		return false
	}
	return true
}

// give gives a place back.
func (p *Places) give() {
	if p != nil {
		p.open.Add(-1)
	}
}

// Open is how many are taken.
func (p *Places) Open() int { return int(p.open.Load()) }
