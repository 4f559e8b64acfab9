package identity

import (
	"net/url"
	"strings"
	"testing"
)

func TestCheckRedirectURI(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		uri        string
		dev, lived bool
	}{
		{"http://localhost:5173/callback", true, false},
		{"http://127.0.0.1:9999/cb", true, true},
		{"https://app.example.com/callback?x=1", true, true},
		{"http://app.example.com/callback", true, false},
		{"https://*.example.com/cb", true, true},
		{"https://pr-*.example.com/cb", true, true},
		{"https://*.com/cb", false, false},
		{"https://a.*.example.com/cb", false, false},
		{"https://*.*.example.com/cb", false, false},
		{"https://*/cb", false, false},
		{"https://app.example.com/*", false, false},
		{"https://app.example.com:*/cb", false, false},
		{"http://localhost:*/cb", true, false},
		{"http://127.0.0.1:*/cb", true, true},
		{"com.example.app://callback", true, true},
		{"javascript://x/%0aalert(1)", false, false},
		{"data:text/html,x", false, false},
		{"/callback", false, false},
		{"https://app.example.com/cb#frag", false, false},
		{"https://user@app.example.com/cb", false, false},
		{"https://app.example.com\\@evil.com/", false, false},
		{"https:///cb", false, false},
		{"", false, false},
		{"https://exämple.com/", false, false},
		{"https://" + strings.Repeat("a", 3000), false, false},
	} {
		if got := checkRedirectURI(c.uri, Development) == nil; got != c.dev {
			t.Errorf("development %q: %v", c.uri, got)
		}
		if got := checkRedirectURI(c.uri, Production) == nil; got != c.lived {
			t.Errorf("production %q: %v", c.uri, got)
		}
	}
}

func TestMatchRedirect(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		registered, uri string
		want            bool
	}{
		{"https://app.example.com/cb", "https://app.example.com/cb", true},
		{"https://app.example.com/cb", "https://app.example.com/cb/", false},
		{"https://app.example.com/cb", "https://app.example.com/cb?x", false},
		{"https://app.example.com/cb", "https://APP.example.com/cb", false},
		{"https://*.example.com/cb", "https://pr-1.example.com/cb", true},
		{"https://*.example.com/cb", "https://a.b.example.com/cb", false},
		{"https://*.example.com/cb", "https://.example.com/cb", false},
		{"https://*.example.com/cb", "https://evil.com/.example.com/cb", false},
		{"https://*.example.com/cb", "https://evil.com?.example.com/cb", false},
		{"https://*.example.com/cb", "https://evil.com#.example.com/cb", false},
		{"https://*.example.com/cb", "https://u@evil.example.com/cb", false},
		{"https://pr-*.example.com/cb", "https://pr-7.example.com/cb", true},
		{"https://pr-*.example.com/cb", "https://x-7.example.com/cb", false},
		{"http://localhost:*/cb", "http://localhost:5173/cb", true},
		{"http://localhost:*/cb", "http://localhost:5173x/cb", false},
		{"http://localhost:*/cb", "http://localhost:1@evil.com/cb", false},
	} {
		if got := matchRedirect(c.registered, c.uri); got != c.want {
			t.Errorf("match(%q, %q) = %v", c.registered, c.uri, got)
		}
	}
}

func TestLoopbackRedirect(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]bool{
		"http://localhost:5173/cb":          true,
		"http://127.0.0.1/cb":               true,
		"http://[::1]:3000/":                true,
		"http://localhost.evil.com/":        false,
		"http://localhost@evil.com/":        false,
		"http://localhost\\@evil.com/":      false,
		"http://localhost:80#@evil.com/":    false,
		"http://evil.com/?http://localhost": false,
		"http://0.0.0.0/":                   false,
		"javascript://localhost/%0aalert":   false,
	} {
		if got := loopbackRedirect(uri); got != want {
			t.Errorf("%q: %v", uri, got)
		}
	}
}

func TestNormalOrigin(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"http://localhost:5173":   "http://localhost:5173",
		"http://LOCALHOST:5173/":  "http://localhost:5173",
		"https://a.example:443":   "https://a.example",
		"http://a.example:80":     "http://a.example",
		"http://[::1]:3000":       "http://[::1]:3000",
		"null":                    "",
		"*":                       "",
		"https://*.example.com":   "",
		"https://a.example/path":  "",
		"https://a.example?":      "",
		"https://u@a.example":     "",
		"ftp://a.example":         "",
		"https://a.example\r\nx:": "",
	} {
		got, err := normalOrigin(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}

// FuzzMatchRedirect states what a match promises: a browser that follows the
// presented address ends up at a host that the registration covers.
func FuzzMatchRedirect(f *testing.F) {
	f.Add("https://*.example.com/cb", "https://evil.com/.example.com/cb")
	f.Add("http://localhost:*/cb", "http://localhost:1@evil.com/cb")
	f.Add("https://pr-*.example.com/cb", "https://pr-1.example.com/cb")
	f.Add("http://127.0.0.1/", "http://127.0.0.1\\.evil.com/")
	f.Fuzz(func(t *testing.T, registered, uri string) {
		if loopbackRedirect(uri) {
			u, err := url.Parse(uri)
			if err != nil || !loopbackHost(strings.ToLower(u.Hostname())) || u.User != nil {
				t.Errorf("%q is taken for loopback", uri)
			}
		}
		if checkRedirectURI(registered, Development) != nil || !matchRedirect(registered, uri) {
			return
		}
		u, err := url.Parse(uri)
		if err != nil {
			if registered == uri {
				return
			}
			t.Fatalf("%q matches %q and cannot be parsed", uri, registered)
		}
		_, host, port, _ := splitURI(registered)
		if port == "*" {
			if !loopbackHost(strings.ToLower(u.Hostname())) {
				t.Errorf("%q matches %q", uri, registered)
			}
			return
		}
		_, tail, wild := strings.Cut(host, "*")
		if wild && !strings.HasSuffix(strings.ToLower(u.Hostname()), strings.ToLower(tail)) || u.User != nil {
			t.Errorf("%q matches %q", uri, registered)
		}
		if !wild && registered != uri {
			t.Errorf("%q matches %q", uri, registered)
		}
	})
}

func FuzzNormalOrigin(f *testing.F) {
	f.Add("http://LOCALHOST:5173/")
	f.Add("https://[::1]:443")
	f.Fuzz(func(t *testing.T, s string) {
		o, err := normalOrigin(s)
		if err != nil {
			return
		}
		if again, err := normalOrigin(o); err != nil || again != o {
			t.Errorf("%q is normal as %q, which is normal as %q (%v)", s, o, again, err)
		}
		u, err := url.Parse(o)
		if err != nil || u.Path != "" || u.Host == "" || u.User != nil {
			t.Errorf("%q: origin %q", s, o)
		}
	})
}
