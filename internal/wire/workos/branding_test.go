package workos

import (
	"bytes"
	"encoding/base64"
	"image"
	"image/png"
	"strings"
	"testing"
)

func TestBrandingIsShownAndChanged(t *testing.T) {
	t.Parallel()
	h := newHouse(t, &scripted{})
	if got := h.call("GET", "/_lentil/v1/branding", nil).want(200).at("name"); got != nil {
		t.Errorf("at first named %v", got)
	}
	var b bytes.Buffer
	check(t, png.Encode(&b, image.NewGray(image.Rect(0, 0, 4, 4))))
	logo := "data:image/png;base64," + base64.StdEncoding.EncodeToString(b.Bytes())
	a := h.call("PATCH", "/_lentil/v1/branding", map[string]any{"name": "Soup", "accent_light": "#c00000", "logo": logo}).want(200)
	if got := a.text("logo_url"); !strings.HasPrefix(got, "http://localhost:4100/_lentil/branding/"+string(h.env.ClientID)+"/logo?v=") {
		t.Errorf("logo at %s", got)
	}
	h.call("PATCH", "/_lentil/v1/branding", map[string]any{"accent_light": nil, "logo": nil}).want(200)
	a = h.call("GET", "/_lentil/v1/branding", nil).want(200)
	if a.text("name") != "Soup" || a.at("accent_light") != nil || a.at("logo_url") != nil {
		t.Error("null did not reset, or reset too much")
	}
	for name, body := range map[string]map[string]any{
		"a colour by name": {"accent_dark": "red"},
		"a number":         {"name": 3},
		"another's name":   {"name": "Soup", "display_name": "Soup"},
		"no data address":  {"logo": "https://evil.example/logo.png"},
		"no base64":        {"logo": "data:image/png;base64,***"},
		"no picture":       {"logo": "data:image/png;base64," + base64.StdEncoding.EncodeToString([]byte("hello"))},
		"nothing":          {"logo": "data:image/png;base64,"},
		"a script":         {"logo": "data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString([]byte(`<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>`))},
	} {
		if a := h.call("PATCH", "/_lentil/v1/branding", body).want(422); a.at("errors", 0, "field") == nil {
			t.Errorf("%s: no field named", name)
		}
	}
}
