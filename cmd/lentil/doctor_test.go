package main

import "testing"

func TestDerivedKeysStayWithTheHouse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		address, home string
		want          bool
	}{
		{"http://127.0.0.1:3212", "http://127.0.0.1:3210", true},
		{"http://calm-fox-2.localhost:3210", "http://127.0.0.1:3210", true},
		{"https://calm-fox-2.convex.example.com", "https://convex.example.com", true},
		{"https://convex.example.com", "https://convex.example.com", true},
		{"https://calm-fox-2.convex.cloud", "http://127.0.0.1:3210", false},
		{"https://evilconvex.example.com", "https://convex.example.com", false},
		{"https://1.127.0.0.1.evil.example", "http://127.0.0.1:3210", false},
		{"nonsense", "http://127.0.0.1:3210", false},
	} {
		if got := neighbours(c.address, c.home); got != c.want {
			t.Errorf("neighbours(%q, %q) = %v", c.address, c.home, got)
		}
	}
}
