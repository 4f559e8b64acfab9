package dashboard_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/deployment"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/isolate"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/platform"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/web/dashboard"
)

// secret stands for the house's master secret.
var secret = []byte("a secret of sixteen bytes or more")

// fleet opens real deployments, in memory.
type fleet struct {
	t      *testing.T
	engine *isolate.Engine
	mu     sync.Mutex
	open   map[string]*deployment.Deployment
}

func (f *fleet) Open(ctx context.Context, name string) (*deployment.Deployment, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if d := f.open[name]; d != nil {
		return d, nil
	}
	d, err := deployment.Open(context.WithoutCancel(ctx), deployment.Config{Name: name, Secret: secret, Engine: f.engine,
		CloudURL: "http://127.0.0.1:3210", SiteURL: "http://127.0.0.1:3211", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	run, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(run) }()
	f.t.Cleanup(func() {
		stop()
		<-ended
		d.Close()
	})
	f.open[name] = d
	return d, nil
}

func (f *fleet) Addresses(context.Context, string) (string, string, error) {
	return "http://127.0.0.1:3210", "http://127.0.0.1:3211", nil
}
func (f *fleet) AdminKey(name string) (string, error) { return token.AdminKeyOf(secret, name) }
func (f *fleet) CheckAdminKey(string, string) error   { return nil }
func (f *fleet) Remove(_ context.Context, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.open, name)
	return nil
}

// world is a house with a dashboard: a team with a project that has a deployment for
// development and one for production.
type world struct {
	*testing.T
	platform  *platform.Service
	identity  *identity.Service
	site      *dashboard.Site
	url       string
	owner     *platform.Operator
	team      platform.Team
	project   platform.Project
	dev, prod *platform.Deployment
	fleet     *fleet
}

func newWorld(t *testing.T) *world {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	db, err := database.Open(t.Context(), database.Options{Store: persistence.NewMemory(), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	run, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- db.Run(run) }()
	t.Cleanup(func() { stop(); <-ended; db.Close() })
	sealer := token.NewSealer(secret)
	w := &world{T: t, identity: &identity.Service{DB: db, Sealer: sealer, Log: log}}
	must(t, w.identity.Open(t.Context()))
	w.platform = &platform.Service{DB: db, Identity: w.identity, Sealer: sealer, HouseToken: "lentil_house_" + strings.Repeat("x", 40), Log: log}
	must(t, w.platform.Open(t.Context()))
	engine, err := isolate.Open(isolate.Options{Workers: 2})
	must(t, err)
	t.Cleanup(func() { engine.Close() })
	w.fleet = &fleet{t: t, engine: engine, open: map[string]*deployment.Deployment{}}
	w.platform.Fleet = w.fleet
	w.dev, err = w.platform.EnsureDeployment(t.Context(), "calm-wren-100")
	must(t, err)
	w.prod, err = w.platform.CreateDeployment(t.Context(), platform.NewDeployment{Project: w.dev.Project, Kind: platform.Prod, Name: "bold-hare-200", Default: true})
	must(t, err)
	p, err := w.platform.Project(t.Context(), w.dev.Project)
	must(t, err)
	w.project = *p
	team, err := w.platform.Team(t.Context(), p.Team)
	must(t, err)
	w.team = *team
	w.owner, err = w.platform.Owner(t.Context())
	must(t, err)
	w.site = &dashboard.Site{Platform: w.platform, Identity: w.identity, Log: log}
	must(t, w.site.Open())
	server := httptest.NewServer(w.site)
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// person is somebody with a browser.
type person struct {
	*world
	cookie string // as sent
	form   string // the session's secret
}

// as signs somebody in who has a role in the team; the owner if it is "".
func (w *world) as(role platform.Role) *person {
	w.Helper()
	o := w.owner
	if role != "" {
		var err error
		o, err = w.platform.AddOperator(w.Context(), string(role)+"@example.com", "", w.team.ID, role)
		must(w.T, err)
	}
	_, session, err := w.platform.CreateCredential(w.Context(), platform.NewCredential{Kind: platform.SessionToken, Name: "Test", Operator: o.ID})
	must(w.T, err)
	p := &person{world: w, cookie: "lentil_dashboard=" + session}
	req := httptest.NewRequest(http.MethodGet, "/", nil)
	req.Header.Set("Cookie", p.cookie)
	p.form = w.site.Secret(req)
	return p
}

// reply is an answer with its body.
type reply struct {
	*http.Response
	text string
}

// do sends a request without following redirects.
func (p *person) do(method, path string, form url.Values, headers ...string) reply {
	p.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(p.Context(), method, p.url+path, body)
	must(p.T, err)
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if p.cookie != "" {
		req.Header.Set("Cookie", p.cookie)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	must(p.T, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	must(p.T, err)
	return reply{res, string(b)}
}

// get asks for a page that must be there.
func (p *person) get(path string) string {
	p.Helper()
	r := p.do(http.MethodGet, path, nil)
	if r.StatusCode != http.StatusOK {
		p.Fatalf("GET %s: %d %s", path, r.StatusCode, brief(r.text))
	}
	return r.text
}

// post does an action of a page.
func (p *person) post(path, action string, pairs ...string) reply {
	p.Helper()
	form := url.Values{"form": {p.form}, "do": {action}}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return p.do(http.MethodPost, path, form)
}

// done does an action that must be done.
func (p *person) done(path, action string, pairs ...string) string {
	p.Helper()
	r := p.post(path, action, pairs...)
	if r.StatusCode != http.StatusSeeOther {
		p.Fatalf("POST %s %s: %d %s", path, action, r.StatusCode, brief(r.text))
	}
	return r.Header.Get("Location")
}

// refused does an action that must be refused with these words, and gives the page.
func (p *person) refused(path, action, words string, pairs ...string) string {
	p.Helper()
	r := p.post(path, action, pairs...)
	if r.StatusCode < 400 || r.StatusCode >= 500 || !strings.Contains(r.text, words) {
		p.Errorf("POST %s %s: %d, want a refusal with %q; %s", path, action, r.StatusCode, words, brief(r.text))
	}
	return r.text
}

var tags = regexp.MustCompile(`(?s)<[^>]*>|\s+`)

// brief is what a page says, for messages of tests.
func brief(html string) string {
	s := strings.Join(strings.Fields(tags.ReplaceAllString(html, " ")), " ")
	if len(s) > 600 {
		s = s[:600]
	}
	return s
}

// live holds a page's event stream.
type live struct {
	t      *testing.T
	events chan event
}

// event is one of them.
type event struct {
	name string
	data map[string]any
}

// watch opens the event stream of a page.
func (p *person) watch(path string) *live {
	p.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+path, nil)
	must(p.T, err)
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Cookie", p.cookie)
	res, err := http.DefaultClient.Do(req)
	must(p.T, err)
	if res.StatusCode != http.StatusOK {
		res.Body.Close()
		p.Fatalf("stream of %s: %d", path, res.StatusCode)
	}
	l := &live{p.T, make(chan event, 100)}
	go func() {
		defer res.Body.Close()
		defer close(l.events)
		sc := bufio.NewScanner(res.Body)
		sc.Buffer(nil, 16<<20)
		var e event
		for sc.Scan() {
			switch line := sc.Text(); {
			case strings.HasPrefix(line, "event: "):
				e.name = line[7:]
			case strings.HasPrefix(line, "data: "):
				_ = json.Unmarshal([]byte(line[6:]), &e.data)
			case line == "" && e.name != "":
				l.events <- e
				e = event{}
			}
		}
	}()
	return l
}

// until waits for an event of the name whose data has the words, and gives its data as text.
func (l *live) until(name, words string) string {
	l.t.Helper()
	for {
		select {
		case e, ok := <-l.events:
			if !ok {
				l.t.Fatalf("the stream ended before %s with %q", name, words)
			}
			b, _ := json.Marshal(e.data)
			var plain strings.Builder
			flatten(&plain, e.data)
			if e.name == name && strings.Contains(plain.String(), words) {
				return string(b)
			}
		case <-l.t.Context().Done():
			l.t.Fatalf("no %s with %q", name, words)
		}
	}
}

// flatten writes all texts of a JSON value.
func flatten(b *strings.Builder, v any) {
	switch v := v.(type) {
	case string:
		b.WriteString(v + "\n")
	case map[string]any:
		for _, x := range v {
			flatten(b, x)
		}
	}
}
