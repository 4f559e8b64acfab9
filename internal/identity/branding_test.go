package identity_test

import (
	"bytes"
	"image"
	"image/png"
	"strings"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/identity"
)

// pngOf makes a picture of a size.
func pngOf(t *testing.T, w, h int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, w, h))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestBrandingIsKeptAndChanged(t *testing.T) {
	t.Parallel()
	s, e := house(t, identity.Settings{})
	name, light := "Soup & Co", "#c00000"
	b, err := s.ChangeBranding(t.Context(), e.ID, identity.BrandingChange{Name: &name, AccentLight: &light, Logo: pngOf(t, 10, 10)})
	if err != nil || b.LogoType != "image/png" || b.Logo == "" {
		t.Fatal(b, err)
	}
	none := ""
	if _, err := s.ChangeBranding(t.Context(), e.ID, identity.BrandingChange{AccentLight: &none}); err != nil {
		t.Fatal(err)
	}
	b, logo, err := s.BrandingOf(t.Context(), e.ClientID)
	if err != nil || b.Name != name || b.AccentLight != "" || !bytes.Equal(logo, pngOf(t, 10, 10)) {
		t.Error(b, len(logo), err)
	}
	if _, err := s.ChangeBranding(t.Context(), e.ID, identity.BrandingChange{Logo: []byte{}}); err != nil {
		t.Fatal(err)
	}
	if b, logo, _ = s.BrandingOf(t.Context(), e.ClientID); b.Logo != "" || len(logo) > 0 {
		t.Error("the logo stayed")
	}
}

func TestBrandingRefused(t *testing.T) {
	t.Parallel()
	s, e := house(t, identity.Settings{})
	svg := func(inner string) []byte {
		return []byte(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1">` + inner + `</svg>`)
	}
	for name, logo := range map[string][]byte{
		"text":              []byte("hello"),
		"html":              []byte("<html><script>alert(1)</script></html>"),
		"wide":              pngOf(t, 5000, 1),
		"large":             bytes.Repeat([]byte("x"), 300<<10),
		"a script":          svg(`<script>alert(1)</script>`),
		"a handler":         svg(`<path onload="alert(1)" d=""/>`),
		"a link":            svg(`<a href="javascript:alert(1)"><path d=""/></a>`),
		"a foreign object":  svg(`<foreignObject/>`),
		"a foreign picture": svg(`<image href="https://evil.example/x.png"/>`),
		"a foreign paint":   svg(`<path fill="url(https://evil.example/x#y)" d=""/>`),
		"a foreign style":   svg(`<path style="fill:url( https://evil.example/x )" d=""/>`),
		"an import":         svg(`<style>@import "https://evil.example/x.css"</style>`),
		"a use":             svg(`<use href="https://evil.example/x.svg#y"/>`),
		"an animation":      svg(`<set attributeName="href" to="javascript:alert(1)"/>`),
		"entities":          []byte(`<!DOCTYPE svg [<!ENTITY x "y">]><svg xmlns="http://www.w3.org/2000/svg">&x;</svg>`),
		"a stylesheet":      []byte(`<?xml-stylesheet href="https://evil.example/x.css"?><svg xmlns="http://www.w3.org/2000/svg"/>`),
		"another namespace": []byte(`<svg xmlns="http://www.w3.org/2000/svg"><h:script xmlns:h="http://www.w3.org/1999/xhtml">alert(1)</h:script></svg>`),
		"half":              []byte(`<svg xmlns="http://www.w3.org/2000/svg">`),
	} {
		if _, err := s.ChangeBranding(t.Context(), e.ID, identity.BrandingChange{Logo: logo}); code(err) != "invalid_branding" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.ChangeBranding(t.Context(), e.ID, identity.BrandingChange{Logo: svg(`<defs><linearGradient id="a"><stop offset="0" stop-color="red"/></linearGradient></defs><path fill="url(#a)" d="M0 0h1v1z"/>`)}); err != nil {
		t.Errorf("a harmless drawing: %v", err)
	}
	for _, bad := range []string{"red", "#fff", "#12345g", "#000000;}", "url(x)"} {
		if _, err := s.ChangeBranding(t.Context(), e.ID, identity.BrandingChange{AccentDark: &bad}); code(err) != "invalid_branding" {
			t.Errorf("colour %q: %v", bad, err)
		}
	}
	long := strings.Repeat("x", 101)
	if _, err := s.ChangeBranding(t.Context(), e.ID, identity.BrandingChange{Name: &long}); code(err) != "invalid_branding" {
		t.Errorf("a long name: %v", err)
	}
}

// FuzzLogo looks for pictures that are taken and yet could load, link or run.
func FuzzLogo(f *testing.F) {
	f.Add([]byte(`<svg xmlns="http://www.w3.org/2000/svg"><path fill="url(#a)" style="fill:#fff" d="M0 0"/></svg>`))
	f.Add([]byte(`<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><g><title>x</title></g></svg>`))
	f.Add([]byte("\x89PNG\r\n\x1a\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		kind, err := identity.LogoType(b)
		if err != nil {
			return
		}
		low := strings.ToLower(string(b))
		if kind == "image/svg+xml" && (strings.Contains(low, "<script") || strings.Contains(low, "<foreignobject") || strings.Contains(low, "<!doctype") || strings.Contains(low, "<use") || strings.Contains(low, "<a ")) {
			if !strings.Contains(low, "<!--") && !strings.Contains(low, "<![cdata[") {
				t.Errorf("taken: %q", b)
			}
		}
	})
}

func FuzzTOTPSecret(f *testing.F) {
	f.Add("JBSWY3DPEHPK3PXP", "123456")
	f.Add("jbsw y3dp ehpk 3pxp====", "")
	f.Fuzz(func(t *testing.T, secret, typed string) {
		now := time.Unix(1_800_000_000, 0)
		if _, ok := identity.TOTPStep(secret, typed, now); ok && len(typed) != 6 {
			t.Errorf("%q passed for %q", typed, secret)
		}
	})
}
