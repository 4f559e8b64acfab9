package login

import "net/http"

// AssetsPath is where the stylesheet and the icon are served.
const AssetsPath = "/_lentil/assets/"

// assetTypes are the assets that exist and what they are.
var assetTypes = map[string]string{
	"login.css":  "text/css; charset=utf-8",
	"lentil.svg": "image/svg+xml",
	"passkey.js": "text/javascript; charset=utf-8",
}

// asset serves one asset. The stylesheet's address changes with its content, so it
// may be kept for a year.
func (p *Pages) asset(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	kind, ok := assetTypes[name]
	if !ok {
		return p.notFound(w, r)
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("X-Content-Type-Options", "nosniff")
	if r.URL.Query().Has("v") {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		h.Set("Cache-Control", "public, max-age=3600")
	}
	http.ServeFileFS(w, r, p.Files, "assets/"+name)
	return nil
}
