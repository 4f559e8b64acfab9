package authkit_test

import (
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/lentil-dev/lentil/authkit"
)

func Example() {
	kit, err := authkit.New(authkit.FromEnv(os.Getenv))
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/sign-in", kit.SignIn())
	mux.Handle("/sign-up", kit.SignUp())
	mux.Handle("/callback", kit.Callback())
	mux.Handle("/sign-out", kit.SignOut("/"))
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		if who := authkit.FromContext(r.Context()); who != nil {
			fmt.Fprintf(w, "Hello %s", who.User.FirstName)
			return
		}
		fmt.Fprint(w, `<a href="/sign-in">Sign in</a>`)
	})
	mux.Handle("/account", kit.RequireUser(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, authkit.FromContext(r.Context()).User.Email)
	})))
	log.Fatal(http.ListenAndServe("127.0.0.1:3000", kit.Middleware(mux)))
}

func ExampleNew() {
	_, err := authkit.New(authkit.Config{ClientID: "client_01", APIKey: "sk_test_1", CookiePassword: "too short", RedirectURI: "http://localhost:3000/callback"})
	fmt.Println(err)
	// Output: authkit: the cookie password has 9 characters and needs 32; make one with: openssl rand -base64 32
}

func ExampleKit_ValidateAPIKey() {
	kit, err := authkit.New(authkit.FromEnv(os.Getenv))
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/api/orders", func(w http.ResponseWriter, r *http.Request) {
		key, err := kit.ValidateAPIKey(r.Context(), r.Header.Get("X-Api-Key"))
		switch {
		case err != nil:
			http.Error(w, "try again", http.StatusServiceUnavailable)
		case key == nil:
			http.Error(w, "send a valid X-Api-Key", http.StatusUnauthorized)
		default:
			fmt.Fprintln(w, "orders of", key.Owner.ID)
		}
	})
}
