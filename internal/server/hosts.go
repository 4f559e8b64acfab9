package server

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
)

// hosts is what answers on a listener that many host names share. Rows may be added
// while it answers.
type hosts struct {
	// anywhere answers what probes of load balancers ask, who call a machine by its
	// address; false passes a request on. It is asked only for names without a row.
	anywhere func(w http.ResponseWriter, r *http.Request) bool

	mu      sync.RWMutex
	rows    map[string]hostRow // by name
	domains []domainRow        // the longest first
	finders []hostFinder
}

// hostRow is one name.
type hostRow struct {
	what    string // for people: "sign-in"
	handler http.Handler
}

// domainRow is one label before a domain, whatever it is.
type domainRow struct {
	domain string // with a dot before it
	what   string
	find   func(ctx context.Context, label string) http.Handler
}

// hostFinder finds who answers to names that are rows of a store; nil passes on.
type hostFinder func(ctx context.Context, host string) http.Handler

// add makes a name one of the house's.
func (h *hosts) add(name, what string, handler http.Handler) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.rows == nil {
		h.rows = map[string]hostRow{}
	}
	h.rows[hostName(name)] = hostRow{what, handler}
}

// addDomain makes LABEL.domain the house's for all labels that find gives a handler
// for.
func (h *hosts) addDomain(domain, what string, find func(ctx context.Context, label string) http.Handler) {
	h.mu.Lock()
	defer h.mu.Unlock()
	row := domainRow{"." + hostName(domain), what, find}
	at := 0
	for at < len(h.domains) && len(h.domains[at].domain) >= len(row.domain) {
		at++
	}
	h.domains = append(h.domains[:at:at], append([]domainRow{row}, h.domains[at:]...)...)
}

// addFinder asks f about names that nobody else knows.
func (h *hosts) addFinder(f hostFinder) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.finders = append(h.finders, f)
}

// find is who answers to a name; nil for nobody.
func (h *hosts) find(ctx context.Context, host string) http.Handler {
	name := hostName(host)
	h.mu.RLock()
	row, ok := h.rows[name]
	domains, finders := h.domains, h.finders
	h.mu.RUnlock()
	if ok {
		return row.handler
	}
	for _, d := range domains {
		if label, ok := strings.CutSuffix(name, d.domain); ok && label != "" && !strings.Contains(label, ".") {
			if handler := d.find(ctx, label); handler != nil {
				return handler
			}
		}
	}
	for _, f := range finders {
		if handler := f(ctx, name); handler != nil {
			return handler
		}
	}
	return nil
}

// ServeHTTP hands a request to who answers to its host name. A name that is not the
// house's is refused as RFC 9110 §15.5.20 has it, so that a client which holds a
// connection for another name tries again over one of its own.
func (h *hosts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if handler := h.find(r.Context(), r.Host); handler != nil {
		handler.ServeHTTP(w, r)
		return
	}
	if h.anywhere != nil && h.anywhere(w, r) {
		return
	}
	http.Error(w, fmt.Sprintf("This house does not answer to the host name %q. Add it under hosts in the file of settings if it should, and let its name in the DNS point here.", hostName(r.Host)), http.StatusMisdirectedRequest)
}

// hostName is the name in a Host header, without port, in lower case.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}
