package login

import (
	"fmt"
	"math"
	"strconv"
)

// colour is an sRGB colour.
type colour struct{ r, g, b uint8 }

// The contrasts that WCAG 2.2 asks for (1.4.3 for text, 1.4.11 for the edges of
// controls).
const (
	textContrast    = 4.5
	controlContrast = 3
)

// parseColour reads "#rrggbb".
func parseColour(s string) (c colour, ok bool) {
	if len(s) != 7 || s[0] != '#' {
		return c, false
	}
	n, err := strconv.ParseUint(s[1:], 16, 24)
	return colour{uint8(n >> 16), uint8(n >> 8), uint8(n)}, err == nil
}

// String writes "#rrggbb".
func (c colour) String() string { return fmt.Sprintf("#%02x%02x%02x", c.r, c.g, c.b) }

// luminance is the relative luminance of WCAG 2.2.
func (c colour) luminance() float64 {
	part := func(v uint8) float64 {
		s := float64(v) / 255
		if s <= 0.04045 {
			return s / 12.92
		}
		return math.Pow((s+0.055)/1.055, 2.4)
	}
	return 0.2126*part(c.r) + 0.7152*part(c.g) + 0.0722*part(c.b)
}

// contrast is the contrast ratio of two colours, 1 to 21.
func contrast(a, b colour) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// mix goes part of the way from c to another colour.
func (c colour) mix(to colour, part float64) colour {
	m := func(a, b uint8) uint8 { return uint8(math.Round(float64(a) + (float64(b)-float64(a))*part)) }
	return colour{m(c.r, to.r), m(c.g, to.g), m(c.b, to.b)}
}

// towards is c, moved towards another colour as far as it takes for the contrast with
// all of the grounds.
func (c colour) towards(to colour, least float64, grounds ...colour) colour {
	for step := 0; ; step++ {
		m := c.mix(to, float64(step)/20)
		good := true
		for _, g := range grounds {
			good = good && contrast(m, g) >= least
		}
		if good || step == 20 {
			return m
		}
	}
}

// Black and white, between which all colours lie.
var (
	black = colour{}
	white = colour{255, 255, 255}
)

// palette is what a brand's accent colour decides on the pages.
type palette struct{ accent, strong, onAccent, link, focus colour }

// paletteOf makes the palette of an accent for pages whose grounds are given; ink is
// the end of the scale that text on them lies at. Whatever the accent is, text can be
// read and controls can be seen.
func paletteOf(accent, ink colour, grounds ...colour) palette {
	p := palette{accent: accent.towards(ink, controlContrast, grounds...)}
	if p.onAccent = white; contrast(white, p.accent) < contrast(black, p.accent) {
		p.onAccent = black
	}
	// Under the pointer: away from the text on it, so that it stays as readable.
	away := black
	if p.onAccent == black {
		away = white
	}
	p.strong = p.accent.mix(away, .16)
	p.link = accent.towards(ink, textContrast, grounds...)
	p.focus = p.link
	return p
}

// css writes the palette as declarations.
func (p palette) css() string {
	return fmt.Sprintf("--accent:%s;--accent-strong:%s;--on-accent:%s;--link:%s;--focus:%s", p.accent, p.strong, p.onAccent, p.link, p.focus)
}
