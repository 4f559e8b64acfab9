package directory

import "sync"

// maxPages bounds what is remembered of pages; beyond it, all is forgotten.
const maxPages = 4096

// pages remembers before which row pages of SCIM lists begin. SCIM asks for pages by
// number (RFC 7644 §3.4.2.4), and counting up to there anew for each page would make
// reading a large directory quadratic. It is a courtesy: what is not remembered is
// counted. The zero value is ready.
type pages struct {
	mu sync.Mutex // leaf
	of map[pageStart]string
}

// pageStart names a page: of which list, how long that was, and where it begins.
type pageStart struct {
	table     string
	directory ID
	total     int
	start     int
}

// last is the id of the row before a page; "" if it is not remembered.
func (p *pages) last(at pageStart) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.of[at]
}

// remember keeps the id of the row before a page.
func (p *pages) remember(at pageStart, id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.of == nil || len(p.of) >= maxPages {
		p.of = map[pageStart]string{}
	}
	p.of[at] = id
}
