package server

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/lentil-dev/lentil/internal/wire"
)

func TestForwardingHeadersOfStrangersMeanNothing(t *testing.T) {
	t.Parallel()
	trusted, err := parseProxies("10.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		peers peers
		peer  string
		want  bool
	}{
		{"a proxy of ours", peers{trusted: trusted}, "10.1.2.3:999", true},
		{"a proxy of ours, behind IPv6", peers{trusted: trusted}, "[::ffff:10.1.2.3]:999", true},
		{"a stranger", peers{trusted: trusted}, "192.0.2.1:999", false},
		{"this machine, while proxies are named", peers{trusted: trusted, nearby: true}, "127.0.0.1:999", false},
		{"this machine, for developers", peers{nearby: true}, "127.0.0.1:999", true},
		{"this machine, for developers, over IPv6", peers{nearby: true}, "[::1]:999", true},
		{"a neighbour, for developers", peers{nearby: true}, "192.168.1.2:999", false},
		{"this machine, in public", peers{}, "127.0.0.1:999", false},
		{"nobody", peers{nearby: true}, "@", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := false
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr = tt.peer
			tt.peers.from(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = wire.BelievesForwarded(r.Context()) })).ServeHTTP(httptest.NewRecorder(), r)
			if got != tt.want {
				t.Errorf("believed: %v", got)
			}
		})
	}
}
