package token_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/token"
)

// keys are made once; generating RSA keys is slow.
var keys = sync.OnceValue(func() (k struct {
	rsa, other *rsa.PrivateKey
	ec         *ecdsa.PrivateKey
	ed         ed25519.PrivateKey
}) {
	var err error
	must := func(e error) {
		if e != nil {
			panic(e)
		}
	}
	k.rsa, err = token.GenerateKey()
	must(err)
	k.other, err = token.GenerateKey()
	must(err)
	k.ec, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	_, k.ed, err = ed25519.GenerateKey(rand.Reader)
	must(err)
	return k
})

// signWith signs claims with any algorithm through the JOSE library, so that
// our verifier is tested against another signer.
func signWith(t *testing.T, alg jose.SignatureAlgorithm, key any, kid string, claims any) string {
	t.Helper()
	opts := (&jose.SignerOptions{}).WithType("JWT")
	if kid != "" {
		opts = opts.WithHeader("kid", kid)
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, opts)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := s.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	out, err := sig.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// claims are those of a good token of the imitated service, with changes.
func claims(changes map[string]any) map[string]any {
	now := time.Now().Unix()
	m := map[string]any{
		"iss": "https://api.workos.com/user_management/client_1", "sub": "user_1", "sid": "session_1",
		"jti": "01J", "iat": now, "exp": now + 300,
	}
	maps.Copy(m, changes)
	maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
	return m
}

// keySet is a JWKS of the test keys.
func keySet(t *testing.T) *token.LocalKeySet {
	t.Helper()
	k := keys()
	s, err := token.NewLocalKeySet(
		token.PublicKey{ID: "rsa", Algorithm: token.AlgRS256, Key: &k.rsa.PublicKey},
		token.PublicKey{ID: "ec", Algorithm: token.AlgES256, Key: &k.ec.PublicKey},
		token.PublicKey{ID: "ed", Key: k.ed.Public()},
	)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// dataJWKS puts the set into a data: URL.
func dataJWKS(t *testing.T) string {
	return "data:text/plain;charset=utf-8;base64," + base64.StdEncoding.EncodeToString(keySet(t).JWKS())
}

// providers parses a config as a push would.
func providers(t *testing.T, entries ...string) []token.Provider {
	t.Helper()
	p, err := token.ParseProviders([]byte(`{"providers":[` + strings.Join(entries, ",") + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// custom is a customJwt entry.
func custom(issuer, jwks, alg, app string) string {
	if app != "" {
		app = `,"applicationID":"` + app + `"`
	}
	return fmt.Sprintf(`{"type":"customJwt","issuer":%q,"jwks":%q,"algorithm":%q%s}`, issuer, jwks, alg, app)
}

func TestVerifierRejects(t *testing.T) {
	t.Parallel()
	k := keys()
	data := dataJWKS(t)
	seed := providers(t,
		custom("https://api.workos.com/", data, "RS256", "client_1"),
		custom("https://api.workos.com/user_management/client_1", data, "RS256", ""))
	rs := func(changes map[string]any) string { return signWith(t, jose.RS256, k.rsa, "rsa", claims(changes)) }
	good := rs(nil)
	now := time.Now().Unix()
	b64 := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	none := b64(`{"alg":"none","kid":"rsa"}`) + "." + strings.Split(good, ".")[1] + "."
	pub := keySet(t).JWKS()
	tests := []struct {
		name, jwt, code string
		want            []string
	}{
		{"no JWT at all", "hello", "InvalidAuthHeader", []string{"three base64-encoded parts"}},
		{"empty", "", "InvalidAuthHeader", []string{"three base64-encoded parts"}},
		{"four parts", good + ".x", "InvalidAuthHeader", []string{"three base64-encoded parts"}},
		{"bad base64", "a!.b.c", "InvalidAuthHeader", []string{"three base64-encoded parts"}},
		{"oversized", good + strings.Repeat("A", 40<<10), "InvalidAuthHeader", []string{"longer"}},
		{"no iss", rs(map[string]any{"iss": nil}), "InvalidAuthHeader", []string{"issuer", "iss"}},
		{"iss of another type", rs(map[string]any{"iss": 3}), "InvalidAuthHeader", []string{"iss"}},
		{"unknown issuer", rs(map[string]any{"iss": "https://x.example.com"}), "NoAuthProvider",
			[]string{"configured providers", "CustomJWT(issuer=https://api.workos.com/, app_id=client_1)", "app_id=none"}},
		{"issuer in other case", rs(map[string]any{"iss": "https://API.workos.com/user_management/client_1"}), "NoAuthProvider", nil},
		{"audience missing", rs(map[string]any{"iss": "https://api.workos.com"}), "NoAuthProvider", nil},
		{"audience wrong", rs(map[string]any{"iss": "https://api.workos.com", "aud": []string{"client_2"}}), "NoAuthProvider", nil},
		{"audience of another type", rs(map[string]any{"aud": map[string]any{}}), "InvalidAuthHeader", []string{"aud"}},
		{"kid missing", signWith(t, jose.RS256, k.rsa, "", claims(nil)), "InvalidAuthHeader", []string{"missing a 'kid'"}},
		{"kid unknown", signWith(t, jose.RS256, k.rsa, "nope", claims(nil)), "InvalidAuthHeader", []string{"Could not decode token", "nope"}},
		{"signed by another key", signWith(t, jose.RS256, k.other, "rsa", claims(nil)), "InvalidAuthHeader", []string{"signature"}},
		{"signature cut off", good[:strings.LastIndexByte(good, '.')+1], "InvalidAuthHeader", []string{"Could not decode token"}},
		{"alg none", none, "InvalidAuthHeader", []string{"none"}},
		{"HMAC with the public key", signWith(t, jose.HS256, pub, "rsa", claims(nil)), "InvalidAuthHeader", []string{"HS256"}},
		{"RS512 of the right key", signWith(t, jose.RS512, k.rsa, "rsa", claims(nil)), "InvalidAuthHeader", []string{"RS512"}},
		{"ES256 key named by an RS256 token", signWith(t, jose.RS256, k.rsa, "ec", claims(nil)), "InvalidAuthHeader", []string{"ES256"}},
		{"expired", rs(map[string]any{"exp": now - 7}), "InvalidAuthHeader", []string{"Token expired", "seconds ago"}},
		{"exp missing", rs(map[string]any{"exp": nil}), "InvalidAuthHeader", []string{"exp"}},
		{"exp of another type", rs(map[string]any{"exp": "tomorrow"}), "InvalidAuthHeader", []string{"exp"}},
		{"not yet valid", rs(map[string]any{"nbf": now + 3600}), "InvalidAuthHeader", []string{"will be valid in"}},
		{"issued in the future", rs(map[string]any{"iat": now + 3600}), "InvalidAuthHeader", []string{"will be valid in"}},
		{"sub missing", rs(map[string]any{"sub": nil}), "InvalidAuthHeader", []string{"sub"}},
		{"critical extension", b64(`{"alg":"RS256","kid":"rsa","crit":["x"]}`) + "." + strings.Split(good, ".")[1] + ".AA", "InvalidAuthHeader", []string{"critical"}},
		{"header member twice", b64(`{"alg":"none","alg":"RS256","kid":"rsa"}`) + "." + strings.Split(good, ".")[1] + ".AA", "InvalidAuthHeader", []string{"twice"}},
		{"claim twice", b64(`{"alg":"RS256"}`) + "." + b64(`{"iss":"a","iss":"b"}`) + ".AA", "InvalidAuthHeader", []string{"twice"}},
		{"embedded key", embedded(t), "InvalidAuthHeader", []string{"signature"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := new(token.Verifier).Verify(context.Background(), seed, tt.jwt)
			e, ok := apierr.As(err)
			if !ok || e.Code != tt.code || e.Kind != apierr.Unauthenticated {
				t.Fatalf("error = %v, want %s", err, tt.code)
			}
			for _, w := range tt.want {
				if !strings.Contains(e.Message, w) {
					t.Errorf("message %q lacks %q", e.Message, w)
				}
			}
		})
	}
}

// embedded is a token signed by a stranger's key that it carries along.
func embedded(t *testing.T) string {
	t.Helper()
	k := keys()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: k.other},
		(&jose.SignerOptions{EmbedJWK: true}).WithHeader("kid", "rsa"))
	if err != nil {
		t.Fatal(err)
	}
	b, _ := json.Marshal(claims(nil))
	sig, err := s.Sign(b)
	if err != nil {
		t.Fatal(err)
	}
	out, _ := sig.CompactSerialize()
	return out
}

func TestVerifierAccepts(t *testing.T) {
	t.Parallel()
	k := keys()
	data := dataJWKS(t)
	now := time.Now().Unix()
	signer, err := token.NewSigner("rsa", k.rsa)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := signer.Sign(claims(map[string]any{
		"org_id": "org_1", "role": "admin", "permissions": []string{"a", "b"}, "email": "a@b.c", "given_name": "A",
		"act": map[string]any{"sub": "x", "deep": map[string]any{"er": 1}}, "empty": map[string]any{}, "nothing": nil, "fva": []int{1},
		"tokenIdentifier": "forged", "aud": []string{"client_1", "other"},
	}))
	if err != nil {
		t.Fatal(err)
	}
	iss := "https://api.workos.com/user_management/client_1"
	tests := []struct {
		name      string
		providers []string
		jwt       string
		want      string
	}{
		{"customJwt flattens and maps nothing", []string{custom(iss, data, "RS256", "")}, ours,
			`{"act.deep.er":1,"act.sub":"x","email":"a@b.c","given_name":"A","issuer":"` + iss + `","org_id":"org_1","permissions":["a","b"],"role":"admin","sid":"session_1","subject":"user_1","tokenIdentifier":"` + iss + `|user_1"}`},
		{"issuer without scheme and with slashes", []string{custom("https://issuer.example.com//", data, "ES256", "")},
			signWith(t, jose.ES256, k.ec, "ec", map[string]any{"iss": "issuer.example.com/", "sub": "s", "exp": now + 3600}),
			`{"issuer":"issuer.example.com/","subject":"s","tokenIdentifier":"issuer.example.com/|s"}`},
		{"audience as string, second entry", []string{custom("https://i.example.com", data, "RS256", "other"), custom("https://i.example.com", data, "RS256", "me")},
			signWith(t, jose.RS256, k.rsa, "rsa", map[string]any{"iss": "https://i.example.com", "aud": "me", "sub": "s", "exp": now + 3600}),
			`{"issuer":"https://i.example.com","subject":"s","tokenIdentifier":"https://i.example.com|s"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, err := new(token.Verifier).Verify(context.Background(), providers(t, tt.providers...), tt.jwt)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, string(c.Attributes)); d != "" {
				t.Errorf("identity (-want +got):\n%s", d)
			}
		})
	}
}

// TestVerifierTolerates has clocks that differ a little. Time is the bubble's: a busy
// machine may take longer than the few seconds that are tolerated.
func TestVerifierTolerates(t *testing.T) {
	t.Parallel()
	k := keys()
	synctest.Test(t, func(t *testing.T) {
		now := time.Now().Unix()
		list := providers(t, custom("http://localhost:4100", dataJWKS(t), "RS256", ""))
		jwt := signWith(t, jose.RS256, k.rsa, "rsa", map[string]any{"iss": "http://localhost:4100", "sub": "s", "exp": now - 2, "nbf": now + 3, "iat": float64(now) + 2.5})
		c, err := new(token.Verifier).Verify(t.Context(), list, jwt)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(`{"issuer":"http://localhost:4100","subject":"s","tokenIdentifier":"http://localhost:4100|s"}`, string(c.Attributes)); d != "" {
			t.Errorf("identity (-want +got):\n%s", d)
		}
	})
}

func TestVerifierOIDC(t *testing.T) {
	t.Parallel()
	k := keys()
	set := keySet(t)
	mux := http.NewServeMux()
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, srv.URL, srv.URL+"/keys")
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", token.JWKSContentType)
		w.Write(set.JWKS())
	})
	mux.HandleFunc("/broken/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "no", http.StatusInternalServerError)
	})
	p := providers(t, `{"domain":"`+srv.URL+`/","applicationID":"app"}`, `{"domain":"`+srv.URL+`/broken","applicationID":"app"}`)
	now := time.Now().Unix()
	base := func(changes map[string]any) map[string]any {
		m := claims(map[string]any{"iss": srv.URL, "aud": "app"})
		maps.Copy(m, changes)
		return m
	}
	v := &token.Verifier{Client: srv.Client()}
	got, err := v.Verify(context.Background(), p, signWith(t, jose.EdDSA, k.ed, "ed", base(map[string]any{
		"given_name": "Ada", "email_verified": true, "address": map[string]any{"formatted": "Street 1", "country": "X"},
		"updated_at": 1700000000, "custom": map[string]any{"x": 1}, "picture": "http://p", "sid": nil,
	})))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"address":"Street 1","custom":{"x":1},"emailVerified":true,"givenName":"Ada","issuer":"` + srv.URL +
		`","pictureUrl":"http://p","sid":null,"subject":"user_1","tokenIdentifier":"` + srv.URL + `|user_1","updatedAt":"2023-11-14T22:13:20Z"}`
	if d := cmp.Diff(want, string(got.Attributes)); d != "" {
		t.Errorf("identity (-want +got):\n%s", d)
	}
	for name, tt := range map[string]struct {
		jwt  string
		kind apierr.Kind
		code string
	}{
		"two audiences": {signWith(t, jose.RS256, k.rsa, "rsa", base(map[string]any{"aud": []string{"app", "b"}})), apierr.Unauthenticated, "Unauthenticated"},
		"no tolerance":  {signWith(t, jose.RS256, k.rsa, "rsa", base(map[string]any{"exp": now - 2})), apierr.Unauthenticated, "InvalidAuthHeader"},
		"ES256":         {signWith(t, jose.ES256, k.ec, "ec", base(nil)), apierr.Unauthenticated, "InvalidAuthHeader"},
		"discovery answers 500": {signWith(t, jose.RS256, k.rsa, "rsa", base(map[string]any{"iss": srv.URL + "/broken"})),
			apierr.Unavailable, "AuthProviderDiscoveryFailed"},
	} {
		_, err := v.Verify(context.Background(), p, tt.jwt)
		if e, ok := apierr.As(err); !ok || e.Code != tt.code || e.Kind != tt.kind {
			t.Errorf("%s: error = %v", name, err)
		}
	}
}

// houseSet is a key set that counts its use.
type houseSet struct{ *token.LocalKeySet }

func TestVerifierResolvesTheHousesKeysInProcess(t *testing.T) {
	t.Parallel()
	k := keys()
	url := "https://api.workos.com/sso/jwks/client_1"
	v := &token.Verifier{House: func(u string) token.KeySet {
		if u == url {
			return houseSet{keySet(t)}
		}
		return nil
	}}
	p := providers(t, custom("https://api.workos.com/user_management/client_1", url, "RS256", ""))
	if _, err := v.Verify(context.Background(), p, signWith(t, jose.RS256, k.rsa, "rsa", claims(nil))); err != nil {
		t.Fatal(err)
	}
	var ks token.KeySet = keySet(t)
	if _, err := ks.Key(context.Background(), "other"); err == nil {
		t.Error("an unknown key was found")
	}
	var _ crypto.PublicKey = k.rsa.PublicKey
}

func TestVerifierRemembersOnlyWhatStaysTrue(t *testing.T) {
	t.Parallel()
	k := keys()
	url := "https://api.workos.com/sso/jwks/client_1"
	set := keySet(t)
	v := &token.Verifier{House: func(string) token.KeySet { return set }}
	p := providers(t, custom("https://api.workos.com/user_management/client_1", url, "RS256", ""))
	ctx := context.Background()
	jwt := signWith(t, jose.RS256, k.rsa, "rsa", claims(nil))
	first, err := v.Verify(ctx, p, jwt)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := v.Verify(ctx, p, jwt); err != nil || again != first {
		t.Fatalf("not remembered: %v", err)
	}
	if _, err := v.Verify(ctx, nil, jwt); apierr.KindOf(err) != apierr.Unauthenticated {
		t.Errorf("without providers: %v", err)
	}
	if _, err := v.Verify(ctx, providers(t, custom("https://api.workos.com/user_management/client_1", url, "ES256", "")), jwt); err == nil {
		t.Error("accepted under another algorithm")
	}
	if set, err = token.NewLocalKeySet(token.PublicKey{ID: "rsa", Algorithm: token.AlgRS256, Key: &k.other.PublicKey}); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(ctx, p, jwt); err == nil {
		t.Error("accepted although the key was replaced")
	}
	if set, err = token.NewLocalKeySet(); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(ctx, p, jwt); err == nil {
		t.Error("accepted although the key was withdrawn")
	}
}

func TestVerifierForgetsWhatExpires(t *testing.T) {
	t.Parallel()
	k := keys()
	data := dataJWKS(t)
	synctest.Test(t, func(t *testing.T) {
		p := providers(t, custom("https://api.workos.com/user_management/client_1", data, "RS256", ""))
		v := &token.Verifier{}
		jwt := signWith(t, jose.RS256, k.rsa, "rsa", claims(nil))
		for range 2 {
			if _, err := v.Verify(context.Background(), p, jwt); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(306 * time.Second)
		if _, err := v.Verify(context.Background(), p, jwt); err == nil || !strings.Contains(err.Error(), "Token expired") {
			t.Errorf("after its end: %v", err)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	k := keys()
	set, err := token.NewLocalKeySet(token.PublicKey{ID: "rsa", Algorithm: token.AlgRS256, Key: &k.rsa.PublicKey})
	if err != nil {
		b.Fatal(err)
	}
	v := &token.Verifier{House: func(string) token.KeySet { return set }}
	p, _ := token.ParseProviders([]byte(`{"providers":[` + custom("https://api.workos.com/user_management/client_1", "https://x.com", "RS256", "") + `]}`))
	s, _ := token.NewSigner("rsa", k.rsa)
	jwt, _ := s.Sign(claims(nil))
	for b.Loop() {
		if _, err := v.Verify(b.Context(), p, jwt); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSign(b *testing.B) {
	s, err := token.NewSigner("rsa", keys().rsa)
	if err != nil {
		b.Fatal(err)
	}
	c := claims(nil)
	for b.Loop() {
		if _, err := s.Sign(c); err != nil {
			b.Fatal(err)
		}
	}
}
