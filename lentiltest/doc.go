// Package lentiltest starts a whole house inside a Go test: a Convex deployment with
// its functions, and the identity service with its sign-in pages, on free ports of
// this machine, in memory.
//
//	func TestBoard(t *testing.T) {
//		house := lentiltest.Start(t, lentiltest.Options{Functions: "../convex"})
//		ada := house.CreateUser(t, "ada@example.com")
//		house.AllowRedirect(t, app.URL+"/callback")
//
//		browser := house.Browser(t)
//		page := browser.SignIn(t, app.URL+"/sign-in", ada)
//		…
//	}
//
// Nothing is imitated: the house is the one that the program lentil runs. It starts
// in some tens of milliseconds, stops with the test, and many can run at once.
package lentiltest
