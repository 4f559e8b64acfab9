package token_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lentil-dev/lentil/internal/token"
)

// roundTripper answers fetches without a network, so that time can be faked.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answer makes a response.
func answer(status int, contentType, cacheControl string, body []byte) *http.Response {
	return &http.Response{StatusCode: status, Body: io.NopCloser(bytes.NewReader(body)),
		Header: http.Header{"Content-Type": {contentType}, "Cache-Control": {cacheControl}}}
}

func TestRemoteKeySetCachesAndRefetches(t *testing.T) {
	t.Parallel()
	jwks := keySet(t).JWKS()
	synctest.Test(t, func(t *testing.T) {
		fetches, cache, fail := 0, "max-age=60", false
		s := token.NewRemoteKeySet("https://keys.example.com/jwks", &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			fetches++
			if fail {
				return nil, errors.New("connection refused")
			}
			if r.Header.Get("Accept") != "application/json" {
				t.Error("Accept is", r.Header.Get("Accept"))
			}
			return answer(200, "application/json; charset=utf-8", cache, jwks), nil
		})})
		get := func(kid string, want error, fetched int) {
			t.Helper()
			if _, err := s.Key(context.Background(), kid); (want == nil) != (err == nil) || want != nil && !errors.Is(err, want) {
				t.Fatalf("Key(%s): %v", kid, err)
			}
			if fetches != fetched {
				t.Fatalf("%d fetches, want %d", fetches, fetched)
			}
		}
		get("rsa", nil, 1)
		get("ec", nil, 1)
		get("new", token.ErrNoKey, 1) // the set was fetched just now
		time.Sleep(11 * time.Second)
		get("new", token.ErrNoKey, 2) // an unknown id asks again …
		get("other", token.ErrNoKey, 2)
		time.Sleep(5 * time.Second)
		get("third", token.ErrNoKey, 2) // … but rarely
		time.Sleep(56 * time.Second)
		get("rsa", nil, 3) // max-age is over
		fail = true
		time.Sleep(61 * time.Second)
		get("rsa", nil, 4) // the source is down, the old set serves
		get("rsa", nil, 4) // and is not hammered
		time.Sleep(time.Hour)
		if _, err := s.Key(context.Background(), "rsa"); err == nil || !strings.Contains(err.Error(), "accessible") {
			t.Fatalf("long after: %v", err)
		}
		fail, cache = false, "no-store"
		time.Sleep(2 * time.Second)
		n := fetches
		get("rsa", nil, n+1)
		get("rsa", nil, n+2)
	})
}

func TestRemoteKeySetRefusesBadAnswers(t *testing.T) {
	t.Parallel()
	jwks := keySet(t).JWKS()
	for name, tt := range map[string]struct {
		res  *http.Response
		want []string
	}{
		"status":       {answer(404, "application/json", "", jwks), []string{"JWKS", "URL", "accessible", "404"}},
		"html":         {answer(200, "text/html", "", jwks), []string{"content type"}},
		"no type":      {answer(200, "", "", jwks), []string{"content type"}},
		"latin1":       {answer(200, "application/json; charset=latin1", "", jwks), []string{"content type"}},
		"not JSON":     {answer(200, "application/json", "", []byte("<html>")), []string{"Invalid JWKS response body", "not valid JSON"}},
		"no keys":      {answer(200, "application/json", "", []byte(`{"x":1}`)), []string{"Invalid JWKS response body", "keys"}},
		"far too much": {answer(200, "application/json", "", bytes.Repeat([]byte(" "), 2<<20)), []string{"larger"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := token.NewRemoteKeySet("https://keys.example.com/jwks", &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) { return tt.res, nil })})
			_, err := s.Key(context.Background(), "rsa")
			for _, w := range tt.want {
				if err == nil || !strings.Contains(err.Error(), w) {
					t.Errorf("error %v lacks %q", err, w)
				}
			}
		})
	}
}

func TestRemoteKeySetReadsDataURLs(t *testing.T) {
	t.Parallel()
	plain := "data:text/plain;charset=utf-8," + strings.ReplaceAll(string(keySet(t).JWKS()), "%", "%25")
	for _, u := range []string{plain, dataJWKS(t), "data:application/json,%7B%22keys%22%3A%5B%5D%7D"} {
		_, err := token.NewRemoteKeySet(u, nil).Key(context.Background(), "rsa")
		if strings.Contains(u, "rsa") && err != nil || err != nil && !errors.Is(err, token.ErrNoKey) {
			t.Errorf("%.40s: %v", u, err)
		}
	}
	for _, u := range []string{"data:", "data:x", "data:;base64,!!", "data:,%zz"} {
		if _, err := token.NewRemoteKeySet(u, nil).Key(context.Background(), "rsa"); err == nil || errors.Is(err, token.ErrNoKey) {
			t.Errorf("%s: %v", u, err)
		}
	}
}
