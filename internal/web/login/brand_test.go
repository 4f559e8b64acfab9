package login

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/identity"
)

// variables reads the colours of a stylesheet's :root, in light and in dark.
func variables(t *testing.T, css string) (light, dark map[string]colour) {
	t.Helper()
	read := func(block string) map[string]colour {
		out := map[string]colour{}
		for _, m := range regexp.MustCompile(`--([a-z-]+):\s*(#[0-9a-f]{6})`).FindAllStringSubmatch(block, -1) {
			out[m[1]], _ = parseColour(m[2])
		}
		return out
	}
	before, after, found := strings.Cut(css, "@media (prefers-color-scheme")
	if !found {
		t.Fatal("no dark mode")
	}
	light, dark = read(before), read(after)
	for name, c := range light {
		if _, ok := dark[name]; !ok {
			dark[name] = c
		}
	}
	return light, dark
}

// pairs are the colours that lie on each other, and the contrast that they need.
var pairs = []struct {
	over, on string
	least    float64
}{
	{"ink", "card", textContrast}, {"ink", "ground", textContrast}, {"ink", "field", textContrast}, {"ink", "note-ground", textContrast},
	{"ink", "code-ground", textContrast}, {"soft", "card", textContrast}, {"soft", "ground", textContrast}, {"soft", "glow-a", textContrast},
	{"soft", "glow-b", textContrast}, {"on-accent", "accent", textContrast}, {"on-accent", "accent-strong", textContrast},
	{"link", "card", textContrast}, {"link", "ground", textContrast}, {"bad", "card", textContrast}, {"bad", "bad-ground", textContrast},
	{"field-edge", "card", controlContrast}, {"accent", "card", controlContrast}, {"accent", "ground", controlContrast},
	{"focus", "card", controlContrast}, {"focus", "ground", controlContrast},
}

// hold checks all pairs.
func hold(t *testing.T, what string, v map[string]colour) {
	t.Helper()
	for _, p := range pairs {
		over, ok1 := v[p.over]
		on, ok2 := v[p.on]
		if !ok1 || !ok2 {
			t.Fatalf("%s: no colour --%s or --%s", what, p.over, p.on)
		}
		if got := contrast(over, on); got < p.least {
			t.Errorf("%s: --%s on --%s has a contrast of %.2f, less than %.1f", what, p.over, p.on, got, p.least)
		}
	}
}

// stylesheet reads login.css.
func stylesheet(t *testing.T) string {
	t.Helper()
	b, err := embedded.ReadFile("assets/login.css")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestColoursCanBeRead(t *testing.T) {
	t.Parallel()
	light, dark := variables(t, stylesheet(t))
	hold(t, "light", light)
	hold(t, "dark", dark)
	for i, name := range []string{"card", "ground", "glow-a", "glow-b"} {
		if light[name] != lightGrounds[i] || dark[name] != darkGrounds[i] {
			t.Errorf("brand.go takes --%s to be %s and %s; it is %s and %s", name, lightGrounds[i], darkGrounds[i], light[name], dark[name])
		}
	}
}

// TestBrandColoursCanBeRead walks through the whole cube of accents, in either mode.
func TestBrandColoursCanBeRead(t *testing.T) {
	t.Parallel()
	light, dark := variables(t, stylesheet(t))
	for n := range 9 * 9 * 9 {
		part := func(i int) uint8 { return uint8(min(255, i%9*32)) }
		accent := colour{part(n), part(n / 9), part(n / 81)}
		css := brandCSS(&identity.Branding{AccentLight: accent.String()})
		own, ownDark := variables(t, css)
		for name, c := range own {
			light[name] = c
		}
		for name, c := range ownDark {
			dark[name] = c
		}
		hold(t, fmt.Sprintf("accent %s in light", accent), light)
		hold(t, fmt.Sprintf("accent %s in dark", accent), dark)
		if t.Failed() {
			return
		}
	}
}

func TestBrandOnPages(t *testing.T) {
	t.Parallel()
	s := screen()
	s.Brand = &identity.Branding{Name: "Soup & Co", AccentLight: "#ffee00", Logo: "abc", Updated: time.UnixMilli(1)}
	p := open(t, &script{step: &authflow.AskSignIn{Screen: s}})
	d := parse(t, do(p, "GET", "/login/attempt_1", ""))
	if got := d.text("title"); got != "Sign in · Soup & Co" {
		t.Errorf("title %q", got)
	}
	logo := d.one("img.logo")
	if attr(logo, "alt") != "Soup & Co" {
		t.Errorf("the logo is called %q", attr(logo, "alt"))
	}
	sheets := d.all("link[rel=stylesheet]")
	if len(sheets) != 2 {
		t.Fatalf("%d stylesheets", len(sheets))
	}
	res := do(p, "GET", attr(sheets[1], "href"), "")
	b, _ := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusOK || !strings.Contains(string(b), "--accent:#") || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/css") {
		t.Errorf("stylesheet: %s %s", res.Status, b)
	}
	res = do(p, "GET", attr(logo, "src"), "")
	if res.StatusCode != http.StatusOK || !strings.Contains(res.Header.Get("Content-Security-Policy"), "sandbox") || res.Header.Get("Content-Type") != "image/svg+xml" {
		t.Errorf("logo: %s %v", res.Status, res.Header)
	}
	if res := do(p, "GET", BrandPath+"client_none/logo", ""); res.StatusCode != http.StatusNotFound {
		t.Errorf("a stranger's logo: %s", res.Status)
	}
}
