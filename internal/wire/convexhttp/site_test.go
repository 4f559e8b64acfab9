package convexhttp

import (
	"net/http/httptest"
	"testing"
)

func TestOriginIsWhatTheClientAskedFor(t *testing.T) {
	t.Parallel()
	s := &Server{SiteURL: "https://site.test"}
	for _, tt := range []struct {
		name, host string
		header     [2]string
		want       string
	}{
		{"plain", "127.0.0.1:3211", [2]string{}, "http://127.0.0.1:3211"},
		{"the site's own host", "site.test", [2]string{}, "https://site.test"},
		{"forwarded", "x", [2]string{"Forwarded", `for=1.2.3.4;proto=https;host="a.test:1", for=2`}, "https://a.test:1"},
		{"x-forwarded", "x", [2]string{"X-Forwarded-Proto", "HTTPS, http"}, "https://x"},
		{"no scheme", "x", [2]string{"X-Forwarded-Proto", "javascript"}, "http://x"},
		{"no host", "x", [2]string{"X-Forwarded-Host", "a.test/b"}, "http://x"},
	} {
		r := httptest.NewRequest("GET", "/p", nil)
		r.Host = tt.host
		if tt.header[0] != "" {
			r.Header.Set(tt.header[0], tt.header[1])
		}
		if got := s.origin(r); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestHeadersAreBytes(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "plain", "h\xf6\xff\x80", "höß"} {
		if got := latin1Bytes(latin1(s)); got != s {
			t.Errorf("%q came back as %q", s, got)
		}
	}
}
