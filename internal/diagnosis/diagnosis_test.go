package diagnosis

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestNearestSaysWhatDiffers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, used, registered, how string }{
		{"port", "http://localhost:5174", "http://localhost:5173", "the port differs: 5174 here, 5173 there"},
		{"host", "http://127.0.0.1:5173/callback", "http://localhost:5173/callback", "the host differs: 127.0.0.1 here, localhost there"},
		{"scheme", "https://app.example.com:80/callback", "http://app.example.com/callback", "the scheme differs: https here, http there"},
		{"slash", "http://localhost:3000/callback/", "http://localhost:3000/callback", "only the slash at the end differs"},
		{"path", "http://localhost:3000/auth/callback", "http://localhost:3000/callback", "the path differs: /auth/callback here, /callback there"},
		{"nothing like it", "https://a.example/x", "http://localhost:3000/callback", ""},
		{"a default port", "https://a.example:443/x", "https://a.example/y", "the path differs: /x here, /y there"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if _, how := Nearest(c.used, []string{"https://other.example:9/z?q", c.registered}); how != c.how {
				t.Errorf("got %q, want %q", how, c.how)
			}
		})
	}
}

func TestRefusalsNameValueAndFix(t *testing.T) {
	t.Parallel()
	for _, r := range []Refusal{
		RefusedOrigin("http://localhost:5174", "http://localhost:4100", []string{"http://localhost:5173"}),
		RefusedRedirect("http://localhost:5174/callback", "http://localhost:4100", nil),
	} {
		if !strings.Contains(r.Said, r.Value) || !strings.Contains(r.Fix, r.Value) || !strings.Contains(r.Fix, "http://localhost:4100") || r.Check == "" || r.Why == "" {
			t.Errorf("%+v", r)
		}
	}
	if r := RefusedRedirect("http://x/'; rm -rf ~; '", "http://localhost:4100", nil); strings.Contains(strings.SplitN(r.Fix, "\n", 2)[1], "'; rm") {
		t.Errorf("a stranger's quotation mark ends ours: %s", r.Fix)
	}
}

// TestElsewhere: a page of one port begins a sign-in that leads to another one.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, from, to, moved string }{
		{"the port moved", "http://localhost:5174/", "http://localhost:5173/callback", "http://localhost:5174/callback"},
		{"by address", "http://127.0.0.1:5174/x?y", "http://localhost:5173/auth/callback", "http://127.0.0.1:5174/auth/callback"},
		{"as usual", "http://localhost:5173/", "http://localhost:5173/callback", ""},
		{"same port by another name", "http://127.0.0.1:5173/", "http://localhost:5173/callback", "http://127.0.0.1:5173/callback"},
		{"from the world", "https://app.example.com/", "http://localhost:5173/callback", ""},
		{"to the world", "http://localhost:5174/", "https://app.example.com/callback", ""},
		{"nowhere", "", "http://localhost:5173/callback", ""},
		{"to nothing", "http://localhost:5174/", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, ok := Elsewhere(c.from, c.to)
			if ok != (c.moved != "") || r.Value != c.moved || ok && (!strings.Contains(r.Fix, "http://") || r.Check == "") {
				t.Errorf("%v: %+v", ok, r)
			}
		})
	}
}

func TestLedgerTellsOnceAndStaysBounded(t *testing.T) {
	t.Parallel()
	var l Ledger
	now := time.Unix(1_000_000, 0)
	r := Refusal{Kind: Origin, Cause: "c", Value: "v"}
	if !l.Note("a", r, now) || l.Note("a", r, now.Add(time.Second)) || !l.Note("a", r, now.Add(2*time.Minute)) {
		t.Error("a line is due at first and after a while, and not in between")
	}
	if got := l.List("a"); len(got) != 1 || got[0].Times != 3 || !got[0].First.Equal(now) {
		t.Errorf("%+v", got)
	}
	told := 0
	for i := range 1000 {
		if l.Note("b", Refusal{Kind: Origin, Cause: "c", Value: fmt.Sprint(i)}, now.Add(time.Hour)) {
			told++
		}
	}
	if told != maxLines {
		t.Errorf("%d lines were due, the bound is %d", told, maxLines)
	}
	if got := l.List(); len(got) != maxEntries || got[0].Value != "999" {
		t.Errorf("%d entries, the newest %+v", len(got), got[0])
	}
	if (*Ledger)(nil).Note("a", r, now) || len((*Ledger)(nil).List()) != 0 {
		t.Error("no ledger remembers")
	}
}
