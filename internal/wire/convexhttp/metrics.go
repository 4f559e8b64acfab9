package convexhttp

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/lentil-dev/lentil/internal/wire"
)

// metrics answers GET /metrics in the text format of Prometheus. Programs of the same
// machine need no key. What it tells are the figures of the house's status.
func (s *Server) metrics(q *request) error {
	if !loopback(q.Request) {
		c, err := s.Gate.Request(q.Request)
		if err != nil {
			return err
		}
		if !c.IsAdmin() {
			return needAdmin(c)
		}
	}
	var figures map[string]any
	if s.Status != nil {
		b, err := json.Marshal(s.Status())
		if err != nil {
			return fmt.Errorf("convexhttp: encode status: %w", err)
		}
		if err := json.Unmarshal(b, &figures); err != nil {
			return fmt.Errorf("convexhttp: read status: %w", err)
		}
	}
	q.w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	q.w.Header().Set("Cache-Control", "no-store")
	if _, err := q.w.Write(exposition(s.Name, figures)); err != nil {
		return wire.ErrAborted
	}
	return nil
}

// loopback tells whether a request came from this machine and through no proxy: a
// proxy that does not say so passes on the name that was asked for.
func loopback(r *http.Request) bool {
	name := r.Host
	if n, _, err := net.SplitHostPort(name); err == nil {
		name = n
	}
	if here := net.ParseIP(strings.Trim(name, "[]")); name != "localhost" && (here == nil || !here.IsLoopback()) {
		return false
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback() && r.Header.Get("Forwarded") == "" && r.Header.Get("X-Forwarded-For") == ""
}

// exposition is figures as Prometheus reads them. A number becomes a gauge; an object
// of used and limit two; a list its length. Texts are left out.
func exposition(deployment string, figures map[string]any) []byte {
	var b strings.Builder
	label := fmt.Sprintf("{deployment=%q}", deployment)
	gauge := func(name string, v float64) {
		name = "lentil_" + snake(name)
		fmt.Fprintf(&b, "# TYPE %s gauge\n%s%s %v\n", name, name, label, v)
	}
	for _, name := range slices.Sorted(maps.Keys(figures)) {
		switch v := figures[name].(type) {
		case float64:
			gauge(name, v)
		case []any:
			gauge(name, float64(len(v)))
		case map[string]any:
			for _, part := range slices.Sorted(maps.Keys(v)) {
				if n, ok := v[part].(float64); ok {
					gauge(name+"_"+part, n)
				}
			}
		}
	}
	return []byte(b.String())
}

// snake turns camelCase into snake_case.
func snake(s string) string {
	var b strings.Builder
	for _, c := range s {
		if c >= 'A' && c <= 'Z' {
			b.WriteByte('_')
			c += 'a' - 'A'
		}
		b.WriteRune(c)
	}
	return b.String()
}
