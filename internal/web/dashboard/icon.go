package dashboard

import (
	"fmt"
	"html/template"
)

// icons are drawn with one line of 1.6 in a box of 20, in the colour of the text.
var icons = map[string]string{
	"data":      `<ellipse cx="10" cy="5" rx="6" ry="2.4"/><path d="M4 5v10c0 1.300 2.700 2.400 6 2.400s6-1.100 6-2.400V5M4 10c0 1.300 2.700 2.400 6 2.400s6-1.100 6-2.400"/>`,
	"function":  `<path d="M12.500 3.500c-2.200-.6-3.200.5-3.500 2.500L7.600 14c-.3 2-1.300 3.100-3.500 2.500M5.500 8.500h6M12.500 11l4 4m0-4-4 4"/>`,
	"logs":      `<path d="M3.500 5h13M3.500 10h9M3.500 15h11"/>`,
	"files":     `<path d="M5 2.800h6l4 4V17.200H5zM11 2.800v4h4"/>`,
	"schedule":  `<circle cx="10" cy="10" r="6.700"/><path d="M10 6v4l2.700 1.700"/>`,
	"history":   `<path d="M4 10a6 6 0 1 0 2-4.500L4 7.300M4 3.700v3.600h3.600M10 7v3.200l2 1.300"/>`,
	"variables": `<path d="M6.500 4C4.500 4 4.500 5.500 4.500 7s0 3-2 3c2 0 2 1.500 2 3s0 3 2 3M13.500 4c2 0 2 1.500 2 3s0 3 2 3c-2 0-2 1.500-2 3s0 3-2 3M9 8.500 11 11.500M11 8.500 9 11.500"/>`,
	"health":    `<path d="M2.500 10.500h3.500l2-5 3.500 9 2-5.500.8 1.500h3.200"/>`,
	"settings":  `<path d="M3.500 6h7M14.500 6h2M3.500 14h2M9.500 14h7"/><circle cx="12.500" cy="6" r="2"/><circle cx="7.500" cy="14" r="2"/>`,
	"people":    `<circle cx="7.500" cy="7" r="2.700"/><path d="M2.500 16c.3-3 2.200-4.500 5-4.500s4.700 1.500 5 4.500M13 4.600a2.700 2.700 0 0 1 0 4.900M14.800 12c1.600.6 2.500 1.900 2.700 4"/>`,
	"key":       `<circle cx="6.500" cy="10" r="3.300"/><path d="M9.800 10h7.200M14.500 10v3M12 10v2"/>`,
	"home":      `<path d="M3 9.500 10 3.500l7 6M5 8.500v8h10v-8"/>`,
	"box":       `<path d="M10 2.700 16.500 6v8L10 17.300 3.500 14V6zM3.500 6 10 9.300 16.500 6M10 9.300v8"/>`,
	"plus":      `<path d="M10 4v12M4 10h12"/>`,
	"trash":     `<path d="M4 5.500h12M8 5.500V3.500h4v2M5.500 5.500l.7 11h7.600l.7-11M8.500 8.500v5M11.500 8.500v5"/>`,
	"pencil":    `<path d="m4 16 .8-3.500L13 4.300l2.700 2.700-8.200 8.200zM11.500 5.800l2.700 2.700"/>`,
	"search":    `<circle cx="9" cy="9" r="5"/><path d="m12.800 12.800 3.700 3.700"/>`,
	"eye":       `<path d="M2.500 10s2.700-5 7.500-5 7.500 5 7.500 5-2.700 5-7.500 5-7.500-5-7.500-5z"/><circle cx="10" cy="10" r="2.200"/>`,
	"download":  `<path d="M10 3.500v9m0 0-3.500-3.500M10 12.500l3.500-3.500M4 16.500h12"/>`,
	"upload":    `<path d="M10 12.500v-9m0 0L6.500 7M10 3.500 13.500 7M4 16.500h12"/>`,
	"play":      `<path d="M6.500 4v12l9-6z"/>`,
	"pause":     `<path d="M7 4.500v11M13 4.500v11"/>`,
	"copy":      `<path d="M7 7h9.500v9.500H7zM13 7V3.500H3.500V13H7"/>`,
	"x":         `<path d="m5 5 10 10M15 5 5 15"/>`,
	"filter":    `<path d="M3 4.500h14l-5.300 6.300v5.400l-3.400-1.700v-3.700z"/>`,
	"columns":   `<path d="M3.500 4h13v12h-13zM8 4v12M12.300 4v12"/>`,
	"back":      `<path d="M12 4.500 6.500 10l5.500 5.500"/>`,
	"next":      `<path d="M8 4.500 13.500 10 8 15.500"/>`,
	"out":       `<path d="M8 3.500H4v13h4M8 10h9m0 0-3-3m3 3-3 3"/>`,
	"mail":      `<path d="M3 5h14v10.500H3zM3 5.500l7 5.500 7-5.500"/>`,
	"link":      `<path d="M8.500 11.500a3 3 0 0 0 4.200 0l2.800-2.800a3 3 0 0 0-4.200-4.200L10 5.800M11.500 8.500a3 3 0 0 0-4.200 0l-2.800 2.800a3 3 0 0 0 4.200 4.200L10 14.200"/>`,
	"bell":      `<path d="M5 13.500c1-1 1.200-2 1.200-4.500a3.800 3.800 0 0 1 7.600 0c0 2.500.2 3.500 1.200 4.500zM8.500 16a1.600 1.600 0 0 0 3 0"/>`,
	"globe":     `<circle cx="10" cy="10" r="6.700"/><path d="M3.300 10h13.400M10 3.300c4 4 4 9.400 0 13.400-4-4-4-9.400 0-13.400"/>`,
	"shield":    `<path d="M10 2.800 4 5v5c0 4 2.700 6.300 6 7.200 3.300-.9 6-3.200 6-7.200V5z"/>`,
	"brush":     `<path d="M16.500 3.500c-3 1.200-6 4-7.300 6.500l1.300 1.300c2.500-1.300 5.200-4.400 6-7.800zM8.500 11c-2 0-3 1.200-3 3 0 1-.7 1.700-2 2 3.500.8 6.500-.3 6.500-3.500z"/>`,
	"flag":      `<path d="M5 17V3.500h9.500l-2 3.500 2 3.500H5"/>`,
	"building":  `<path d="M4.500 17V3.500h7V17M11.500 8h4v9M3 17h14M7 7h2M7 10h2M7 13h2"/>`,
}

// icon draws one; it says nothing to those who listen.
func icon(name string) (template.HTML, error) {
	d, ok := icons[name]
	if !ok {
		return "", fmt.Errorf("dashboard: no icon %q", name)
	}
	return template.HTML(`<svg class="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false">` + d + `</svg>`), nil //nolint:gosec // of the table above
}
