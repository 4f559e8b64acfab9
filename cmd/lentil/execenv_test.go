package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/forward"
	"github.com/lentil-dev/lentil/internal/server"
)

func TestNoProxyKeepsVendorsOurs(t *testing.T) {
	t.Parallel()
	const here = "localhost,.localhost,127.0.0.1,::1"
	for _, tt := range []struct{ before, want string }{
		{"", here},
		{"intranet.example,10.0.0.0/8", here + ",intranet.example,10.0.0.0/8"},
		{"*", here},
		{".dev .com,example.org", here + ",example.org"},
		{"*.workos.com,api.workos.com:443,API.convex.dev,convex.dev.example,os.com", here + ",convex.dev.example,os.com"},
		{"[::1]:80,,", here + ",[::1]:80"},
	} {
		if got := noProxy(tt.before); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.before, got, tt.want)
		}
	}
}

func TestPathsAreQuotedForNode(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{"/a/b.cjs": "/a/b.cjs", "/my app/b.cjs": `"/my app/b.cjs"`, `/a "b"\c`: `"/a \"b\"\\c"`} {
		if got := quoteNodeOption(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	if got := quoteShell(`it's $HOME`); got != `'it'\''s $HOME'` {
		t.Errorf("for a shell: %s", got)
	}
}

func TestShimKnowsTheVendors(t *testing.T) {
	t.Parallel()
	for _, host := range forward.Hosts {
		if !strings.Contains(string(nodeShim), `"`+host+`"`) {
			t.Errorf("shim/node.cjs does not name %s", host)
		}
	}
}

// What a program trusted before it still trusts below exec.
func TestTrustIsAddedTo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ring := filepath.Join(dir, "house")
	if err := os.Mkdir(ring, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(ring, "secret.key"), []byte(strings.Repeat("ab", 32)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := &lodging{state: ring, now: running{Addresses: server.Addresses{URL: "http://127.0.0.1:1", AuthKitURL: "http://localhost:2", ControlURL: "http://localhost:3", VendorCA: file("vendor", "VENDOR")}}}
	set := map[string]string{
		"NODE_EXTRA_CA_CERTS": file("node", "MINE"), "SSL_CERT_FILE": file("ssl", "ROOTS\n"), "CURL_CA_BUNDLE": file("curl", "CURLS"), "NODE_OPTIONS": "--enable-source-maps",
		"no_proxy": "example.org",
	}
	vars, err := l.variables("http://lentil:x@127.0.0.1:9", func(name string) string { return set[name] })
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, v := range vars {
		got[v.name] = v.value
	}
	for name, want := range map[string]string{
		"NODE_EXTRA_CA_CERTS": "VENDOR\nMINE\n", "SSL_CERT_FILE": "ROOTS\nVENDOR\n", "REQUESTS_CA_BUNDLE": "ROOTS\nVENDOR\n", "CURL_CA_BUNDLE": "CURLS\nVENDOR\n",
	} {
		if b, err := os.ReadFile(got[name]); err != nil || string(b) != want {
			t.Errorf("%s holds %q, want %q (%v)", name, b, want, err)
		}
	}
	if !strings.HasPrefix(got["NODE_OPTIONS"], "--enable-source-maps --require /") {
		t.Errorf("NODE_OPTIONS=%s", got["NODE_OPTIONS"])
	}
	if !strings.HasSuffix(got["NO_PROXY"], ",example.org") || got["no_proxy"] != got["NO_PROXY"] {
		t.Errorf("NO_PROXY=%s", got["NO_PROXY"])
	}
	if got["WORKOS_API_HOSTNAME"] != "localhost" || got["WORKOS_API_PORT"] != "2" || got["CONVEX_PROVISION_HOST"] != "http://localhost:3" || got["CONVEX_OVERRIDE_ACCESS_TOKEN"] == "" {
		t.Errorf("where the house is: %v", got)
	}
	again, err := l.variables("http://lentil:x@127.0.0.1:9", func(name string) string { return set[name] })
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range again {
		if v != vars[i] {
			t.Errorf("the second time %s is %s", v.name, v.value)
		}
	}
}
