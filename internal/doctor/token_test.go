package doctor

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/lentil-dev/lentil/internal/token"
)

func TestTokenEndsInOneSentence(t *testing.T) {
	t.Parallel()
	key, err := token.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	signer, err := token.NewSigner("k", key)
	if err != nil {
		t.Fatal(err)
	}
	set, err := token.NewLocalKeySet(signer.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	sign := func(claims map[string]any) string {
		out, err := signer.Sign(claims)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	k := open(t, &txtar.Archive{Comment: []byte("vite house")})
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/sso/jwks/"+client {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Write(set.JWKS())
	}))
	defer keys.Close()
	k.house.facts.AuthKitURL = keys.URL
	p, err := Look(t.Context(), k.opts)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Unix()
	named := "https://api.workos.com/user_management/" + client
	for _, c := range []struct {
		name     string
		claims   map[string]any
		accepted bool
		sentence string
	}{
		{"good", map[string]any{"iss": named, "sub": "user_1", "exp": now + 300}, true, "The deployment happy-otter-1 accepts this token; functions see the user " + named + "|user_1."},
		{"missing aud", map[string]any{"iss": "https://api.workos.com", "sub": "user_1", "exp": now + 300}, false, "The deployment happy-otter-1 refuses this token. The token has no claim `aud`"},
		{"expired", map[string]any{"iss": named, "sub": "user_1", "exp": now - 300}, false, "expired 5m"},
		{"other client", map[string]any{"iss": named[:len(named)-1] + "Z", "sub": "user_1", "exp": now + 300}, false, "use different WorkOS environments"},
	} {
		t.Run(c.name, func(t *testing.T) {
			jwt := sign(c.claims)
			d, err := p.Token(t.Context(), " Bearer "+jwt+"\n")
			if err != nil {
				t.Fatal(err)
			}
			if d.Accepted != c.accepted || !strings.Contains(d.Sentence, c.sentence) || (d.Fix == "") != c.accepted {
				t.Errorf("%v: %s", d.Accepted, d.Sentence)
			}
			var b strings.Builder
			d.Print(&b, time.Now(), func(_, s string) string { return s })
			j, _ := json.Marshal(d)
			if signature := jwt[strings.LastIndexByte(jwt, '.')+1:]; strings.Contains(b.String()+string(j), signature[:20]) {
				t.Error("the signature is shown")
			}
			if alive := strings.Contains(b.String(), "whoever has it is its user"); alive != (c.claims["exp"].(int64) > now) {
				t.Errorf("the warning about a living token: %v", alive)
			}
			if !strings.Contains(b.String(), "exp") || !strings.Contains(b.String(), "UTC, ") {
				t.Errorf("times are not told:\n%s", b.String())
			}
		})
	}
	if _, err := p.Token(t.Context(), "user_01ABC"); err == nil || !strings.Contains(err.Error(), "three base64-encoded parts") {
		t.Errorf("%v", err)
	}
	// Without a house the file says whom to trust.
	p, err = Look(t.Context(), Options{Dir: k.dir})
	if err != nil {
		t.Fatal(err)
	}
	d, err := p.Token(t.Context(), sign(map[string]any{"iss": "https://id.example.com", "sub": "u", "exp": now + 300}))
	if err != nil || d.Accepted || !strings.Contains(d.Sentence, "expected https://api.workos.com/ and "+named) {
		t.Errorf("%+v %v", d, err)
	}
}
