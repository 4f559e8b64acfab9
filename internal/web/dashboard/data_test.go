package dashboard_test

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/deployment"
	"github.com/lentil-dev/lentil/internal/platform"
	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
)

// insert puts documents into a table of a deployment.
func (w *world) insert(name, table string, docs ...string) (ids []string) {
	w.Helper()
	d := w.deployment(name)
	for _, text := range docs {
		o, err := value.ParseObject([]byte(text))
		must(w.T, err)
		_, err = d.DB.Update(w.Context(), func(tx *database.Tx) error {
			id, err := tx.Insert(w.Context(), table, o)
			ids = append(ids, id.String())
			return err
		})
		must(w.T, err)
	}
	return ids
}

// deployment opens one.
func (w *world) deployment(name string) *deployment.Deployment {
	w.Helper()
	d, err := w.fleet.Open(w.Context(), name)
	must(w.T, err)
	return d
}

// rows are the ids of the documents that a page shows, in order.
func rows(page string) (ids []string) {
	for _, m := range regexp.MustCompile(`<tr id="doc-([a-z0-9]+)"`).FindAllStringSubmatch(page, -1) {
		ids = append(ids, m[1])
	}
	return ids
}

func TestDataIsEscaped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bad := `<script>alert(1)</script><img src=x onerror=alert(2)>' \" onmouseover=alert(3) {{.Secret}}`
	id := w.insert(w.dev.Name, "notes", `{"text":"`+bad+`","<b>field":"x"}`)[0]
	_ = id
	p := w.as("")
	for _, path := range []string{"/d/calm-wren-100/data", "/d/calm-wren-100/data?table=notes&edit=" + id, "/d/calm-wren-100/data?table=notes&edit=" + id + "&field=text",
		"/d/calm-wren-100/data?table=notes&f=text&o=contains&v=" + url.QueryEscape(`<script>`), "/d/calm-wren-100/logs?q=" + url.QueryEscape(`"><script>`),
		"/d/calm-wren-100/functions?fn=" + url.QueryEscape(`<script>`)} {
		r := p.do(http.MethodGet, path, nil)
		if r.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %s", path, r.StatusCode, brief(r.text))
		}
		for _, word := range []string{"<script>a", "<img src=x", "<b>field", `"><script>`} {
			if strings.Contains(r.text, word) {
				t.Errorf("%s has %s unescaped", path, word)
			}
		}
		if strings.Contains(path, "edit") && !strings.Contains(html.UnescapeString(r.text), "alert(1)") {
			t.Errorf("%s does not show the document", path)
		}
	}
}

func TestDataPagesFiltersAndIndexes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.deployment(w.dev.Name)
	must(t, d.DB.EnsureTables(t.Context(), []database.TableDef{{Name: "breads", Indexes: []database.IndexDef{{Name: "by_price", Fields: []string{"price"}}}}}))
	var docs []string
	for i := range 120 {
		docs = append(docs, fmt.Sprintf(`{"name":"Loaf %03d","price":%d,"tags":["%c"]}`, i, i%4, 'a'+i%3))
	}
	ids := w.insert(w.dev.Name, "breads", docs...)
	p := w.as(platform.Viewer)
	at := "/d/calm-wren-100/data?table=breads"
	link := func(page, rel string) string {
		m := regexp.MustCompile(`href="([^"]+)" rel="` + rel + `"`).FindStringSubmatch(page)
		if m == nil {
			return ""
		}
		return html.UnescapeString(m[1])
	}
	for _, order := range []string{"asc", "desc"} {
		for _, index := range []string{"by_creation_time", "by_price"} {
			seen := map[string]bool{}
			next, pages := at+"&order="+order+"&index="+index, []string{}
			for next != "" {
				page := p.get(next)
				pages = append(pages, strings.Join(rows(page), " "))
				for _, id := range rows(page) {
					if seen[id] {
						t.Fatalf("%s %s: %s twice", index, order, id)
					}
					seen[id] = true
				}
				if next = link(page, "next"); next == "" {
					// and back again
					for i := len(pages) - 2; i >= 0; i-- {
						page = p.get(link(page, "prev"))
						if got := strings.Join(rows(page), " "); got != pages[i] {
							t.Errorf("%s %s: page %d backwards is another", index, order, i)
						}
					}
					if link(page, "prev") != "" {
						t.Errorf("%s %s: there is a page before the first", index, order)
					}
				}
			}
			if len(seen) != len(ids) || len(pages) != 3 {
				t.Errorf("%s %s: %d documents on %d pages", index, order, len(seen), len(pages))
			}
		}
	}
	for query, want := range map[string]int{
		"&f=price&o=eq&v=2": 30, "&f=price&o=gte&v=2&f=tags&o=contains&v='a'": 20, "&f=name&o=eq&v=Loaf+007": 1, "&f=name&o=contains&v=loaf+00": 10, "&f=notes&o=set&v=": 0,
		"&f=notes&o=unset&v=&index=by_price&f=price&o=eq&v=3": 30, "&f=_id&o=eq&v=" + ids[5]: 1, "&f=price&o=type&v=number": 50, "&f=price&o=neq&v=0&f=price&o=lt&v=2": 30,
	} {
		if got := len(rows(p.get(at + query))); got != want {
			t.Errorf("%s: %d rows, want %d", query, got, want)
		}
	}
	for query, words := range map[string]string{"&f=price&o=odd&v=1": "no condition", "&f=price&o=eq&v={": "is missing"} {
		if page := p.get(at + query); !strings.Contains(page, words) {
			t.Errorf("%s: %s", query, brief(page))
		}
	}
	if r := p.do(http.MethodGet, at+"&index=by_nothing", nil); r.StatusCode != http.StatusBadRequest {
		t.Errorf("an index that is not there: %d", r.StatusCode)
	}
	if r := p.do(http.MethodGet, at+"&after=%21", nil); r.StatusCode != http.StatusBadRequest {
		t.Errorf("a page that is not there: %d", r.StatusCode)
	}
	if page := p.get("/d/calm-wren-100/data?table=_environment_variables"); len(rows(page)) != 0 || !strings.Contains(page, "No table") {
		t.Errorf("a table of the house is shown: %s", brief(page))
	}
}

func TestDataIsWrittenWithinTheSchema(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.deployment(w.dev.Name)
	_, err := d.DB.Update(t.Context(), func(tx *database.Tx) error {
		return udf.SetActiveSchema(t.Context(), tx, []byte(`{"schemaValidation":true,"tables":[{"tableName":"bakers","indexes":[],"searchIndexes":[],"vectorIndexes":[],
			"documentType":{"type":"object","value":{"name":{"fieldType":{"type":"string"},"optional":false},"age":{"fieldType":{"type":"number"},"optional":true}}}}]}`))
	})
	must(t, err)
	id := w.insert(w.dev.Name, "bakers", `{"name":"Ida","age":40}`)[0]
	p := w.as(platform.Developer)
	at := "/d/calm-wren-100/data?table=bakers"
	if page := p.get(at); !strings.Contains(page, "age?") {
		t.Errorf("the schema is not shown: %s", brief(page))
	}
	p.refused(at+"&new=1", "add", "name", "value", `{name: 12}`)
	p.refused(at+"&new=1", "add", "Line 1, column 8", "value", `{name: }`)
	p.refused(at+"&new=1", "add", "set by the deployment", "value", `{name: 'x', _id: 'y'}`)
	p.refused(at+"&new=1", "add", "An object is expected", "value", `[1]`)
	if to := p.done(at+"&new=1", "add", "value", `{name: "Jo",}`); strings.Contains(to, "new") {
		t.Errorf("goes on to %s", to)
	}
	was := func(path string) string {
		m := regexp.MustCompile(`name="was" value="([0-9a-f]*)"`).FindStringSubmatch(p.get(path))
		if m == nil {
			t.Fatalf("%s has no form", path)
		}
		return m[1]
	}
	field := at + "&edit=" + id + "&field=age"
	before := was(field)
	if page := p.refused(field, "save", "age", "id", id, "field", "age", "was", before, "value", "'old'"); !strings.Contains(page, "&#39;old&#39;") || !strings.Contains(page, `id="data-rows-still"`) {
		t.Error("what was typed is lost")
	}
	p.done(field, "save", "id", id, "field", "age", "was", before, "value", "41")
	p.refused(field, "save", "meanwhile", "id", id, "field", "age", "was", before, "value", "42")
	p.done(field, "save", "id", id, "field", "age", "was", was(field), "value", "  ") // taken away
	whole := at + "&edit=" + id
	p.refused(whole, "save", "name", "id", id, "field", "", "was", was(whole), "value", "{age: 3}")
	p.done(whole, "save", "id", id, "field", "", "was", was(whole), "value", "{name: 'Ada'}")
	if page := p.get(at); !strings.Contains(page, "Ada") || strings.Contains(page, "Ida") {
		t.Errorf("after saving: %s", brief(page))
	}
	p.refused("/d/calm-wren-100/data?table=_storage", "add", "Choose a table", "value", "{}")
	p.refused("/d/calm-wren-100/data?table=none", "add", "no table", "value", "{}")
	p.refused(at, "doom", "Choose the documents")
	if r := p.post(at, "doom", "id", id); r.StatusCode != http.StatusOK || !strings.Contains(r.text, "Delete 1 document?") {
		t.Errorf("doom: %d %s", r.StatusCode, brief(r.text))
	}
	p.done(at, "delete", "id", id)
	p.refused(at, "delete", "not in the table", "id", id)
	p.refused(at, "clear", "Type bakers", "confirm", "baker")
	p.done(at, "clear", "confirm", "bakers")
	if page := p.get(at); len(rows(page)) != 0 {
		t.Errorf("not cleared: %s", brief(page))
	}
}

func TestDataIsLive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.insert(w.dev.Name, "notes", `{"text":"first"}`)
	w.insert(w.dev.Name, "others", `{"text":"x"}`)
	l := w.as(platform.Viewer).watch("/d/calm-wren-100/data?table=notes")
	l.until("swap", "first")
	w.insert(w.dev.Name, "notes", `{"text":"second <i>"}`)
	if got := l.until("swap", "second &lt;i&gt;"); strings.Contains(got, "project-cards") {
		t.Errorf("more than the rows was sent: %s", got)
	}
}

func TestProductionTakesAnAdministrator(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	developer, admin := w.as(platform.Developer), w.as(platform.Administrator)
	at := "/d/bold-hare-200/variables"
	if r := developer.post(at, "set", "name", "A", "value", "1"); r.StatusCode != http.StatusForbidden {
		t.Errorf("a developer in production: %d", r.StatusCode)
	}
	admin.done(at, "set", "name", "SECRET", "value", "hush <b>")
	admin.refused(at, "set", "1A", "name", "1A", "value", "x")
	admin.done(at, "paste", "text", "B=2\n# c\nC='3 4'\n")
	admin.refused(at, "paste", "NAME=value", "text", "nothing")
	admin.done(at, "delete", "name", "B")
	page := admin.get(at)
	if !strings.Contains(page, "SECRET") || strings.Contains(page, "hush") || strings.Contains(page, `id="var-B"`) {
		t.Errorf("variables: %s", brief(page))
	}
	if page := admin.get(at + "?reveal=SECRET"); !strings.Contains(page, "hush &lt;b&gt;") {
		t.Errorf("not revealed: %s", brief(page))
	}
	if page := developer.get("/d/bold-hare-200/history"); !strings.Contains(page, "SECRET set") || !strings.Contains(page, "B removed") || strings.Contains(page, "hush") {
		t.Errorf("history: %s", brief(page))
	}
	for _, p := range []*person{developer, w.as(platform.Viewer)} {
		for _, q := range []string{"?reveal=SECRET", "?edit=SECRET"} {
			if page := p.get(at + q); strings.Contains(page, "hush") {
				t.Error("a secret of production is shown to whoever may not change it")
			}
		}
	}
}

func TestStreamsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.as("")
	free := w.site.TakeStreams()
	if r := p.do(http.MethodGet, "/", nil, "Accept", "text/event-stream"); r.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("with all streams taken: %d", r.StatusCode)
	}
	free()
	p.watch("/").until("swap", "My project")
}

func TestSettingsKeysAndTheEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.as("")
	at := "/d/bold-hare-200/settings"
	p.refused(at, "key", "what it is for", "name", " ")
	r := p.post(at, "key", "name", "CI")
	i := strings.Index(r.text, "prod:bold-hare-200|")
	if r.StatusCode != http.StatusOK || i < 0 {
		t.Fatalf("key: %d %s", r.StatusCode, brief(r.text))
	}
	key := r.text[i : i+19+52]
	if ok, err := w.platform.CheckDeployKey(t.Context(), "bold-hare-200", key); err != nil || !ok {
		t.Errorf("the key %s does not open: %v", key, err)
	}
	if strings.Contains(p.get(at), key[:30]) {
		t.Error("the key is shown twice")
	}
	keys, err := w.platform.DeployKeys(t.Context(), "bold-hare-200")
	must(t, err)
	p.refused("/d/calm-wren-100/settings", "revoke", "no such", "id", keys[0].ID) // another deployment's
	p.done(at, "revoke", "id", keys[0].ID)
	p.refused(at, "expiry", "number of days", "days", "1000")
	p.refused(at, "expiry", "number of days", "days", "200000") // as a duration it would lie in the past
	p.done(at, "expiry", "days", "7")
	p.refused("/d/calm-wren-100/settings", "expiry", "does not end", "days", "7")
	p.refused(at, "stream", "webhook", "url", "ftp://x", "format", "json")
	if r := p.post(at, "stream", "url", "https://logs.example.com/x", "format", "json"); r.StatusCode != http.StatusOK || strings.Contains(p.get(at), "data-testid=\"fresh\"") {
		t.Errorf("stream: %d", r.StatusCode)
	}
	p.refused(at, "delete", "Type bold-hare-200", "confirm", "x")
	p.done(at, "delete", "confirm", "bold-hare-200")
	if r := p.do(http.MethodGet, at, nil); r.StatusCode != http.StatusNotFound {
		t.Errorf("after the end: %d", r.StatusCode)
	}
	p.refused("/d/calm-wren-100/settings", "delete", "started for", "confirm", "calm-wren-100")
}

func TestTextThatNobodyWouldSeeIsQuoted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.insert(w.dev.Name, "notes", `{"text":""}`, `{"text":"  "}`, `{"other":"plain"}`)
	page := html.UnescapeString(w.as("").get("/d/" + w.dev.Name + "/data?table=notes"))
	for _, want := range []string{`text: "". Edit`, `text: " ". Edit`, `text: not set. Edit`, `other: plain. Edit`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page is without %q", want)
		}
	}
}

func TestWhoeverIsLateSeesWhatIsThereAndMaySaveOverIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.insert(w.dev.Name, "notes", `{"text":"first"}`)[0]
	p := w.as("")
	for _, field := range []string{"text", ""} {
		at := "/d/" + w.dev.Name + "/data?table=notes&edit=" + id + "&field=" + field
		mine, theirs, seen := `'mine'`, `'theirs'`, `"theirs"`
		if field == "" {
			mine, theirs, seen = `{text: 'mine'}`, `{text: 'theirs'}`, `{ text: "theirs" }`
		}
		was := regexp.MustCompile(`name="was" value="([^"]*)"`)
		old := was.FindStringSubmatch(p.get(at))[1]
		p.done(at, "save", "id", id, "field", field, "was", old, "value", theirs)
		r := p.post(at, "save", "id", id, "field", field, "was", old, "value", mine)
		text := html.UnescapeString(r.text)
		if r.StatusCode != http.StatusConflict || !strings.Contains(text, mine) || !strings.Contains(text, `data-testid="now">`+seen) {
			t.Fatalf("%q, late: %d %s", field, r.StatusCode, brief(text))
		}
		p.done(at, "save", "id", id, "field", field, "was", was.FindStringSubmatch(r.text)[1], "value", mine)
		if page := p.get("/d/" + w.dev.Name + "/data?table=notes"); !strings.Contains(page, "text: mine. Edit") {
			t.Errorf("%q, saved over: %s", field, brief(page))
		}
	}
}

func TestRefusalsTellTheScriptWhichTheyAre(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := "/d/" + w.dev.Name + "/data?table=notes"
	p := w.as("")
	if r := p.do(http.MethodPost, at, url.Values{"do": {"add"}, "value": {"{}"}}); r.Header.Get("Lentil-Refused") != "StaleForm" {
		t.Errorf("without the session's secret: %d %q", r.StatusCode, r.Header.Get("Lentil-Refused"))
	}
	p.cookie = ""
	if r := p.do(http.MethodPost, at, url.Values{"do": {"add"}, "value": {"{}"}}); r.StatusCode != http.StatusUnauthorized || r.Header.Get("Lentil-Refused") != "SignInFirst" {
		t.Errorf("without a session: %d %q", r.StatusCode, r.Header.Get("Lentil-Refused"))
	}
}
