package authkit

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestAClockThatIsAheadRenewsOnceForARequest: by it every access token has expired when it
// comes. People stay signed in, and the identity service is not asked over and over.
func TestAClockThatIsAheadRenewsOnceForARequest(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/user_management/authenticate" {
			http.NotFound(w, r)
			return
		}
		claims := fmt.Sprintf(`{"sid":"session_1","exp":%d}`, time.Now().Add(5*time.Minute).Unix())
		_ = json.NewEncoder(w).Encode(map[string]any{
			"user": map[string]any{"id": "user_1", "email": "ada@example.com"}, "refresh_token": fmt.Sprintf("refresh %d", asked.Add(1)),
			"access_token": "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln",
		})
	}))
	t.Cleanup(service.Close)
	k, err := New(Config{ClientID: "client_1", APIKey: "sk_test_1", CookiePassword: strings.Repeat("p", 32), RedirectURI: "http://localhost:3000/callback", APIURL: service.URL})
	if err != nil {
		t.Fatal(err)
	}
	k.now = func() time.Time { return time.Now().Add(time.Hour) }
	cookie := httptest.NewRecorder()
	if err := k.save(cookie, &sealedSession{AccessToken: "e30.e30.c2ln", RefreshToken: "refresh 0"}); err != nil {
		t.Fatal(err)
	}
	jar := cookie.Result().Cookies()
	for request := int64(1); request <= 3; request++ {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		for _, c := range jar {
			r.AddCookie(c)
		}
		w := httptest.NewRecorder()
		var who *Session
		k.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { who = FromContext(r.Context()) })).ServeHTTP(w, r)
		if who == nil || who.User.Email != "ada@example.com" {
			t.Fatalf("request %d is from %+v", request, who)
		}
		if n := asked.Load(); n != request {
			t.Errorf("after %d requests the identity service was asked %d times", request, n)
		}
		jar = w.Result().Cookies()
	}
}
