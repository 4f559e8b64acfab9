package workos

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// brandingObject is how the hosted pages look.
type brandingObject struct {
	Object      string  `json:"object"`
	Name        *string `json:"name"`
	AccentLight *string `json:"accent_light"`
	AccentDark  *string `json:"accent_dark"`
	LogoURL     *string `json:"logo_url"`
	UpdatedAt   *string `json:"updated_at"`
}

// newBrandingObject shows b.
func (a *API) newBrandingObject(r *http.Request, b *identity.Branding) brandingObject {
	out := brandingObject{"branding", orNull(b.Name), orNull(b.AccentLight), orNull(b.AccentDark), nil, timeOrNull(b.Updated)}
	if b.Logo != "" {
		out.LogoURL = orNull(a.baseURL(r) + "/_lentil/branding/" + string(environment(r).ClientID) + "/logo?v=" + b.Logo)
	}
	return out
}

// getBranding is GET /_lentil/v1/branding.
func (a *API) getBranding(w http.ResponseWriter, r *http.Request) error {
	b, _, err := a.Identity.BrandingOf(r.Context(), environment(r).ClientID)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, a.newBrandingObject(r, b))
	return nil
}

// patchBranding is PATCH /_lentil/v1/branding. null, like an empty string, gives a
// member its default back; the logo comes as a data: address, as pages hold pictures.
func (a *API) patchBranding(w http.ResponseWriter, r *http.Request) error {
	var members map[string]json.RawMessage
	if err := decodeBody(r, &members); err != nil {
		return err
	}
	var body struct{ Name, AccentLight, AccentDark, Logo member[string] }
	known := map[string]*member[string]{"name": &body.Name, "accent_light": &body.AccentLight, "accent_dark": &body.AccentDark, "logo": &body.Logo}
	for name, text := range members {
		m, ok := known[name]
		if !ok {
			return invalidField(clip(name, 64), "unknown", "Branding has name, accent_light, accent_dark and logo, and nothing else.")
		}
		if err := json.Unmarshal(text, m); err != nil {
			return invalidField(name, "invalid", "%s must be a string or null.", name)
		}
	}
	change := identity.BrandingChange{Name: body.Name.pointer(), AccentLight: body.AccentLight.pointer(), AccentDark: body.AccentDark.pointer()}
	if logo := body.Logo.pointer(); logo != nil {
		_, data, ok := strings.Cut(*logo, ";base64,")
		if *logo != "" && (!ok || !strings.HasPrefix(*logo, "data:image/")) {
			return invalidField("logo", "invalid", "The logo is a data: address with base64, like data:image/png;base64,….")
		}
		b, err := base64.StdEncoding.DecodeString(data)
		if err != nil || *logo != "" && len(b) == 0 {
			return invalidField("logo", "invalid", "The base64 of the logo cannot be read.")
		}
		change.Logo = append([]byte{}, b...)
	}
	b, err := a.Identity.ChangeBranding(r.Context(), environment(r).ID, change)
	if refused, ok := apierr.As(err); ok && refused.Kind == apierr.BadRequest {
		field := ""
		if d, ok := refused.Details.([]identity.FieldError); ok {
			field = d[0].Code
		}
		return invalidField(field, "invalid", "%s", refused.Message)
	}
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, a.newBrandingObject(r, b))
	return nil
}
