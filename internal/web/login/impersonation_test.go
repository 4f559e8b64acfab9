package login

import (
	"net/http"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/authflow"
)

func TestImpersonationPageSaysWhoAndWhy(t *testing.T) {
	t.Parallel()
	f := &script{begun: &authflow.Begun{Browser: "b", Step: &authflow.Done{RedirectTo: "https://app.example.com/login"}}}
	p := open(t, f)
	d := parse(t, do(p, "GET", "/impersonate?token=t", ""))
	said := d.text("[data-testid=impersonation]")
	if !strings.Contains(said, "ada@example.com") || !strings.Contains(said, "a <b>ticket</b>") || attr(d.one("input[name=token]"), "value") != "t" {
		t.Errorf("%q", said)
	}
	if f.followed != "impersonation t" {
		t.Errorf("looking did %q", f.followed)
	}
	res := do(p, "POST", "/impersonate", "token=t")
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "https://app.example.com/login" || f.followed != "impersonate t" {
		t.Errorf("%s to %s, %q", res.Status, res.Header.Get("Location"), f.followed)
	}
	if c := res.Header.Get("Set-Cookie"); !strings.HasPrefix(c, authflow.BrowserCookie+"=b;") {
		t.Errorf("cookie %q", c)
	}
	f.followed = ""
	if res := do(p, "POST", "/impersonate", "token=t", "Sec-Fetch-Site", "cross-site"); res.StatusCode != http.StatusForbidden || f.followed != "" {
		t.Errorf("another site's form: %s %q", res.Status, f.followed)
	}
}
