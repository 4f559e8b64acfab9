package authflow

import (
	"fmt"
	"testing"
	"time"
)

func TestThrottleLocksExponentially(t *testing.T) {
	t.Parallel()
	var th throttle
	l := limit{free: 3, first: time.Second, longest: 10 * time.Second, forget: time.Minute}
	k := accountKey("password", "e", "a@b.c")
	now := time.Unix(1000, 0)
	for i := range 3 {
		if d := th.take(k, l, now); d != 0 {
			t.Fatalf("free try %d: locked %v", i, d)
		}
	}
	for _, want := range []time.Duration{1, 2, 4, 8, 10, 10} {
		d := th.take(k, l, now)
		if d != want*time.Second {
			t.Fatalf("locked for %v, want %v s", d, want)
		}
		now = now.Add(d)
		if d := th.take(k, l, now); d != 0 {
			t.Fatalf("after the lock: %v", d)
		}
	}
	now = now.Add(2 * time.Minute)
	for range 3 {
		if d := th.take(k, l, now); d != 0 {
			t.Fatal("not forgotten")
		}
	}
	th.clear(k)
	if d := th.locked(k, now); d != 0 {
		t.Error("not cleared")
	}
}

func TestThrottleIsBounded(t *testing.T) {
	t.Parallel()
	var th throttle
	now := time.Unix(1000, 0)
	victim := accountKey("password", "e", "victim@example.com")
	for range 11 {
		th.take(victim, limitAccount, now)
	}
	for i := range maxEntries + 50_000 {
		th.take(accountKey("password", "e", fmt.Sprint(i)), limitAccount, now)
	}
	if len(th.entries) > maxEntries {
		t.Errorf("%d entries", len(th.entries))
	}
	if th.locked(victim, now) == 0 {
		t.Error("a flood of other names unlocked an account")
	}
}

func TestAddressKeyMeetsNeighbours(t *testing.T) {
	t.Parallel()
	a, _ := addressKey("k", "e", "2001:db8::1")
	b, _ := addressKey("k", "e", "2001:db8::ffff:2")
	c, _ := addressKey("k", "e", "2001:db8:0:1::1")
	if a != b || a == c {
		t.Error("an IPv6 customer is not one /64")
	}
	d, _ := addressKey("k", "e", "192.0.2.1")
	m, _ := addressKey("k", "e", "::ffff:192.0.2.1")
	if d != m {
		t.Error("a mapped address is another one")
	}
	for _, ip := range []string{"", "127.0.0.1", "::1", "nonsense"} {
		if _, ok := addressKey("k", "e", ip); ok {
			t.Errorf("%q counts", ip)
		}
	}
}

func TestGaugeHoldsUpOnlyWhatIsOverTheRate(t *testing.T) {
	t.Parallel()
	var g gauge
	r := flowRate{burst: 10, perSecond: 2}
	now := time.Unix(1_800_000_000, 0)
	for i := range 10 {
		if d := g.held("a", r, now, true); d != 0 {
			t.Fatalf("the %dth waits %s", i, d)
		}
	}
	if d := g.held("a", r, now, true); d != 500*time.Millisecond {
		t.Errorf("beyond the burst: %s", d)
	}
	if d := g.held("b", r, now, true); d != 0 {
		t.Errorf("another environment waits %s", d)
	}
	for i := range 100 { // steady use at the rate
		now = now.Add(500 * time.Millisecond)
		if d := g.held("a", r, now, true); d != 0 {
			t.Fatalf("steady, the %dth waits %s", i, d)
		}
	}
	if d := g.held("a", r, now, false); d == 0 {
		t.Error("looking made room")
	}
	if d := g.held("a", r, now.Add(-time.Hour), false); d == 0 {
		t.Error("a clock put back made room")
	}
}
