package authkit_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/authkit"
	"github.com/lentil-dev/lentil/lentiltest"
)

// site is an application with sign-in.
type site struct {
	*lentiltest.House
	kit *authkit.Kit
	URL string
}

func newSite(t testing.TB, o lentiltest.Options) *site {
	t.Helper()
	s := &site{House: lentiltest.Start(t, o)}
	mux := http.NewServeMux()
	var front http.Handler
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { front.ServeHTTP(w, r) }))
	t.Cleanup(srv.Close)
	s.URL = srv.URL
	s.AllowRedirect(t, s.URL+"/callback")
	var err error
	s.kit, err = authkit.New(authkit.Config{ClientID: s.ClientID, APIKey: s.APIKey, CookiePassword: strings.Repeat("p", 32), RedirectURI: s.URL + "/callback", APIURL: s.AuthKitURL})
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle("/sign-in", s.kit.SignIn())
	mux.Handle("/sign-up", s.kit.SignUp())
	mux.Handle("/callback", s.kit.Callback())
	mux.Handle("/sign-out", s.kit.SignOut("/"))
	mux.Handle("/switch", s.kit.SwitchHandler())
	show := func(w http.ResponseWriter, r *http.Request) {
		who := authkit.FromContext(r.Context())
		if who == nil {
			fmt.Fprint(w, "nobody")
			return
		}
		fmt.Fprintf(w, "%s in %q as %q", who.User.Email, who.OrganizationID, who.Role)
	}
	mux.HandleFunc("/{$}", show)
	mux.Handle("/account", s.kit.RequireUser(http.HandlerFunc(show)))
	front = s.kit.Middleware(mux)
	return s
}

func TestSignInAndOut(t *testing.T) {
	t.Parallel()
	s := newSite(t, lentiltest.Options{})
	ada := s.CreateUser(t, "ada@example.com")
	b := s.Browser(t)
	if p := b.Open(t, s.URL+"/"); p.Body != "nobody" {
		t.Errorf("at first: %s", p.Body)
	}
	// The protected page sends people to sign in and back, with its query.
	p := b.SignIn(t, s.URL+"/account?tab=2", ada)
	if p.URL.RequestURI() != "/account?tab=2" || !strings.HasPrefix(p.Body, "ada@example.com") {
		t.Fatalf("after sign-in: %s %q", p.URL, p.Body)
	}
	// Another site cannot sign anybody out.
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/sign-out", nil)
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	res, err := b.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusForbidden {
		t.Errorf("sign-out from another site: %d", res.StatusCode)
	}
	if p := b.Open(t, s.URL+"/"); !strings.HasPrefix(p.Body, "ada") {
		t.Errorf("before sign-out: %s", p.Body)
	}
	if p := b.Open(t, s.URL+"/sign-out"); p.URL.String() != s.URL+"/" || p.Body != "nobody" {
		t.Errorf("after sign-out: %s %q", p.URL, p.Body)
	}
	// The identity service has forgotten the browser, too: it asks for the password again.
	if p := b.Open(t, s.URL+"/account"); !strings.HasPrefix(p.URL.String(), s.AuthKitURL) {
		t.Errorf("the protected page after sign-out is at %s", p.URL)
	}
}

func TestScriptsAreToldInsteadOfRedirected(t *testing.T) {
	t.Parallel()
	s := newSite(t, lentiltest.Options{})
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/account", nil)
	req.Header.Set("Accept", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var body struct{ Code string }
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil || res.StatusCode != http.StatusUnauthorized || body.Code != "unauthenticated" {
		t.Errorf("%d %+v, %v", res.StatusCode, body, err)
	}
}

func TestForeignCallbacksAreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, lentiltest.Options{})
	ada := s.CreateUser(t, "ada@example.com")
	// A sign-in that the attacker began in their own browser must not work in another.
	attacker := s.Browser(t)
	var callback string
	attacker.Client().CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), s.URL+"/callback") {
			callback = r.URL.String()
			return http.ErrUseLastResponse
		}
		return nil
	}
	p := attacker.Open(t, s.URL+"/sign-in")
	attacker.Submit(t, p, map[string]string{"email": ada.Email, "password": ada.Password})
	if callback == "" {
		t.Fatal("no callback")
	}
	victim := s.Browser(t)
	if p := victim.Open(t, callback); p.Status != http.StatusBadRequest || !strings.Contains(p.Body, "not begun in this browser") {
		t.Errorf("foreign callback: %d %s", p.Status, p.Body)
	}
	if p := victim.Open(t, s.URL+"/"); p.Body != "nobody" {
		t.Errorf("the victim is %s", p.Body)
	}
	for query, want := range map[string]string{"": "not begun", "?state=x&code=y": "not begun", "?error=access_denied&error_description=No": "access_denied"} {
		if p := victim.Open(t, s.URL+"/callback"+query); p.Status != http.StatusBadRequest || !strings.Contains(p.Body, want) {
			t.Errorf("%q: %d %s", query, p.Status, p.Body)
		}
	}
}

func TestNobodyIsSignedOutByParallelRenewals(t *testing.T) {
	t.Parallel()
	s := newSite(t, lentiltest.Options{AccessTokenLifetime: time.Second})
	b := s.Browser(t)
	b.SignIn(t, s.URL+"/account", s.CreateUser(t, "ada@example.com"))
	at, _ := url.Parse(s.URL)
	began := time.Now()
	rounds := 0
	for time.Since(began) < 4*time.Second {
		// All of a round send the same, older and older cookie, as tabs do that were opened together.
		cookies := b.Client().Jar.Cookies(at)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/account", nil)
				req.Header.Set("Accept", "text/html")
				for _, c := range cookies {
					req.AddCookie(c)
				}
				res, err := http.DefaultTransport.RoundTrip(req)
				if err != nil {
					t.Error(err)
					return
				}
				res.Body.Close()
				if res.StatusCode != http.StatusOK {
					t.Errorf("status %d with a session", res.StatusCode)
				}
				b.Client().Jar.SetCookies(at, res.Cookies())
			})
		}
		wg.Wait()
		rounds++
	}
	if p := b.Open(t, s.URL+"/account"); p.URL.Host != at.Host || !strings.HasPrefix(p.Body, "ada@example.com") {
		t.Errorf("after %d rounds: %s %s", rounds, p.URL, p.Body)
	}
}

func TestOrganizationsAndKeys(t *testing.T) {
	t.Parallel()
	s := newSite(t, lentiltest.Options{})
	ada := s.CreateUser(t, "ada@example.com")
	var acme, other struct{ ID string }
	s.API(t, "POST", "/organizations", map[string]any{"name": "Acme"}, &acme)
	s.API(t, "POST", "/organizations", map[string]any{"name": "Other"}, &other)
	s.API(t, "POST", "/user_management/organization_memberships", map[string]any{"user_id": ada.ID, "organization_id": acme.ID}, nil)
	b := s.Browser(t)
	b.SignIn(t, s.URL+"/account", ada)
	post := func(org, site string) (int, string) {
		t.Helper()
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/switch", strings.NewReader(url.Values{"organization_id": {org}, "return_to": {"/account"}}.Encode()))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Sec-Fetch-Site", site)
		res, err := b.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var body strings.Builder
		_ = res.Write(&body)
		return res.StatusCode, body.String()
	}
	if status, body := post(acme.ID, "same-origin"); status != http.StatusOK || !strings.Contains(body, fmt.Sprintf("ada@example.com in %q as %q", acme.ID, "member")) {
		t.Errorf("switch: %d %s", status, body)
	}
	if status, body := post(other.ID, "same-origin"); status != http.StatusForbidden {
		t.Errorf("somebody else's organization: %d %s", status, body)
	}
	if status, _ := post(acme.ID, "cross-site"); status != http.StatusForbidden {
		t.Errorf("from another site: %d", status)
	}

	var key struct{ Value string }
	s.API(t, "POST", "/organizations/"+acme.ID+"/api_keys", map[string]any{"name": "CI"}, &key)
	if k, err := s.kit.ValidateAPIKey(t.Context(), key.Value); err != nil || k == nil || k.Owner.ID != acme.ID || k.Name != "CI" {
		t.Errorf("key = %+v, %v", k, err)
	}
	for _, bad := range []string{"", "sk_nothing", key.Value + "x"} {
		if k, err := s.kit.ValidateAPIKey(t.Context(), bad); err != nil || k != nil {
			t.Errorf("%q = %+v, %v", bad, k, err)
		}
	}
}

func TestNewSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	env := map[string]string{
		"WORKOS_CLIENT_ID": "client_1", "WORKOS_API_KEY": "sk_test_1", "WORKOS_COOKIE_PASSWORD": strings.Repeat("p", 32),
		"NEXT_PUBLIC_WORKOS_REDIRECT_URI": "http://localhost:3000/callback", "WORKOS_API_HOSTNAME": "localhost", "WORKOS_API_PORT": "4100", "WORKOS_API_HTTPS": "false",
	}
	c := authkit.FromEnv(func(name string) string { return env[name] })
	if c.APIURL != "http://localhost:4100" {
		t.Errorf("API at %s", c.APIURL)
	}
	if _, err := authkit.New(c); err != nil {
		t.Fatal(err)
	}
	for variable, want := range map[string]string{"WORKOS_CLIENT_ID": "WORKOS_CLIENT_ID", "WORKOS_API_KEY": "WORKOS_API_KEY", "NEXT_PUBLIC_WORKOS_REDIRECT_URI": "RedirectURI", "WORKOS_COOKIE_PASSWORD": "WORKOS_COOKIE_PASSWORD"} {
		_, err := authkit.New(authkit.FromEnv(func(name string) string {
			if name == variable {
				return ""
			}
			return env[name]
		}))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("without %s: %v", variable, err)
		}
	}
	c.CookiePassword = "short"
	if _, err := authkit.New(c); err == nil || !strings.Contains(err.Error(), "needs 32") {
		t.Errorf("short password: %v", err)
	}
}
