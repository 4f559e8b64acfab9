package lentiltest_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/convex"
	"github.com/lentil-dev/lentil/lentiltest"
)

// app is a folder of functions that stand on a small library of their own, so that
// no package need be installed.
func app(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "app"))); err != nil {
		t.Fatal(err)
	}
	library, err := os.ReadFile(filepath.Join("..", "internal", "udf", "testdata", "app", "library.js"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "library.js"), library, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestAHouseWithFunctionsAndUsers(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	h := lentiltest.Start(t, lentiltest.Options{Functions: app(t), Variables: map[string]string{"GREETING": "hello"}})
	clients := map[string]*convex.Client{}
	for _, name := range []string{"ada", "bob"} {
		u := h.CreateUser(t, name+"@example.com")
		tokens := h.SignIn(t, u)
		c, err := convex.New(h.URL, convex.Options{Token: func(context.Context, bool) (string, error) { return tokens.AccessToken, nil }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		clients[name] = c
		if err := c.Mutate(ctx, "notes:add", map[string]any{"text": "by " + name}, nil); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range clients {
		var list []string
		if err := c.Query(ctx, "notes:mine", nil, &list); err != nil || len(list) != 1 || list[0] != "by "+name {
			t.Errorf("%s sees %q, %v", name, list, err)
		}
	}
	var greeting string
	if err := clients["ada"].Query(ctx, "notes:greeting", nil, &greeting); err != nil || greeting != "hello" {
		t.Errorf("greeting = %q, %v", greeting, err)
	}
	nobody, err := convex.New(h.URL, convex.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer nobody.Close()
	if err := nobody.Mutate(ctx, "notes:add", map[string]any{"text": "x"}, nil); err == nil || !strings.Contains(err.Error(), "sign in first") {
		t.Errorf("without a token: %v", err)
	}
}

func TestBrowserSignsUpWithTheCodeFromTheMail(t *testing.T) {
	t.Parallel()
	h := lentiltest.Start(t, lentiltest.Options{})
	var back *http.Request
	mux := http.NewServeMux()
	mux.HandleFunc("/callback", func(_ http.ResponseWriter, r *http.Request) { back = r })
	srv := newServer(t, mux)
	h.AllowRedirect(t, srv+"/callback")
	b := h.Browser(t)
	p := b.Open(t, h.AuthKitURL+"/user_management/authorize?response_type=code&provider=authkit&screen_hint=sign-up&state=xyz&client_id="+h.ClientID+"&redirect_uri="+srv+"/callback")
	p = b.Submit(t, p, map[string]string{"email": "new@example.com", "password": "a long enough passphrase"})
	mails := h.Mails(t, "new@example.com")
	if len(mails) != 1 || mails[0].Code == "" {
		t.Fatalf("mails = %+v; page %s", mails, p.URL)
	}
	p = b.Submit(t, p, map[string]string{"code": mails[0].Code})
	if back == nil || back.FormValue("code") == "" || back.FormValue("state") != "xyz" {
		t.Errorf("came back with %v, at %s", back, p.URL)
	}
}
