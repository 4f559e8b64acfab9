package token_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/token"
)

// gate is a deployment's gate with one provider.
func gate(t *testing.T) *token.Gate {
	t.Helper()
	p := providers(t, custom("https://api.workos.com/user_management/client_1", dataJWKS(t), "RS256", ""))
	return &token.Gate{
		Admin: token.NewAdminKeys("happy-otter-1", []byte("0123456789abcdef")), Verifier: &token.Verifier{},
		Providers: func(context.Context) ([]token.Provider, error) { return p, nil },
	}
}

func TestGateRequest(t *testing.T) {
	t.Parallel()
	g := gate(t)
	signer, err := token.NewSigner("rsa", keys().rsa)
	if err != nil {
		t.Fatal(err)
	}
	jwt, _ := signer.Sign(claims(nil))
	key := g.Admin.Key()
	acting := base64.StdEncoding.EncodeToString([]byte(`{"name":"bob","subject":"1","issuer":"https://convex.test"}`))
	id := `{"issuer":"https://convex.test","name":"bob","subject":"1","tokenIdentifier":"https://convex.test|1"}`
	tests := []struct {
		name, header, target string
		role                 token.Role
		identity, code       string
	}{
		{"nobody", "", "/", token.Anonymous, "null", ""},
		{"user", "Bearer " + jwt, "/", token.User, "", ""},
		{"user, scheme in other case", "bearer " + jwt, "/", token.User, "", ""},
		{"admin", "Convex " + key, "/", token.Admin, "null", ""},
		{"admin with type prefix", "convex dev:" + key, "/", token.Admin, "null", ""},
		{"admin with project prefix", "Convex project:team:proj|" + key, "/", token.Admin, "null", ""},
		{"admin by query", "", "/?adminKey=" + strings.ReplaceAll(key, "|", "%7C"), token.Admin, "null", ""},
		{"acting", "Convex " + key + ":" + acting, "/", token.Admin, id, ""},
		{"acting behind a prefix", "Convex prod:" + key + ":" + strings.TrimRight(acting, "="), "/", token.Admin, id, ""},
		{"acting as nobody in particular", "Convex " + key + ":" + base64.StdEncoding.EncodeToString([]byte(`{"name":"x"}`)), "/", 0, "", "InvalidIdentity"},
		{"acting not base64", "Convex " + key + ":***", "/", 0, "", "InvalidHeaderFailure"},
		{"short header", "abc", "/", 0, "", "InvalidHeaderFailure"},
		{"other scheme", "Basic Zm9vOmJhcg==", "/", 0, "", "InvalidAdminKey"},
		{"bearer without token", "Bearer ", "/", 0, "", "InvalidAuthHeader"},
		{"bad JWT", "Bearer hello", "/", 0, "", "InvalidAuthHeader"},
		{"wrong admin key", "Convex happy-otter-1|" + strings.Repeat("00", 33), "/", 0, "", "BadAdminKey"},
		{"other deployment", "Convex x" + key, "/", 0, "", "BadAdminKey"},
		{"key cut short", "Convex " + key[:len(key)-2], "/", 0, "", "BadAdminKey"},
		{"key not hex", "Convex happy-otter-1|zz", "/", 0, "", "BadAdminKey"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest("POST", tt.target, nil)
			if tt.header != "" {
				r.Header.Set("Authorization", tt.header)
			}
			c, err := g.Request(r)
			if tt.code != "" {
				if e, ok := apierr.As(err); !ok || e.Code != tt.code {
					t.Fatalf("error = %v, want %s", err, tt.code)
				}
				return
			}
			if err != nil || c.Role != tt.role {
				t.Fatalf("caller = %+v, %v", c, err)
			}
			if tt.identity != "" {
				if d := cmp.Diff(tt.identity, string(c.IdentityJSON())); d != "" {
					t.Error(d)
				}
			}
		})
	}
}

// TestGateRequestRightAfterTheEnd has a token that is over by less than the verifier
// tolerates, in the bubble's time: those seconds may be over before a busy machine asks.
func TestGateRequestRightAfterTheEnd(t *testing.T) {
	t.Parallel()
	g := gate(t)
	signer, err := token.NewSigner("rsa", keys().rsa)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		old, err := signer.Sign(claims(map[string]any{"exp": time.Now().Unix() - 2}))
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("POST", "/", nil)
		r.Header.Set("Authorization", "Bearer "+old)
		if _, err := g.Request(r); err == nil {
			t.Error("the request was taken")
		} else if e, ok := apierr.As(err); !ok || e.Code != "TokenExpired" {
			t.Errorf("error = %v", err)
		}
	})
}

func TestGateMessage(t *testing.T) {
	t.Parallel()
	g := gate(t)
	c, err := g.Message(context.Background(), "Admin", g.Admin.Key(), json.RawMessage(`{"tokenIdentifier":"t","x":{"y":1}}`))
	if err != nil || string(c.IdentityJSON()) != `{"tokenIdentifier":"t","x":{"y":1}}` || !c.IsAdmin() {
		t.Fatalf("acting = %+v, %v", c, err)
	}
	if c, err := g.Message(context.Background(), "None", "", nil); err != nil || c.Role != token.Anonymous {
		t.Fatalf("none = %+v, %v", c, err)
	}
	if _, err := g.Message(context.Background(), "Robot", "", nil); apierr.KindOf(err) != apierr.BadRequest {
		t.Fatalf("unknown type: %v", err)
	}
}

func TestCallerCacheKey(t *testing.T) {
	t.Parallel()
	claims := func(attrs string, exp int64) *token.Claims {
		return &token.Claims{Attributes: json.RawMessage(attrs), Expires: time.Unix(exp, 0)}
	}
	a := token.Caller{Role: token.User, Claims: claims(`{"subject":"a"}`, 10)}
	refreshed := token.Caller{Role: token.User, Claims: claims(`{"subject":"a"}`, 20)}
	if a.CacheKey() != refreshed.CacheKey() {
		t.Error("a refreshed token changes the key")
	}
	seen := map[string]bool{}
	for _, c := range []token.Caller{
		{}, {Role: token.Admin}, {Role: token.System}, a,
		{Role: token.User, Claims: claims(`{"subject":"b"}`, 10)},
		{Role: token.Admin, Acting: claims(`{"subject":"a"}`, 0)},
	} {
		if seen[c.CacheKey()] {
			t.Errorf("%+v shares a key", c)
		}
		seen[c.CacheKey()] = true
	}
	if !a.Expired(time.Unix(10, 0)) || a.Expired(time.Unix(9, 999)) {
		t.Error("an identity does not end exactly at exp")
	}
}

func TestSealer(t *testing.T) {
	t.Parallel()
	s := token.NewSealer([]byte("secret of sixteen bytes or more"))
	for _, text := range []string{"", "x", strings.Repeat("long", 5000)} {
		sealed := s.Seal("cursor", []byte(text))
		if sealed != s.Seal("cursor", []byte(text)) {
			t.Error("sealing is not deterministic")
		}
		if got, err := s.Open("cursor", sealed); err != nil || string(got) != text {
			t.Errorf("Open = %q, %v", got, err)
		}
		if _, err := s.Open("upload", sealed); err == nil {
			t.Error("opened for another purpose")
		}
		if _, err := token.NewSealer([]byte("another secret of any length")).Open("cursor", sealed); err == nil {
			t.Error("opened with another secret")
		}
		for i := range min(len(sealed), 60) {
			b := []byte(sealed)
			b[i] ^= 1
			if _, err := s.Open("cursor", string(b)); err == nil {
				t.Errorf("opened with byte %d changed", i)
			}
		}
	}
}

func FuzzSealedString(f *testing.F) {
	s := token.NewSealer([]byte("secret of sixteen bytes or more"))
	f.Add("", []byte("x"))
	f.Add(s.Seal("p", []byte("hello")), []byte("hello"))
	f.Fuzz(func(t *testing.T, text string, b []byte) {
		if got, err := s.Open("p", text); err == nil && s.Seal("p", got) != text {
			t.Fatalf("%q opens but is not what sealing gives", text)
		}
		if got, err := s.Open("p", s.Seal("p", b)); err != nil || string(got) != string(b) {
			t.Fatalf("round trip of %q: %q, %v", b, got, err)
		}
	})
}

func FuzzAuthorization(f *testing.F) {
	k := token.NewAdminKeys("d", []byte("0123456789abcdef"))
	for _, h := range []string{"", "abc", "Bearer x.y.z", "Convex " + k.Key(), "Convex prod:" + k.Key() + ":e30=", "Convex preview:a|b|c"} {
		f.Add(h)
	}
	g := &token.Gate{Admin: k, Verifier: &token.Verifier{}, Providers: func(context.Context) ([]token.Provider, error) { return nil, nil }}
	f.Fuzz(func(t *testing.T, header string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Authorization"] = []string{header}
		c, err := g.Request(r)
		if err != nil {
			if _, ok := apierr.As(err); !ok {
				t.Fatalf("an error of ours: %v", err)
			}
			return
		}
		if c.Role == token.Admin && !strings.Contains(header, k.Key()[2:]) && !strings.Contains(strings.ToLower(header), k.Key()[2:]) {
			t.Fatalf("%q is an admin", header)
		}
	})
}

func FuzzJWT(f *testing.F) {
	p, err := token.ParseProviders([]byte(`{"providers":[{"type":"customJwt","issuer":"https://i.example.com","jwks":"data:,{\"keys\":[]}","algorithm":"RS256"},{"domain":"http://127.0.0.1:1","applicationID":"a"}]}`))
	if err != nil {
		f.Fatal(err)
	}
	b64 := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	f.Add("a.b.c")
	f.Add(b64(`{"alg":"RS256","kid":"x"}`) + "." + b64(`{"iss":"https://i.example.com","sub":"s","exp":9999999999}`) + ".AA")
	f.Add(b64(`{"alg":"none"}`) + "." + b64(`{"iss":"i.example.com","aud":["a"]}`) + ".")
	v := &token.Verifier{}
	f.Fuzz(func(t *testing.T, jwt string) {
		_, err := v.Verify(context.Background(), p[:1], jwt)
		if err == nil {
			t.Fatalf("%q is accepted, and there is no key", jwt)
		}
		if _, ok := apierr.As(err); !ok {
			t.Fatalf("an error of ours: %v", err)
		}
	})
}
