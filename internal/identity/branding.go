package identity

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"image"
	_ "image/jpeg" // for DecodeConfig
	_ "image/png"  // likewise
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
)

// Bounds of branding. A logo travels with every sign-in page that a browser sees
// for the first time.
const (
	maxBrandName = 100
	maxLogo      = 128 << 10
	maxLogoSide  = 4096 // pixels
)

// tableBranding has one row per environment that has a brand.
const tableBranding = "branding"

// brandingTables are the tables of this file.
var brandingTables = []database.TableDef{
	{Name: tableBranding, Indexes: []database.IndexDef{{Name: "on_environment", Fields: []string{"environment"}}}},
}

// Branding is how the hosted pages of an environment look. Zero values are
// Lentil's own.
type Branding struct {
	Name        string // of the app, as its users know it
	AccentLight string // "#rrggbb"
	AccentDark  string // likewise; empty: made of the light one
	Logo        string // hash of the logo's bytes; empty if there is none
	LogoType    string // "image/png"
	Updated     time.Time
}

// BrandingChange names what is to change; nil stays. A Logo of no bytes takes the
// logo away.
type BrandingChange struct {
	Name, AccentLight, AccentDark *string
	Logo                          []byte
}

// readBranding reads a row of branding.
func readBranding(r Record) *Branding {
	return &Branding{Name: r.Text("name"), AccentLight: r.Text("accent_light"), AccentDark: r.Text("accent_dark"), Logo: r.Text("logo_hash"),
		LogoType: r.Text("logo_type"), Updated: r.Time("updated")}
}

// Branding is how an environment's pages look; never nil.
func (tx *Tx) Branding(env EnvironmentID) (*Branding, error) {
	f, err := tx.First(tableBranding, "on_environment", string(env))
	if err != nil || f == nil {
		return &Branding{}, err
	}
	return readBranding(f.Record), nil
}

// ChangeBranding changes how an environment's pages look.
func (s *Service) ChangeBranding(ctx context.Context, env EnvironmentID, c BrandingChange) (b *Branding, err error) {
	refuse := func(field, format string, args ...any) (*Branding, error) {
		e := apierr.New(apierr.BadRequest, "invalid_branding", format, args...)
		return nil, e.With([]FieldError{{Code: field, Message: e.Message}})
	}
	for _, t := range []struct {
		field string
		text  *string
	}{{"accent_light", c.AccentLight}, {"accent_dark", c.AccentDark}} {
		if t.text != nil && *t.text != "" && !hexColour(*t.text) {
			return refuse(t.field, "A colour is written like #2f6140.")
		}
	}
	if c.Name != nil && (utf8.RuneCountInString(*c.Name) > maxBrandName || !utf8.ValidString(*c.Name)) {
		return refuse("name", "The name may have at most %d characters.", maxBrandName)
	}
	kind, hash := "", ""
	if len(c.Logo) > 0 {
		if kind, err = logoType(c.Logo); err != nil {
			return refuse("logo", "The logo cannot be used: %s", err)
		}
		sum := sha256.Sum256(c.Logo)
		hash = hex.EncodeToString(sum[:8])
	}
	err = s.Update(ctx, func(tx *Tx) error {
		if _, err := tx.Environment(env); err != nil {
			return err
		}
		f, err := tx.First(tableBranding, "on_environment", string(env))
		if err != nil {
			return err
		}
		b = &Branding{}
		logo := []byte(nil)
		if f != nil {
			b, logo = readBranding(f.Record), f.Bytes("logo")
		}
		set := func(to *string, v *string) {
			if v != nil {
				*to = strings.TrimSpace(*v)
			}
		}
		set(&b.Name, c.Name)
		set(&b.AccentLight, c.AccentLight)
		set(&b.AccentDark, c.AccentDark)
		if c.Logo != nil {
			b.Logo, b.LogoType, logo = hash, kind, c.Logo
		}
		b.Updated = tx.later(b.Updated)
		row := Row{Text("environment", env), Text("name", b.Name), Text("accent_light", b.AccentLight), Text("accent_dark", b.AccentDark),
			Text("logo_hash", b.Logo), Text("logo_type", b.LogoType), Bytes("logo", logo), Time("updated", b.Updated)}
		if f != nil {
			return tx.Put(f.Doc, row)
		}
		return tx.Add(tableBranding, row)
	})
	return b, err
}

// BrandingOf is how the pages of a client's environment look, and with logo the bytes
// of its logo.
func (s *Service) BrandingOf(ctx context.Context, client ClientID) (b *Branding, logo []byte, err error) {
	err = s.View(ctx, func(tx *Tx) error {
		e, err := tx.EnvironmentByClient(client)
		if err != nil {
			return err
		}
		b, logo = &Branding{}, nil
		f, err := tx.First(tableBranding, "on_environment", string(e.ID))
		if err == nil && f != nil {
			b, logo = readBranding(f.Record), slices.Clone(f.Bytes("logo"))
		}
		return err
	})
	return b, logo, err
}

// hexColour reports whether s is "#rrggbb".
func hexColour(s string) bool {
	if len(s) != 7 || s[0] != '#' {
		return false
	}
	_, err := hex.DecodeString(s[1:])
	return err == nil
}

// logoType tells what kind of picture a logo is, or why it is none that can be shown.
func logoType(b []byte) (string, error) {
	if len(b) > maxLogo {
		return "", errors.New("it is larger than 128 KiB")
	}
	if c, format, err := image.DecodeConfig(bytes.NewReader(b)); err == nil {
		if c.Width > maxLogoSide || c.Height > maxLogoSide || c.Width == 0 || c.Height == 0 {
			return "", errors.New("it has more than 4096 pixels on a side")
		}
		if format == "png" || format == "jpeg" {
			return "image/" + format, nil
		}
	}
	if err := plainSVG(b); err != nil {
		return "", err
	}
	return "image/svg+xml", nil
}

// svgElements and svgAttributes are what a logo may consist of: shapes, their paint
// and their text alternatives. Nothing of it loads, links, moves or runs.
var (
	svgElements = []string{"svg", "g", "path", "circle", "ellipse", "rect", "line", "polyline", "polygon", "title", "desc", "defs",
		"linearGradient", "radialGradient", "stop", "clipPath", "mask", "symbol", "text", "tspan"}
	svgAttributes = []string{"id", "class", "d", "x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "rx", "ry", "fx", "fy", "width", "height", "viewBox",
		"points", "transform", "fill", "fill-rule", "fill-opacity", "clip-rule", "clip-path", "mask", "opacity", "stroke", "stroke-width", "stroke-linecap",
		"stroke-linejoin", "stroke-miterlimit", "stroke-opacity", "stroke-dasharray", "offset", "stop-color", "stop-opacity", "gradientUnits",
		"gradientTransform", "preserveAspectRatio", "version", "xmlns", "role", "aria-label", "aria-hidden", "font-family", "font-size", "font-weight",
		"text-anchor", "letter-spacing", "space", "dx", "dy", "style", "color", "xlink", "data-name", "enable-background"}
)

// plainSVG says why an SVG cannot be shown; nil if it can.
func plainSVG(b []byte) error {
	no := errors.New("it is neither a PNG or JPEG picture nor an SVG")
	d := xml.NewDecoder(bytes.NewReader(b))
	depth, elements := 0, 0
	for {
		t, err := d.Token()
		if err == io.EOF {
			if elements == 0 || depth != 0 {
				return no
			}
			return nil
		}
		if err != nil {
			return no
		}
		switch t := t.(type) {
		case xml.StartElement:
			if elements == 0 && (t.Name.Local != "svg" || t.Name.Space != "http://www.w3.org/2000/svg") {
				return no
			}
			depth, elements = depth+1, elements+1
			if !slices.Contains(svgElements, t.Name.Local) || t.Name.Space != "http://www.w3.org/2000/svg" {
				return errors.New("its SVG has the element " + t.Name.Local + "; only shapes, gradients and text are shown")
			}
			for _, a := range t.Attr {
				v := strings.ToLower(strings.Join(strings.Fields(a.Value), ""))
				if !slices.Contains(svgAttributes, a.Name.Local) || strings.Contains(v, "url(") && !strings.Contains(v, "url(#") && !strings.Contains(v, `url("#`) && !strings.Contains(v, "url('#") ||
					strings.Count(v, "url(") > 1 || strings.Contains(v, "\\") || strings.Contains(v, "@import") || strings.Contains(v, "expression(") || strings.Contains(v, "javascript:") {
					return errors.New("its SVG has the attribute " + a.Name.Local + " with something that is not shown")
				}
			}
		case xml.EndElement:
			depth--
		case xml.Directive: // a document type could bring entities
			return errors.New("its SVG has a document type; remove it")
		case xml.ProcInst:
			if t.Target != "xml" {
				return errors.New("its SVG has the instruction " + t.Target + "; remove it")
			}
		}
	}
}
