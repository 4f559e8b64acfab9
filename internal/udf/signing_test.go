package udf

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/token"
)

// TestRunnerSignsVerifiableTokens: what a mutation signs passes the house's own
// verifier under a provider that names the deployment, and no other key's does.
func TestRunnerSignsVerifiableTokens(t *testing.T) {
	t.Parallel()
	h, stranger := newHouse(t), newHouse(t)
	functions := map[string]goFunction{"mutation m:sign": func(c *hostCalls, args string) (string, error) { return c.async("1.0/signJwt", args[1:len(args)-1]) }}
	h.push("1", functions)
	stranger.push("1", functions)
	h.CloudURL, stranger.CloudURL = "https://a.test", "https://a.test"
	sign := func(h *house, args string) string {
		t.Helper()
		out, err := h.Mutation(t.Context(), Request{Path: "m:sign", Args: []byte(args)})
		if err != nil {
			t.Fatal(err)
		}
		if out.Failure != nil {
			return out.Failure.Text
		}
		var jwt string
		if err := json.Unmarshal(out.Value, &jwt); err != nil {
			t.Fatal(err)
		}
		return jwt
	}
	v := &token.Verifier{House: func(url string) token.KeySet {
		if url == h.JWKSURL() {
			return h.Keys()
		}
		return nil
	}}
	providers := []token.Provider{{Type: token.TypeCustomJWT, Issuer: "https://a.test", JWKS: h.JWKSURL(), Algorithm: token.AlgES256}}
	const good = `{"claims":{"sub":"ada","level":3},"expiresInSeconds":30}`
	claims, err := v.Verify(t.Context(), providers, sign(h, good))
	if err != nil || claims.Subject != "ada" || claims.TokenIdentifier != "https://a.test|ada" || time.Until(claims.Expires) > 31*time.Second {
		t.Errorf("%+v, %v", claims, err)
	}
	if _, err := v.Verify(t.Context(), providers, sign(stranger, good)); err == nil {
		t.Error("a token of another deployment was taken")
	}
	if err := h.openSigning(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(t.Context(), providers, sign(h, good)); err != nil {
		t.Errorf("opened again: %v", err)
	}
	for args, want := range map[string]string{
		`{"expiresInSeconds":0}`: "from 1 to 3600", `{"expiresInSeconds":3601}`: "from 1 to 3600", `{}`: "from 1 to 3600",
		`{"claims":{"Convex_x":1},"expiresInSeconds":1}`:                                           "is reserved",
		fmt.Sprintf(`{"claims":{"x":%q},"expiresInSeconds":1}`, strings.Repeat("x", maxJWTClaims)): "too large",
	} {
		if got := sign(h, args); !strings.Contains(got, want) {
			t.Errorf("%.60s: %s", args, got)
		}
	}
}
