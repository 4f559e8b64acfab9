// Package authkit signs people in to Go web applications with AuthKit: Lentil's, or
// the vendor's. It is to net/http what the official package for Next.js is to
// Next.js, and keeps sessions in the same sealed cookie, so that both can serve one
// site.
//
//	kit, err := authkit.New(authkit.FromEnv(os.Getenv))
//	…
//	mux.Handle("/sign-in", kit.SignIn())
//	mux.Handle("/sign-up", kit.SignUp())
//	mux.Handle("/callback", kit.Callback())
//	mux.Handle("/sign-out", kit.SignOut("/"))
//	mux.Handle("/account", kit.RequireUser(account))
//	http.ListenAndServe(addr, kit.Middleware(mux))
//
// Within Middleware, FromContext tells who is signed in. The session lives in the
// browser: an access token of some minutes and a refresh token, sealed with the
// cookie password. Middleware verifies the access token with the keys that the
// identity service publishes, and renews it when it has expired. Requests of one
// session that come at the same time, or shortly after with the older cookie, share
// one renewal, so that nobody is signed out because two tabs were loaded at once. An
// identity service that does not answer costs nobody their session either.
//
// Sign-in is bound to the browser by PKCE (RFC 7636) and by a sealed state that must
// come back both from the identity service and from a cookie.
package authkit
