package workos_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/lentil-dev/lentil/internal/account"
	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/mail"
	"github.com/lentil-dev/lentil/internal/passkey"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/web/login"
	"github.com/lentil-dev/lentil/internal/wire/workos"
	"github.com/lentil-dev/lentil/internal/wire/workos/contract"
)

// The app of the journeys.
const (
	origin   = "http://localhost:5173"
	callback = origin + "/callback"
	password = "correct horse battery staple"
	verifier = "a-verifier-of-more-than-forty-three-characters-0123456789"
)

// house is a whole sign-in service on a real listener: pages, protocol, flow,
// identity and the in-memory store.
type house struct {
	t      testing.TB
	api    http.Handler
	url    string
	env    *identity.Environment
	key    string
	outbox *mail.Outbox
	store  *persistence.Memory
	lines  lines // of the log

	identity *identity.Service
	front    *workos.API // behind api
}

// lines is a log that can be read.
type lines struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

// Write adds to the log.
func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// String is the log so far.
func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// open starts a house.
func open(t testing.TB) *house {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	h := &house{t: t, outbox: &mail.Outbox{}, store: persistence.NewMemory()}
	db, err := database.Open(ctx, database.Options{Store: h.store})
	check(t, err)
	log := slog.New(slog.NewTextHandler(io.MultiWriter(t.Output(), &h.lines), nil))
	ring := &token.Ring{Root: []byte("a master key of thirty-two bytes")}
	check(t, ring.Renew(time.Now()))
	svc := &identity.Service{DB: db, Sealer: ring.Sealer(), Log: log}
	flow := &authflow.Flow{Identity: svc, Mail: h.outbox, Hasher: &authflow.Hasher{}, Log: log}
	check(t, svc.Open(ctx))
	check(t, flow.Open(ctx))
	var ended []chan error
	for _, run := range []func(context.Context) error{db.Run, svc.Run, flow.Run} {
		done := make(chan error, 1)
		ended = append(ended, done)
		go func() { done <- run(ctx) }()
	}
	pages := &login.Pages{Flow: flow, Identity: svc, Outbox: h.outbox, Log: log}
	api := &workos.API{Identity: svc, Flow: flow, Letters: flow, Hasher: flow.Hasher, Pages: pages, Log: log, Outbox: h.outbox}
	h.identity, h.front = svc, api
	workos.OpenServices(t, api)
	flow.SSO, flow.Rules = api.SSO, api.SSO
	pages.Connect = api.Applications
	keys := &passkey.Service{Identity: svc}
	check(t, keys.Open(ctx))
	pages.Account = &account.Service{Identity: svc, Flow: flow, Passkeys: keys, SSO: api.SSO, Applications: api.Applications, Log: log}
	check(t, pages.Open())
	check(t, api.Open())
	h.api = contract.Judge(api, func(line string) { t.Error(line) })
	server := httptest.NewServer(h.api)
	h.url, api.SSO.BaseURL = server.URL, server.URL
	t.Cleanup(func() {
		server.Close()
		cancel()
		for _, done := range ended {
			<-done
		}
		db.Close()
	})
	h.env, err = svc.CreateEnvironment(ctx, identity.NewEnvironment{Name: "soup", Kind: identity.Development, Settings: identity.Settings{HomepageURL: origin}})
	check(t, err)
	api.TestEnvironment = h.env.ID
	t.Cleanup(func() { workos.CheckEvents(t, svc, h.env.ID); workos.CheckRows(t, svc) })
	_, h.key, err = svc.CreateAPIKey(ctx, h.env.ID, "test", "")
	check(t, err)
	_, err = svc.AddRedirectURI(ctx, h.env.ID, callback)
	check(t, err)
	_, err = svc.AddCORSOrigin(ctx, h.env.ID, origin)
	check(t, err)
	return h
}

// check fails the test on an error.
func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// code is the code in the newest mail to an address. The mail is sent behind the
// page's back, so it may take a moment.
func (h *house) code(to string, not ...string) string {
	h.t.Helper()
	for range 6000 { // a minute
		mails, err := h.outbox.List(h.t.Context(), to)
		check(h.t, err)
		for _, m := range mails {
			if m.Code != "" && !slices.Contains(not, m.Code) {
				return m.Code
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	h.t.Fatalf("no code was mailed to %s", to)
	return ""
}

// authorize is the address an app sends its people to.
func (h *house) authorize(state string, more ...string) string {
	sum := sha256.Sum256([]byte(verifier))
	q := url.Values{"client_id": {string(h.env.ClientID)}, "redirect_uri": {callback}, "response_type": {"code"}, "provider": {"authkit"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}, "state": {state}}
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	return h.url + "/user_management/authorize?" + q.Encode()
}

// grant posts to authenticate as the app's page does.
func (h *house) grant(body map[string]string) (int, map[string]any) {
	h.t.Helper()
	body["client_id"] = string(h.env.ClientID)
	b, err := json.Marshal(body)
	check(h.t, err)
	r, err := http.NewRequestWithContext(h.t.Context(), "POST", h.url+"/user_management/authenticate", strings.NewReader(string(b)))
	check(h.t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Origin", origin)
	res, err := http.DefaultClient.Do(r)
	check(h.t, err)
	defer res.Body.Close()
	var m map[string]any
	check(h.t, json.NewDecoder(res.Body).Decode(&m))
	return res.StatusCode, m
}

// exchange redeems a code.
func (h *house) exchange(code string) map[string]any {
	h.t.Helper()
	status, m := h.grant(map[string]string{"grant_type": "authorization_code", "code": code, "code_verifier": verifier})
	if status != http.StatusOK {
		h.t.Fatalf("exchange: %d %v", status, m)
	}
	return m
}

// claims decodes a token without verifying it.
func claims(t testing.TB, access any) map[string]any {
	t.Helper()
	parts := strings.Split(access.(string), ".")
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	check(t, err)
	var m map[string]any
	check(t, json.Unmarshal(b, &m))
	return m
}

// browser visits pages, keeps cookies and fills in forms. It stops at the door of
// the app: left is where it was sent then.
type browser struct {
	h      *house
	client *http.Client
	at     *url.URL
	status int
	page   *html.Node
	left   *url.URL
}

// browser makes a new browser.
func (h *house) browser() *browser {
	jar, err := cookiejar.New(nil)
	check(h.t, err)
	b := &browser{h: h}
	b.client = &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if !strings.HasPrefix(r.URL.String(), h.url) {
			b.left = r.URL
			return http.ErrUseLastResponse
		}
		return nil
	}}
	return b
}

// visit goes to an address.
func (b *browser) visit(address string) *browser {
	b.h.t.Helper()
	r, err := http.NewRequestWithContext(b.h.t.Context(), "GET", address, nil)
	check(b.h.t, err)
	return b.send(r)
}

// send sends a request and reads the page.
func (b *browser) send(r *http.Request) *browser {
	b.h.t.Helper()
	r.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	b.left = nil
	res, err := b.client.Do(r)
	check(b.h.t, err)
	defer res.Body.Close()
	if res.Header.Get("X-Request-ID") == "" {
		b.h.t.Errorf("%s: no request id", r.URL)
	}
	b.at, b.status = res.Request.URL, res.StatusCode
	text, err := io.ReadAll(res.Body)
	check(b.h.t, err)
	b.page, err = html.Parse(strings.NewReader(string(text)))
	check(b.h.t, err)
	return b
}

// fill fills in the fields with these labels and presses Continue.
func (b *browser) fill(labelled map[string]string) *browser {
	b.h.t.Helper()
	form := b.find("form", nil)
	if form == nil {
		b.h.t.Fatalf("no form at %s: %s", b.at, text(b.page))
	}
	values := url.Values{}
	for n := range form.Descendants() {
		if n.Data == "input" && attr(n, "value") != "" {
			values.Set(attr(n, "name"), attr(n, "value"))
		}
	}
	for label, value := range labelled {
		l := b.find("label", func(n *html.Node) bool { return text(n) == label })
		if l == nil {
			b.h.t.Fatalf("no field %q at %s: %s", label, b.at, text(b.page))
		}
		input := b.find("input", func(n *html.Node) bool { return attr(n, "id") == attr(l, "for") })
		values.Set(attr(input, "name"), value)
	}
	to, err := b.at.Parse(attr(form, "action"))
	check(b.h.t, err)
	r, err := http.NewRequestWithContext(b.h.t.Context(), "POST", to.String(), strings.NewReader(values.Encode()))
	check(b.h.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", b.h.url)
	return b.send(r)
}

// follow follows the link with this text.
func (b *browser) follow(label string) *browser {
	b.h.t.Helper()
	a := b.find("a", func(n *html.Node) bool { return text(n) == label })
	if a == nil {
		b.h.t.Fatalf("no link %q at %s: %s", label, b.at, text(b.page))
	}
	to, err := b.at.Parse(attr(a, "href"))
	check(b.h.t, err)
	return b.visit(to.String())
}

// alert is what the page complains about.
func (b *browser) alert() string {
	n := b.find("", func(n *html.Node) bool { return attr(n, "role") == "alert" })
	if n == nil {
		return ""
	}
	return text(n)
}

// heading is the page's heading.
func (b *browser) heading() string {
	n := b.find("h1", nil)
	if n == nil {
		return ""
	}
	return text(n)
}

// arrived is the code with which the browser came back to the app.
func (b *browser) arrived() string {
	b.h.t.Helper()
	if b.left == nil {
		b.h.t.Fatalf("still at %s: %s %s", b.at, b.heading(), b.alert())
	}
	return b.left.Query().Get("code")
}

// find finds the first element with this tag that is right.
func (b *browser) find(tag string, right func(*html.Node) bool) *html.Node {
	for n := range b.page.Descendants() {
		if n.Type == html.ElementNode && (tag == "" || n.Data == tag) && (right == nil || right(n)) {
			return n
		}
	}
	return nil
}

// attr is an attribute of n, or "".
func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// text is the text within n.
func text(n *html.Node) string {
	var s strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			s.WriteString(c.Data)
		}
	}
	return strings.Join(strings.Fields(s.String()), " ")
}

// signUp makes an account and comes back to the app.
func (b *browser) signUp(email, state string) string {
	b.h.t.Helper()
	b.visit(b.h.authorize(state, "screen_hint", "sign-up")).fill(map[string]string{"Email": email, "Password": password})
	return b.fill(map[string]string{"Code": b.h.code(email)}).arrived()
}
