package dashboard

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// embedded holds the templates and assets that the binary carries.
//
//go:embed templates assets/*
var embedded embed.FS

// AssetsPath is where stylesheet, script and icons are served.
const AssetsPath = "/-/"

// assetTypes are the assets that exist and what they are.
var assetTypes = map[string]string{
	"dashboard.css": "text/css; charset=utf-8",
	"dashboard.js":  "text/javascript; charset=utf-8",
	"lentil.svg":    "image/svg+xml",
}

// press holds the parsed templates and the addresses of the assets.
type press struct {
	templates *template.Template
	assets    map[string]string
}

// newPress parses the templates of files, which has the folders templates and assets.
// They are found by the names that they define.
func newPress(files fs.FS) (*press, error) {
	pr := &press{assets: map[string]string{}}
	pr.templates = template.New("").Funcs(template.FuncMap{
		"asset": func(name string) string { return pr.assets[name] },
		"when":  when, "exact": exact, "browser": browserName, "icon": icon, "bytes": byteCount, "count": func(n any) string { return count(number(n)) }, "plural": plural, "join": strings.Join, "dict": dict, "lower": strings.ToLower,
	})
	err := fs.WalkDir(files, "templates", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".html") {
			return err
		}
		_, err = pr.templates.ParseFS(files, name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("dashboard: parse templates: %w", err)
	}
	for name := range assetTypes {
		b, err := fs.ReadFile(files, "assets/"+name)
		if err != nil {
			return nil, fmt.Errorf("dashboard: read asset: %w", err)
		}
		sum := sha256.Sum256(b)
		pr.assets[name] = AssetsPath + name + "?v=" + hex.EncodeToString(sum[:6])
	}
	return pr, nil
}

// layoutView is what stands around a page.
type layoutView struct {
	*Visit
	Title   string
	Heading string
	Body    template.HTML
	Digest  string
}

// Live says whether the page has an event stream: refusals and other rooms' pages
// have none.
func (l layoutView) Live() bool { return l.Operator != nil && l.page != nil }

// body prints a view without what stands around it, and its regions.
func (v *Visit) body(shown view) (template.HTML, error) {
	v.regions, v.order = map[string]string{}, nil
	var b bytes.Buffer
	if err := v.press.templates.ExecuteTemplate(&b, shown.template(), shown); err != nil {
		return "", fmt.Errorf("dashboard: print %s: %w", shown.template(), err)
	}
	return template.HTML(b.String()), nil //nolint:gosec // printed by a template just now
}

// printPage renders a view in full before anything is sent, so that a template's
// fault cannot leave half a page.
func (s *Site) printPage(v *Visit, shown view, status int) error {
	body, err := v.body(shown)
	if err != nil {
		return err
	}
	l := layoutView{Visit: v, Title: shown.heading(), Body: body, Digest: digest(v.regions, v.order)}
	var b bytes.Buffer
	if err := v.press.templates.ExecuteTemplate(&b, "layout", l); err != nil {
		return fmt.Errorf("dashboard: print layout: %w", err)
	}
	h := v.W.Header()
	harden(h)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	v.W.WriteHeader(status)
	_, err = b.WriteTo(v.W)
	return err
}

// Show prints a page of another room on this front: body is what stands below the
// heading. Its forms must carry Secret(r) in a field named "form", and whoever
// receives them must call CheckForm.
func (s *Site) Show(w http.ResponseWriter, r *http.Request, status int, title string, body template.HTML) error {
	v := &Visit{Request: r, W: w, site: s, press: s.print()}
	if err := s.authenticate(v); err != nil {
		v.Operator = nil
	}
	return s.printPage(v, &foreignView{Visit: v, Heading: title, Body: body}, status)
}

// foreignView is a page of another room.
type foreignView struct {
	*Visit
	Heading string
	Body    template.HTML
}

func (foreignView) template() string  { return "foreign" }
func (v foreignView) heading() string { return v.Heading }

// Secret is what forms of the request's session carry; "" without one.
func (s *Site) Secret(r *http.Request) string {
	v := &Visit{Request: r, site: s}
	if err := s.authenticate(v); err != nil {
		return ""
	}
	return v.Secret()
}

// CheckForm refuses a posted form that is not of the request's session.
func (s *Site) CheckForm(r *http.Request) error {
	v := &Visit{Request: r, site: s}
	if err := s.authenticate(v); err != nil {
		return err
	}
	return v.checkForm()
}

// SignInURL is the page to sign in at, which leads back to the request's address.
func (s *Site) SignInURL(r *http.Request) string { return signInURL(r.URL) }

// asset serves one asset. Its address changes with its content, so it may be kept.
func (s *Site) asset(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	kind, ok := assetTypes[name]
	if !ok {
		return s.notFound(w, r)
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	if r.URL.Query().Has("v") {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		h.Set("Cache-Control", "no-cache")
	}
	http.ServeFileFS(w, r, s.Files, "assets/"+name)
	return nil
}

// when prints a time: words relative to now, which the script keeps up to date, and
// the exact time to hover over.
func when(t time.Time) template.HTML {
	if t.IsZero() {
		return `<span class="soft">never</span>`
	}
	t = t.UTC()
	exact := t.Format("2006-01-02 15:04:05 UTC")
	return template.HTML(`<time datetime="` + t.Format("2006-01-02T15:04:05.000Z") + `" title="` + exact + `">` + exact[:16] + `</time>`) //nolint:gosec // digits
}

// exact prints a time as it is on a clock: with its date ("date"), or without it where
// that is today ("time"). The script turns it into the time zone of whoever looks.
func exact(t time.Time, how string) template.HTML {
	t = t.UTC()
	layout := "15:04:05.000"
	if how == "date" {
		layout = "2006-01-02 " + layout
	}
	return template.HTML(`<time datetime="` + t.Format("2006-01-02T15:04:05.000Z") + `" data-exact="` + how + `" title="` + t.Format("2006-01-02 15:04:05 UTC") + `">` + t.Format(layout) + `</time>`) //nolint:gosec // digits
}

// byteCount prints a number of bytes for people.
func byteCount(n int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	f, i := float64(n), 0
	for f >= 999.5 && i < len(units)-1 {
		f, i = f/1000, i+1
	}
	if i == 0 || f >= 99.5 {
		return fmt.Sprintf("%.0f %s", f, units[i])
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}

// number is an int or int64 as the latter.
func number(n any) int64 {
	if i, ok := n.(int); ok {
		return int64(i)
	}
	i, _ := n.(int64)
	return i
}

// count prints a number with its thousands apart.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "\u2009" + s[i:]
	}
	return s
}

// plural is "1 document", "2 documents".
func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	if strings.HasSuffix(one, "y") {
		return count(int64(n)) + " " + one[:len(one)-1] + "ies"
	}
	return count(int64(n)) + " " + one + "s"
}

// dict makes a map for a template that needs several values.
func dict(pairs ...any) (map[string]any, error) {
	m := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dashboard: dict: %v is no name", pairs[i])
		}
		m[name] = pairs[i+1]
	}
	return m, nil
}
