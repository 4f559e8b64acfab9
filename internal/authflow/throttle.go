package authflow

import (
	"crypto/sha256"
	"net/netip"
	"sync"
	"time"
)

// Guessing is slowed down by counting failures: per account, whatever address they
// come from, and per address, whatever account they aim at. After some free ones
// every further failure locks for twice as long as the one before.
//
// The counters live in memory. They survive no restart, but a guesser cannot
// restart the house; and counters in the store would let anyone write to it as
// fast as they can guess. Accounts that do not exist are counted like those that
// do, so a lock tells nothing.
type throttle struct {
	mu      sync.Mutex
	entries map[throttleKey]*throttleEntry
}

// throttleKey is a hash, so that an entry costs the same whatever was typed.
type throttleKey [16]byte

// throttleEntry counts the failures of one key.
type throttleEntry struct {
	failures int
	until    time.Time // locked until then
	last     time.Time // of the newest failure
}

// limit is how many failures are free, how long the first lock is and the longest,
// and after how long without failures all is forgotten.
type limit struct {
	free           int
	first, longest time.Duration
	forget         time.Duration
}

// The limits. A person who mistypes ten times in a row waits half a minute; a
// guesser gets some forty tries a day at one account.
var (
	limitAccount = limit{free: 10, first: 30 * time.Second, longest: time.Hour, forget: 24 * time.Hour}
	limitCode    = limit{free: 10, first: time.Minute, longest: time.Hour, forget: 24 * time.Hour}
	limitAddress = limit{free: 60, first: 30 * time.Second, longest: 15 * time.Minute, forget: time.Hour}
	// limitSend bounds the mail that one mailbox can be made to receive: every
	// message counts as a failure here.
	limitSend = limit{free: 8, first: time.Minute, longest: 10 * time.Minute, forget: 15 * time.Minute}
	// limitSendFrom bounds the mail that one address can cause, to whatever mailboxes.
	limitSendFrom = limit{free: 60, first: time.Minute, longest: 10 * time.Minute, forget: 15 * time.Minute}
	// limitBegin bounds the attempts, each a row, that one address can begin.
	limitBegin = limit{free: 300, first: 5 * time.Second, longest: time.Minute, forget: 5 * time.Minute}
)

// maxEntries bounds the memory to some 10 MiB. When it is reached, entries that
// lock nothing are dropped first.
const maxEntries = 100_000

// accountKey is the key of an account, by its address in comparable form.
func accountKey(kind, environment, emailKey string) throttleKey {
	return hashKey(kind, environment, emailKey)
}

// addressKey is the key of a network address: all of an IPv4 address, the /64 of
// an IPv6 one, since a customer owns at least that. ok is false for addresses that
// stand for nobody in particular: unknown ones and this machine, which is a
// developer or a proxy in front of everybody.
func addressKey(kind, environment, ip string) (k throttleKey, ok bool) {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return k, false
	}
	a = a.Unmap().WithZone("")
	if a.IsLoopback() {
		return k, false
	}
	if a.Is6() {
		p, _ := a.Prefix(64) // 64 fits every IPv6 address
		a = p.Addr()
	}
	return hashKey("address", kind, environment, a.String()), true
}

// hashKey makes a key of parts.
func hashKey(parts ...string) throttleKey {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return throttleKey(h.Sum(nil))
}

// take counts a failure in advance, so that guesses made at the same time cannot
// all pass before the first is counted; whoever succeeds gives it back with
// clear. If the key is locked nothing is counted, and retry is how long it will be.
func (t *throttle) take(k throttleKey, l limit, now time.Time) (retry time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entries[k]
	if e != nil && now.Sub(e.last) > l.forget && !now.Before(e.until) {
		delete(t.entries, k)
		e = nil
	}
	if e == nil {
		t.makeRoom(now)
		e = &throttleEntry{}
		if t.entries == nil {
			t.entries = map[throttleKey]*throttleEntry{}
		}
		t.entries[k] = e
	}
	if d := e.until.Sub(now); d > 0 {
		return d
	}
	e.failures++
	e.last = now
	if over := e.failures - l.free; over >= 0 {
		d := l.longest
		if over < 20 { // 2²⁰ of any first lock is beyond any longest one
			d = min(d, l.first<<over)
		}
		e.until = now.Add(d)
	}
	return 0
}

// locked tells how long a key is locked, without counting anything.
func (t *throttle) locked(k throttleKey, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.entries[k]; e != nil {
		return max(0, e.until.Sub(now))
	}
	return 0
}

// clear forgets a key's failures: its owner has proven to be there.
func (t *throttle) clear(k throttleKey) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.entries, k)
}

// giveBack takes one failure off that turned out to be none.
func (t *throttle) giveBack(k throttleKey) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.entries[k]; e != nil {
		e.until = time.Time{}
		if e.failures--; e.failures <= 0 {
			delete(t.entries, k)
		}
	}
}

// makeRoom drops entries when there are too many: those that lock nothing, in the
// random order of the map, and if there are none, any. The caller holds mu.
func (t *throttle) makeRoom(now time.Time) {
	if len(t.entries) < maxEntries {
		return
	}
	const batch = maxEntries / 50
	dropped := 0
	for _, anyOf := range []bool{false, true} {
		for k, e := range t.entries {
			if dropped >= batch {
				return
			}
			if anyOf || !now.Before(e.until) {
				delete(t.entries, k)
				dropped++
			}
		}
	}
}

// flowRate bounds how much of something a whole environment does, from whatever
// addresses and to whatever accounts: so many at once, and so many a second from
// then on. It is a leaky bucket, so that steady use below the rate is never held up.
type flowRate struct {
	burst, perSecond float64
}

// rateSend bounds the mail of an environment. Guessing mailed codes across many
// accounts needs as many mails. For passwords the hasher's pool is the bound.
var rateSend = flowRate{burst: 3000, perSecond: 10}

// gauge holds the levels of such buckets, one per environment.
type gauge struct {
	mu     sync.Mutex
	levels map[string]gaugeLevel
}

// gaugeLevel is how full a bucket was at a time.
type gaugeLevel struct {
	level float64
	at    time.Time
}

// held tells how long there is no room for one more; if there is, and count is set,
// it takes it.
func (g *gauge) held(key string, r flowRate, now time.Time, count bool) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.levels[key]
	level := max(0, l.level-r.perSecond*max(0, now.Sub(l.at).Seconds()))
	if over := level + 1 - r.burst; over > 0 {
		return time.Duration(over / r.perSecond * float64(time.Second))
	}
	if count {
		if g.levels == nil {
			g.levels = map[string]gaugeLevel{}
		}
		g.levels[key] = gaugeLevel{level + 1, now}
	}
	return 0
}
