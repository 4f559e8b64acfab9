package lentiltest_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// newServer serves until the test ends.
func newServer(t testing.TB, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}
