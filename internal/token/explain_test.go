package token_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/lentil-dev/lentil/internal/diagnosis"
	"github.com/lentil-dev/lentil/internal/token"
)

// TestExplainNamesTheCause breaks a project in each way that the guide's
// troubleshooting table knows, and some more.
func TestExplainNamesTheCause(t *testing.T) {
	t.Parallel()
	k := keys()
	data := dataJWKS(t)
	shared := custom("https://api.workos.com/", data, "RS256", "client_1")
	named := custom("https://api.workos.com/user_management/client_1", data, "RS256", "")
	rs := func(changes map[string]any) string { return signWith(t, jose.RS256, k.rsa, "rsa", claims(changes)) }
	now := time.Now()
	for _, c := range []struct {
		name      string
		providers []string
		jwt       string
		cause     string
		said      []string // must be in Said
		fix       string
	}{
		{"nothing pushed", nil, rs(nil), "no-auth-config", []string{"trusts nobody"}, "auth.config.ts"},
		{"second provider missing", []string{shared}, rs(nil), "second-provider",
			[]string{"user_management/client_1", "trusts https://api.workos.com/ only"}, "user_management/${clientId}"},
		{"first provider missing", []string{named}, rs(map[string]any{"iss": "https://api.workos.com"}), "first-provider",
			[]string{"trusts https://api.workos.com/user_management/client_1 only"}, "applicationID: clientId"},
		{"other environment", []string{shared, named}, rs(map[string]any{"iss": "https://api.workos.com/user_management/client_2"}), "other-client",
			[]string{"client_2", "client_1"}, "WORKOS_CLIENT_ID client_2"},
		{"wrong issuer", []string{shared, named}, rs(map[string]any{"iss": "https://auth.example.com"}), "wrong-issuer",
			[]string{"got https://auth.example.com", "expected https://api.workos.com/ and https://api.workos.com/user_management/client_1"}, "issuer"},
		{"missing aud", []string{shared, named}, rs(map[string]any{"iss": "https://api.workos.com"}), "missing-aud",
			[]string{"no claim `aud`", "client_1"}, `{"aud": "client_1"}`},
		{"wrong aud", []string{shared, named}, rs(map[string]any{"iss": "https://api.workos.com", "aud": "client_2"}), "wrong-aud",
			[]string{"got client_2, expected client_1"}, "WORKOS_CLIENT_ID"},
		{"expired", []string{named}, rs(map[string]any{"iat": now.Unix() - 3900, "exp": now.Unix() - 3600}), "token-expired", []string{"expired 1h"}, "getAccessToken"},
		{"clock", []string{named}, rs(map[string]any{"nbf": now.Unix() + 3600}), "token-from-the-future", []string{"nbf"}, "ntp"},
		{"unknown key", []string{named}, signWith(t, jose.RS256, k.rsa, "gone", claims(nil)), "unknown-key", []string{"gone"}, "jwks"},
		{"algorithm", []string{named}, signWith(t, jose.ES256, k.ec, "ec", claims(nil)), "wrong-algorithm", []string{"ES256", "RS256"}, "algorithm"},
		{"signature", []string{named}, signWith(t, jose.RS256, k.other, "rsa", claims(nil)), "wrong-signature", []string{"not signed by its key"}, "as it came"},
		{"no token", []string{named}, "user_01ABC", "token-unreadable", []string{"three base64-encoded parts"}, "access token"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			list := providers(t, c.providers...)
			_, err := (&token.Verifier{}).Verify(context.Background(), list, c.jwt)
			r, ok := token.Explain(list, c.jwt, err, time.Now())
			if !ok || r.Cause != c.cause || r.Why == "" || r.Kind != diagnosis.Token {
				t.Fatalf("%v: %+v (%v)", ok, r, err)
			}
			for _, part := range c.said {
				if !strings.Contains(r.Said, part) {
					t.Errorf("%q is not in %q", part, r.Said)
				}
			}
			if !strings.Contains(r.Fix, c.fix) {
				t.Errorf("%q is not in the fix %q", c.fix, r.Fix)
			}
		})
	}
}

func TestGateTellsTheLogOnceAndRemembers(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	ledger := &diagnosis.Ledger{}
	g := &token.Gate{
		Verifier: &token.Verifier{}, Refusals: ledger, Scope: "happy-otter-1", Log: slog.New(slog.NewTextHandler(&log, nil)),
		Providers: func(context.Context) ([]token.Provider, error) {
			return providers(t, custom("https://api.workos.com/", dataJWKS(t), "RS256", "client_1")), nil
		},
	}
	jwt := signWith(t, jose.RS256, keys().rsa, "rsa", claims(nil))
	for range 3 {
		r := httptest.NewRequest("POST", "/api/query", nil)
		r.Header.Set("Authorization", "Bearer "+jwt)
		if _, err := g.Request(r); err == nil {
			t.Fatal("the token was accepted")
		}
	}
	if n := strings.Count(log.String(), "the second provider is missing"); n != 1 {
		t.Errorf("the log says so %d times: %s", n, log.String())
	}
	if strings.Contains(log.String(), jwt[len(jwt)-20:]) {
		t.Error("the log holds the token")
	}
	if got := ledger.List("happy-otter-1"); len(got) != 1 || got[0].Times != 3 || got[0].Check != "second-provider" {
		t.Errorf("%+v", got)
	}
}

func TestExamineSaysWhyOfEachProvider(t *testing.T) {
	t.Parallel()
	data := dataJWKS(t)
	list := providers(t, custom("https://api.workos.com/", data, "RS256", "client_1"), custom("https://api.workos.com/user_management/client_1", data, "RS256", ""))
	v := &token.Verifier{}
	x, err := v.Examine(context.Background(), list, signWith(t, jose.RS256, keys().rsa, "rsa", claims(nil)), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if !x.Accepted || !x.Alive || x.Identity != "https://api.workos.com/user_management/client_1|user_1" || len(x.Judgements) != 2 {
		t.Fatalf("%+v", x)
	}
	if j := x.Judgements[0]; j.Chosen || j.Points[0].OK || j.Points[1].OK {
		t.Errorf("first: %+v", j)
	}
	if j := x.Judgements[1]; !j.Chosen || j.Points[len(j.Points)-1].What != "times" || !j.Points[len(j.Points)-1].OK {
		t.Errorf("second: %+v", j)
	}
	if x.Payload[0].Name != "iss" {
		t.Errorf("the issuer is not first: %+v", x.Payload)
	}
	x, err = v.Examine(context.Background(), list, signWith(t, jose.RS256, keys().rsa, "rsa", claims(map[string]any{"iss": "https://api.workos.com"})), time.Now())
	if err != nil || x.Accepted || x.Refusal.Cause != "missing-aud" {
		t.Errorf("%+v, %v", x, err)
	}
	if _, err := v.Examine(context.Background(), list, "nonsense", time.Now()); err == nil {
		t.Error("nonsense was examined")
	}
}
