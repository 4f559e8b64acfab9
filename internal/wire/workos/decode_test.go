package workos

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/authflow"
)

func TestDecodeAuthenticateTakesJSONAndForms(t *testing.T) {
	t.Parallel()
	want := &authenticateBody{GrantType: "authorization_code", ClientID: "client_1", Code: "01A", CodeVerifier: "v~+"}
	for _, c := range []struct{ name, kind, body string }{
		{"json", "application/json", `{"code":"01A","client_id":"client_1","grant_type":"authorization_code","code_verifier":"v~+","none":[1]}`},
		{"json with charset", "application/json; charset=utf-8", `{"code":"01A","client_id":"client_1","grant_type":"authorization_code","code_verifier":"v~+","client_secret":null}`},
		{"no type", "", `{"code":"01A","client_id":"client_1","grant_type":"authorization_code","code_verifier":"v~+"}`},
		{"form", "application/x-www-form-urlencoded;charset=utf-8", "grant_type=authorization_code&client_id=client_1&code=01A&code_verifier=v~%2B&x=1&x=2"},
		{"form without type", "", "grant_type=authorization_code&client_id=client_1&code=01A&code_verifier=v~%2B"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := decodeAuthenticate(c.kind, []byte(c.body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDecodeAuthenticateNamesTheFault(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, kind, body, says string }{
		{"nothing", "application/json", "", "no body"},
		{"no grant", "application/json", `{"client_id":"c"}`, "grant_type is missing"},
		{"no client", "application/json", `{"grant_type":"g"}`, "client_id is missing"},
		{"number", "application/json", `{"grant_type":"g","client_id":"c","code":123456}`, "code must be a string, not a number"},
		{"array", "application/json", `[1]`, "JSON"},
		{"broken", "application/json", `{"grant_type":`, "JSON"},
		{"repeated", "application/x-www-form-urlencoded", "grant_type=a&grant_type=b&client_id=c", "grant_type is given more than once"},
		{"broken form", "application/x-www-form-urlencoded", "grant_type=%zz", "cannot be decoded"},
		{"multipart", "multipart/form-data; boundary=x", "--x--", "multipart/form-data"},
		{"broken type", "text/", "{}", "Content-Type"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := decodeAuthenticate(c.kind, []byte(c.body))
			e, ok := apierr.As(err)
			if !ok || e.Code != "invalid_request" || !strings.Contains(e.Message, c.says) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestDecodeAuthorizeKeepsStateAsItIs(t *testing.T) {
	t.Parallel()
	state := "Fe26.2*1*a~b+c/d==&x%20y é*~2" + strings.Repeat("s", 5000)
	q, err := decodeAuthorize("client_id=c&redirect_uri=u&response_type=code&provider=authkit&state=" + url.QueryEscape(state))
	if err != nil || q.State != state || !q.HasState || q.Provider != "authkit" {
		t.Errorf("%v %+v", err, q)
	}
	for query, code := range map[string]string{
		"":                                  "missing_client_id",
		"client_id=c":                       "missing_redirect_uri",
		"client_id=c&client_id=d":           "repeated_parameter",
		"client_id=%zz":                     "malformed_request",
		"state=" + strings.Repeat("a", 2e4): "request_too_long",
		strings.Repeat("a", 4e4):            "request_too_long",
	} {
		_, err := decodeAuthorize(query)
		if e, ok := apierr.As(err); !ok || e.Code != code {
			t.Errorf("%.30s: %v, want %s", query, err, code)
		}
	}
}

func TestFetchedTellsScriptFromNavigation(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		headers []string
		want    bool
	}{
		{"navigation", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Site", "cross-site"}, false},
		{"curl", nil, false},
		{"node's fetch", []string{"Sec-Fetch-Mode", "cors"}, false},
		{"page's fetch", []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Site", "cross-site"}, true},
		{"old browser's fetch", []string{"Origin", "null"}, true},
		{"next link", []string{"RSC", "1"}, true},
	} {
		r := httptest.NewRequest("GET", "/user_management/authorize", nil)
		for i := 0; i+1 < len(c.headers); i += 2 {
			r.Header.Set(c.headers[i], c.headers[i+1])
		}
		if got := fetched(r); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestSharedDomain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		api, app, domain string
		same             bool
	}{
		{"localhost", "localhost", "", true},
		{"127.0.0.1", "127.0.0.1", "", true},
		{"127.0.0.1", "10.0.0.1", "", false},
		{"localhost", "127.0.0.1", "", false},
		{"auth.example.com", "app.example.com", "example.com", true},
		{"auth.example.com", "example.com", "example.com", true},
		{"a.b.example.com", "c.b.example.com", "b.example.com", true},
		{"auth.example.com", "auth.example.org", "", false},
		{"example.com", "other.com", "", false},
		{"", "x", "", false},
	} {
		domain, same := sharedDomain(c.api, c.app)
		if domain != c.domain || same != c.same {
			t.Errorf("%s and %s: %q %v", c.api, c.app, domain, same)
		}
	}
}

func TestDialectShapes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		err    *apierr.Error
		status int
		body   string
	}{
		{"oauth", apierr.New(apierr.BadRequest, "invalid_grant", "Gone.").With(&authflow.Refusal{OAuth: true}), 400,
			`{"error":"invalid_grant","error_description":"Gone."}`},
		{"oauth is never 401", apierr.New(apierr.Unauthenticated, "invalid_client", "Who?").With(&authflow.Refusal{OAuth: true}), 400,
			`{"error":"invalid_client","error_description":"Who?"}`},
		{"plain", apierr.New(apierr.BadRequest, "invalid_credentials", "No.").With(&authflow.Refusal{}), 400,
			`{"code":"invalid_credentials","message":"No."}`},
		{"step-up", apierr.New(apierr.Forbidden, "email_verification_required", "Verify.").With(
			&authflow.Refusal{PendingAuthenticationToken: "t", Email: "a@b.c", EmailVerificationID: "email_verification_1"}), 403,
			`{"code":"email_verification_required","email":"a@b.c","email_verification_id":"email_verification_1","message":"Verify.","pending_authentication_token":"t"}`},
		{"errors", apierr.New(apierr.BadRequest, "user_creation_error", "No.").With([]map[string]string{{"code": "email_not_available"}}), 400,
			`{"code":"user_creation_error","errors":[{"code":"email_not_available"}],"message":"No."}`},
		{"busy", apierr.New(apierr.Overloaded, "busy", "Later."), 503, `{"code":"busy","message":"Later."}`},
		{"limited", apierr.New(apierr.RateLimited, "too_many_requests", "Later."), 429, `{"error":"too_many_requests","error_description":"Later."}`},
		{"duplicate uri", apierr.New(apierr.Conflict, "duplicate_redirect_uri", "X already exists."), 422, `{"code":"duplicate_redirect_uri","message":"X already exists."}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()
			dialect(w, httptest.NewRequest("POST", authenticatePath, nil), c.err)
			if w.Code != c.status || w.Body.String() != c.body {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if (c.status == 503 || c.status == 429) != (w.Header().Get("Retry-After") != "") {
				t.Error("Retry-After is wrong")
			}
		})
	}
}

// FuzzDecodeAuthenticate: any body is a body or a refusal in the endpoint's dialect.
func FuzzDecodeAuthenticate(f *testing.F) {
	f.Add("application/json", `{"code":"01A","client_id":"client_1","grant_type":"authorization_code"}`)
	f.Add("application/x-www-form-urlencoded", "grant_type=refresh_token&client_id=c")
	f.Add("", "{\"grant_type\":{}}")
	f.Add("text/plain; x", "\xff\x00")
	f.Fuzz(func(t *testing.T, kind, body string) {
		b, err := decodeAuthenticate(kind, []byte(body))
		if err == nil {
			if b.GrantType == "" || b.ClientID == "" {
				t.Fatal("incomplete")
			}
			return
		}
		if e, ok := apierr.As(err); !ok || e.Code != "invalid_request" || e.Kind != apierr.BadRequest {
			t.Fatal(err)
		}
	})
}

// FuzzDecodeAuthorize: any query is a request or a refusal that names its fault.
func FuzzDecodeAuthorize(f *testing.F) {
	f.Add("client_id=c&redirect_uri=http%3A%2F%2Flocalhost&response_type=code&state=%7B%7D")
	f.Add("client_id=%ff&redirect_uri=javascript:alert(1)&state")
	f.Add("client_id=a;b&&=")
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := decodeAuthorize(raw)
		if err != nil {
			if e, ok := apierr.As(err); !ok || e.Message == "" {
				t.Fatal(err)
			}
			return
		}
		v, _ := url.ParseQuery(raw)
		if q.State != v.Get("state") || q.ClientID == "" || q.RedirectURI == "" {
			t.Fatalf("%+v", q)
		}
	})
}

// FuzzCookies: whatever a browser sends as cookies, what is set in return is well
// formed and holds client ids only.
func FuzzCookies(f *testing.F) {
	f.Add("workos-has-session=client_1.client_2; lentil_refresh_x=y")
	f.Add("workos-has-session=\"client_1;\"; =; \x00")
	f.Add("workos-has-session=client_" + strings.Repeat("a.client_", 99))
	f.Fuzz(func(t *testing.T, cookie string) {
		r := httptest.NewRequest("POST", authenticatePath, nil)
		r.Header.Set("Cookie", cookie)
		r.Header.Set("Origin", "http://localhost:5173")
		refreshCookie(r, "client_9")
		ids := append(otherClients(r, "client_9"), "client_9")
		if len(ids) > maxHasSession {
			t.Fatalf("%d ids", len(ids))
		}
		w := httptest.NewRecorder()
		(&API{}).setHasSession(w, r, "", ids)
		set, err := http.ParseSetCookie(w.Header().Get("Set-Cookie"))
		if err != nil || set.Value != strings.Join(ids, ".") || !utf8.ValidString(set.Value) {
			t.Fatalf("%v %q", err, w.Header().Get("Set-Cookie"))
		}
	})
}
