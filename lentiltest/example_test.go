package lentiltest_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/authkit"
	"github.com/lentil-dev/lentil/convex"
	"github.com/lentil-dev/lentil/lentiltest"
)

// A test of a web application: its pages, its functions and its users, with nothing
// imitated.
func Example() {
	test := func(t *testing.T) {
		house := lentiltest.Start(t, lentiltest.Options{Functions: "../convex"})
		ada := house.CreateUser(t, "ada@example.com")

		mux := http.NewServeMux()
		app := httptest.NewServer(mux)
		defer app.Close()
		house.AllowRedirect(t, app.URL+"/callback")
		kit, err := authkit.New(authkit.Config{
			ClientID: house.ClientID, APIKey: house.APIKey, APIURL: house.AuthKitURL,
			CookiePassword: strings.Repeat("x", 32), RedirectURI: app.URL + "/callback",
		})
		if err != nil {
			t.Fatal(err)
		}
		mux.Handle("/callback", kit.Callback())
		mux.Handle("/", kit.RequireUser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			who := authkit.FromContext(r.Context())
			client, err := convex.New(house.URL, convex.Options{Token: func(context.Context, bool) (string, error) { return who.AccessToken, nil }})
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			defer client.Close()
			if err := client.Mutate(r.Context(), "notes:add", map[string]any{"text": "hello"}, nil); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
		})))

		if page := house.Browser(t).SignIn(t, app.URL+"/", ada); page.Status != http.StatusOK {
			t.Errorf("status %d: %s", page.Status, page.Body)
		}
	}
	_ = test // go test runs it
}
