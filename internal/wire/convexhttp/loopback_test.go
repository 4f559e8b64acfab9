package convexhttp

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestLoopbackIsThisMachineUnderItsOwnName(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, peer, host, header string
		want                     bool
	}{
		{"a program of this machine", "127.0.0.1:1", "127.0.0.1:3210", "", true},
		{"by name", "127.0.0.1:1", "localhost:3210", "", true},
		{"over IPv6", "[::1]:1", "[::1]:3210", "", true},
		{"a proxy that says so", "127.0.0.1:1", "127.0.0.1:3210", "X-Forwarded-For", false},
		{"a proxy that says nothing", "127.0.0.1:1", "api.example.com", "", false},
		{"a page elsewhere, by a name for this machine", "127.0.0.1:1", "evil.example:3210", "", false},
		{"another machine", "192.0.2.1:1", "127.0.0.1:3210", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
			r.RemoteAddr, r.Host = tt.peer, tt.host
			if tt.header != "" {
				r.Header.Set(tt.header, "192.0.2.1")
			}
			if got := loopback(r); got != tt.want {
				t.Errorf("%v", got)
			}
		})
	}
}
