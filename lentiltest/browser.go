package lentiltest

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// Browser keeps cookies, follows redirects and fills in forms. It runs no scripts:
// the sign-in pages need none.
type Browser struct{ client *http.Client }

// Page is where a browser has come to.
type Page struct {
	URL    *url.URL
	Status int
	Body   string
}

// Browser makes a browser that has been nowhere yet.
func (h *House) Browser(t testing.TB) *Browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatalf("lentiltest: %v", err)
	}
	return &Browser{client: &http.Client{Jar: jar, Timeout: callTime}}
}

// Client is the browser's HTTP client, with its cookies.
func (b *Browser) Client() *http.Client { return b.client }

// Open goes to an address.
func (b *Browser) Open(t testing.TB, address string) *Page {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatalf("lentiltest: %v", err)
	}
	return b.send(t, req)
}

// maxPage bounds a page, in bytes.
const maxPage = 8 << 20

func (b *Browser) send(t testing.TB, req *http.Request) *Page {
	t.Helper()
	req.Header.Set("Accept", "text/html,application/xhtml+xml")
	res, err := b.client.Do(req)
	if err != nil {
		t.Fatalf("lentiltest: %v", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxPage))
	if err != nil {
		t.Fatalf("lentiltest: %v", err)
	}
	return &Page{URL: res.Request.URL, Status: res.StatusCode, Body: string(body)}
}

// Submit fills in the form of a page that has all the named fields, and sends it.
func (b *Browser) Submit(t testing.TB, p *Page, fields map[string]string) *Page {
	t.Helper()
	forms, err := p.forms()
	if err != nil {
		t.Fatalf("lentiltest: %s: %v", p.URL, err)
	}
	for _, f := range forms {
		if !f.has(fields) {
			continue
		}
		values := f.values
		for name, v := range fields {
			values.Set(name, v)
		}
		to, err := p.URL.Parse(f.action)
		if err != nil {
			t.Fatalf("lentiltest: %s: %v", p.URL, err)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, to.String(), strings.NewReader(values.Encode()))
		if err != nil {
			t.Fatalf("lentiltest: %v", err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", p.URL.Scheme+"://"+p.URL.Host)
		req.Header.Set("Sec-Fetch-Site", "same-origin")
		return b.send(t, req)
	}
	t.Fatalf("lentiltest: %s (status %d) has no form with the fields %v", p.URL, p.Status, fields)
	return nil
}

// SignIn goes to an address that leads to the sign-in pages, signs the user in there
// with their password, and gives the page of the app that it comes back to.
func (b *Browser) SignIn(t testing.TB, address string, u User) *Page {
	t.Helper()
	p := b.Open(t, address)
	at := p.URL.Host
	p = b.Submit(t, p, map[string]string{"email": u.Email, "password": u.Password})
	if p.URL.Host == at {
		t.Fatalf("lentiltest: %s is still on the sign-in pages after the password: %s", u.Email, p.URL)
	}
	return p
}

// form is a form of a page with what it would send as it is.
type form struct {
	action string
	values url.Values
	names  map[string]bool
}

func (f *form) has(fields map[string]string) bool {
	for name := range fields {
		if !f.names[name] {
			return false
		}
	}
	return true
}

// forms reads the forms of a page that are sent by POST.
func (p *Page) forms() (list []*form, err error) {
	root, err := html.Parse(strings.NewReader(p.Body))
	if err != nil {
		return nil, fmt.Errorf("page cannot be read: %w", err)
	}
	var walk func(n *html.Node, in *form)
	walk = func(n *html.Node, in *form) {
		if n.Type == html.ElementNode {
			switch n.Data {
			case "form":
				in = &form{action: attribute(n, "action"), values: url.Values{}, names: map[string]bool{}}
				if strings.EqualFold(attribute(n, "method"), "post") {
					list = append(list, in)
				}
			case "input", "select", "textarea":
				if name := attribute(n, "name"); in != nil && name != "" {
					in.names[name] = true
					if kind := attribute(n, "type"); kind != "checkbox" && kind != "radio" {
						in.values.Set(name, attribute(n, "value"))
					}
				}
			}
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c, in)
		}
	}
	walk(root, nil)
	return list, nil
}

// attribute is one of an element's; "" if it has none of that name.
func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
