package login

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/identity"
)

// BrandPath is where the colours and the logo of a client's environment are served.
const BrandPath = "/_lentil/branding/"

// The grounds of the pages that coloured text and controls lie on: --card and
// --ground of login.css in light and in dark, and what is nearest to the text between
// them. brand_test.go holds them against the stylesheet.
var (
	lightGrounds = []colour{{0xff, 0xff, 0xff}, {0xf5, 0xf2, 0xea}, {0xe6, 0xec, 0xd6}, {0xf6, 0xe0, 0xcd}}
	darkGrounds  = []colour{{0x1e, 0x1c, 0x18}, {0x14, 0x13, 0x10}, {0x1d, 0x24, 0x18}, {0x2a, 0x1d, 0x14}}
)

// brand is an environment's own look on a page.
type brand struct {
	Name       string // of the app
	Logo       string // its address; "" for Lentil's mark
	Stylesheet string // its address; "" for Lentil's colours
}

// brandOf is the look of a screen.
func brandOf(s *authflow.Screen) (b brand) {
	if s == nil || s.Brand == nil {
		return b
	}
	base := BrandPath + url.PathEscape(string(s.Environment.ClientID))
	b.Name = s.Brand.Name
	if s.Brand.Logo != "" {
		b.Logo = base + "/logo?v=" + s.Brand.Logo
	}
	if s.Brand.AccentLight != "" || s.Brand.AccentDark != "" {
		b.Stylesheet = base + "/style.css?v=" + strconv.FormatInt(s.Brand.Updated.UnixMilli(), 36)
	}
	return b
}

// brandCSS is the stylesheet of a brand. It holds nothing but colours that were made
// here, and so needs no escaping.
func brandCSS(b *identity.Branding) string {
	light, hasLight := parseColour(b.AccentLight)
	dark, hasDark := parseColour(b.AccentDark)
	if !hasDark {
		dark, hasDark = light, hasLight
	}
	out := ""
	if hasLight {
		out += ":root{" + paletteOf(light, black, lightGrounds...).css() + "}\n"
	}
	if hasDark {
		out += "@media (prefers-color-scheme:dark){:root{" + paletteOf(dark, white, darkGrounds...).css() + "}}\n"
	}
	return out
}

// brandStyle serves the colours of a client's environment.
func (p *Pages) brandStyle(w http.ResponseWriter, r *http.Request) error {
	b, _, err := p.Identity.BrandingOf(r.Context(), identity.ClientID(r.PathValue("client")))
	if err != nil {
		return err
	}
	return brandAsset(w, r, "text/css; charset=utf-8", []byte(brandCSS(b)))
}

// brandLogo serves the logo of a client's environment. It is checked when it is
// uploaded; should something have slipped through, it runs nowhere.
func (p *Pages) brandLogo(w http.ResponseWriter, r *http.Request) error {
	b, logo, err := p.Identity.BrandingOf(r.Context(), identity.ClientID(r.PathValue("client")))
	if err != nil {
		return err
	}
	if len(logo) == 0 {
		return apierr.New(apierr.NotFound, "page_not_found", "There is no logo.")
	}
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'")
	return brandAsset(w, r, b.LogoType, logo)
}

// brandAsset serves bytes whose address changes with them.
func brandAsset(w http.ResponseWriter, r *http.Request, kind string, b []byte) error {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	h.Set("Cache-Control", "public, max-age=300")
	if r.URL.Query().Has("v") {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	_, err := w.Write(b)
	return err
}
