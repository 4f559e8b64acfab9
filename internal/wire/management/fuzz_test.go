package management

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/lentil-dev/lentil/internal/platform"
)

// placeholder is a part of a route's path that a caller chooses.
var placeholder = regexp.MustCompile(`\{\w+\}`)

// FuzzRequests sends anything to every route, as the owner: an answer is JSON, and
// never our own fault.
func FuzzRequests(f *testing.F) {
	for i := range routes {
		for _, b := range []string{
			``, `{}`, `[]`, `null`, `{"deploymentName":"x","teamSlug":"my-team","projectSlug":"my-project","deploymentType":"dev"}`,
			`{"projectSelection":{"kind":"teamAndProjectSlugs","teamSlug":"my-team","projectSlug":"my-project"},"identifier":"a","reuse":true,"previewName":"a","selectedDeploymentName":"x"}`,
			`{"projectSelection":{"kind":"deploymentName","deploymentName":"local-my_team-my_project"},"identifier":"é/../","expiresAt":-1}`,
			`{"changes":[{"name":"A","deploymentType":"dev","value":"1"},{"name":"A","deploymentType":"prod","value":null}]}`,
			`{"name":"x","expiresAt":9223372036854775807,"id":"x","teamId":1,"projectId":1,"clientId":"x","email":"a@b","deployKey":"prod:x|y"}`,
			`{"type":"preview","reference":"a/b","isDefault":true,"projectName":"p","environmentName":"e","environmentType":"production"}`,
		} {
			f.Add(i, "1", "reference=prod", b)
		}
	}
	h := open(f, nil)
	f.Fuzz(func(t *testing.T, i int, chosen, query, body string) {
		if i < 0 || chosen == "" || !utf8.ValidString(chosen) {
			return
		}
		r := routes[i%len(routes)]
		method := r.Method
		if method == "" {
			method = "POST"
		}
		path := placeholder.ReplaceAllString(r.Path, strings.ReplaceAll(url.PathEscape(chosen), "$", "%24"))
		u, err := url.Parse(path)
		if err != nil {
			return
		}
		u.RawQuery = url.QueryEscape(query)
		q := httptest.NewRequest(method, "/", strings.NewReader(body))
		q.URL, q.RequestURI = u, u.String()
		q.Header.Set("Authorization", "Bearer "+houseToken)
		w := httptest.NewRecorder()
		h.api.ServeHTTP(w, q)
		if w.Code == http.StatusInternalServerError {
			t.Errorf("%s %s: %s", method, u, w.Body)
		}
	})
}

// FuzzDeviceFlow sends any forms to the login: nobody is let in who was not confirmed.
func FuzzDeviceFlow(f *testing.F) {
	f.Add("client_id=cli", "client_id=cli&grant_type="+url.QueryEscape(deviceGrant)+"&device_code=x", "user_code=BCDF-GHJK&answer=yes")
	f.Add("", "%zz", "answer=no")
	h := open(f, nil)
	f.Fuzz(func(t *testing.T, begin, redeem, confirm string) {
		for path, form := range map[string]string{devicePath: begin, tokenPath: redeem, confirmPath: confirm} {
			r := httptest.NewRequest("POST", path, strings.NewReader(form))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			w := httptest.NewRecorder()
			h.api.ServeHTTP(w, r)
			if w.Code == http.StatusInternalServerError || strings.Contains(w.Body.String(), "access_token") {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
		}
	})
}

// FuzzUserCode: a code that people wrote in another way is still theirs, and no other is.
func FuzzUserCode(f *testing.F) {
	f.Add("bcdf-ghjk")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		all := devices{now: time.Now}
		_, d, err := all.begin("cli", "")
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := all.waiting(text); ok != (plainCode(text) == plainCode(d.userCode)) {
			t.Errorf("%q for %q: %v", text, d.userCode, ok)
		}
		if o := (&platform.Operator{Email: "a@b.c"}); o.OwnAddress(text) && !strings.HasSuffix(strings.ToLower(strings.TrimSpace(text)), "@b.c") {
			t.Errorf("%q is taken for an address of %s", text, o.Email)
		}
	})
}
