package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/depot"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/value"
)

// small is a house with a base, a blob and two segments in a depot.
func small(t *testing.T, key []byte) (*testHouse, *Archiver, depot.Depot) {
	t.Helper()
	h, d := newHouse(t), memoryDepot(t)
	s := h.add("house")
	s.upload(t, "files/aa/1", strings.Repeat("blob ", 1000))
	id := s.put(t, value.ID{}, row{1, "one"})
	a := h.archiver(d, key)
	h.first(a)
	s.put(t, id, row{2, "two"})
	h.ship(a)
	s.put(t, value.ID{}, row{3, "three"})
	h.ship(a)
	return h, a, d
}

// objects are the names in a depot, but for its marker.
func objects(t *testing.T, d depot.Depot) (list []string) {
	t.Helper()
	for o, err := range d.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if o.Name != markerName {
			list = append(list, o.Name)
		}
	}
	return list
}

func TestEveryDamagedObjectIsFoundAndNamed(t *testing.T) {
	t.Parallel()
	_, a, d := small(t, nil)
	names := objects(t, d)
	if len(names) < 6 {
		t.Fatalf("only %q", names)
	}
	for _, name := range names {
		whole := readAll(t, d, name)
		swapped := names[(slices.Index(names, name)+1)%len(names)]
		for what, damage := range map[string]func() []byte{
			"a flipped bit":     func() []byte { b := bytes.Clone(whole); b[len(b)/2] ^= 4; return b },
			"the end cut":       func() []byte { return whole[:len(whole)-1] },
			"a frame cut":       func() []byte { return whole[:len(whole)-36] },
			"half":              func() []byte { return whole[:len(whole)/2] },
			"nothing":           func() []byte { return nil },
			"more":              func() []byte { return append(bytes.Clone(whole), 0) },
			"another's content": func() []byte { return readAll(t, d, swapped) },
		} {
			write(t, d, name, damage())
			v, err := Verify(t.Context(), d, nil, nil)
			if err != nil || len(v.Damaged) != 1 || !strings.Contains(v.Damaged[0], name) {
				t.Errorf("%s of %s: verify finds %+v, %v", what, name, v, err)
			}
			if strings.HasPrefix(name, basePrefix) {
				continue // what it says is only for people
			}
			if _, err := Restore(t.Context(), d, nil, a.through.Time(), newSite(), nil); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), name) {
				t.Errorf("%s of %s: restore says %v", what, name, err)
			}
		}
		if err := d.Delete(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		if v, err := Verify(t.Context(), d, nil, nil); err != nil || len(v.Damaged) == 0 == !strings.HasPrefix(name, basePrefix) && !strings.HasPrefix(name, logPrefix) {
			t.Errorf("without %s: verify finds %+v, %v", name, v, err)
		}
		write(t, d, name, whole)
	}
	if v, err := Verify(t.Context(), d, nil, nil); err != nil || len(v.Damaged) > 0 {
		t.Errorf("all put back: %+v, %v", v, err)
	}
}

// TestStoresThatOpenAndCloseMeanwhile looks at a house in which that happens between the
// list of what is open and the use of it.
func TestStoresThatOpenAndCloseMeanwhile(t *testing.T) {
	t.Parallel()
	h, d := newHouse(t), memoryDepot(t)
	home, other := h.add("house"), h.add("deployments/one")
	a := h.archiver(d, nil)
	h.first(a)
	other.put(t, value.ID{}, row{1, "one"})
	h.ship(a)

	other.use = func() error {
		other.use, other.closed = nil, true
		return ErrClosed
	}
	before := other.used
	home.put(t, value.ID{}, row{2, "two"})
	h.ship(a)
	if other.used != before+1 {
		t.Errorf("a store that had closed with nothing new was used %d times, want the one that found it closed", other.used-before)
	}

	home.use = func() error {
		home.use, other.closed = nil, false
		other.opened++
		other.put(t, value.ID{}, row{3, "committed by a store that opened while another was waited for"})
		return nil
	}
	home.put(t, value.ID{}, row{4, "four"})
	h.ship(a)
	h.ship(a)
	site, _ := restoreAt(t, d, nil, a.through)
	h.compare(site, a.through)
}

func TestSealedBackupsTellNothingWithoutTheKey(t *testing.T) {
	t.Parallel()
	key := []byte("thirty-two bytes are a good key.")
	h, a, d := small(t, key)
	for _, name := range objects(t, d) {
		b := readAll(t, d, name)
		for _, word := range []string{"blob blob", "rows", "keyring", "ring 0", "three"} {
			if bytes.Contains(b, []byte(word)) {
				t.Errorf("%s shows %q", name, word)
			}
		}
	}
	for _, wrong := range [][]byte{nil, []byte("another key that is long enough.")} {
		if _, err := List(t.Context(), d, wrong); !errors.Is(err, ErrSealed) {
			t.Errorf("list with %q: %v", wrong, err)
		}
		if _, err := Restore(t.Context(), d, wrong, time.Time{}, newSite(), nil); !errors.Is(err, ErrSealed) {
			t.Errorf("restore with %q: %v", wrong, err)
		}
		if err := h.archiver(d, wrong).open(t.Context()); !errors.Is(err, ErrSealed) {
			t.Errorf("backup with %q: %v", wrong, err)
		}
	}
	site, _ := restoreAt(t, d, key, a.through)
	h.compare(site, a.through)
	if site.files["keyring"] != "ring 0" {
		t.Errorf("the ring is %q", site.files["keyring"])
	}
	_, _, open := small(t, nil)
	if err := h.archiver(open, key).open(t.Context()); err == nil || !strings.Contains(err.Error(), "not sealed") {
		t.Errorf("sealed into one that is not: %v", err)
	}
}

func TestRestoreRefusesTimesItDoesNotHave(t *testing.T) {
	t.Parallel()
	_, a, d := small(t, nil)
	for _, at := range []time.Time{time.Now().Add(-time.Hour), a.through.Time().Add(time.Minute)} {
		_, err := Restore(t.Context(), d, nil, at, newSite(), nil)
		if err == nil || !strings.Contains(err.Error(), "these times can") {
			t.Errorf("%v: %v", at, err)
		}
	}
	if _, err := Restore(t.Context(), memoryDepot(t), nil, time.Time{}, newSite(), nil); !errors.Is(err, ErrNoBackup) {
		t.Errorf("an empty place: %v", err)
	}
	site := newSite()
	site.check = func(map[string][]byte) error { return errors.New("the ring does not open") }
	if _, err := Restore(t.Context(), d, nil, time.Time{}, site, nil); err == nil || len(site.stores) > 0 {
		t.Errorf("a ring that does not open: %v, %d stores were made", err, len(site.stores))
	}
}

// TestRingOfTheMoment has a key ring that is wrapped anew while the backup goes on.
func TestRingOfTheMoment(t *testing.T) {
	t.Parallel()
	h, a, d := small(t, nil)
	before := a.through
	h.files = []File{{"keyring", time.Now(), []byte("ring 1")}}
	h.stores[0].put(t, value.ID{}, row{4, "four"})
	h.ship(a)
	for ts, want := range map[persistence.Timestamp]string{before: "ring 0", a.through: "ring 1"} {
		if site, _ := restoreAt(t, d, nil, ts); site.files["keyring"] != want {
			t.Errorf("at %d the ring is %q, want %q", ts, site.files["keyring"], want)
		}
	}
	site := newSite()
	site.check = func(files map[string][]byte) error {
		if string(files["keyring"]) != "ring 1" {
			return fmt.Errorf("%q does not open", files["keyring"])
		}
		return nil
	}
	if _, err := Restore(t.Context(), d, nil, a.through.Time(), site, nil); err != nil {
		t.Errorf("the base's ring does not open, but that of the moment does: %v", err)
	}
}

func TestAnotherHistoryBeginsAnotherChain(t *testing.T) {
	t.Parallel()
	h, a, d := small(t, nil)
	chainOf := func() chain {
		t.Helper()
		again := h.archiver(d, nil)
		if err := again.open(t.Context()); err != nil {
			t.Fatal(err)
		}
		again.letGo()
		return again.note.Chain
	}
	if got := chainOf(); got != a.note.Chain {
		t.Fatalf("the same house goes on with chain %d", got)
	}
	// An earlier copy of the data directory does not know of the newest commit.
	s := h.stores[0]
	site, _ := restoreAt(t, d, nil, s.history[len(s.history)-1].ts-1)
	current := s.db
	s.db = openStore(t, site.stores["house"])
	if got := chainOf(); got != 0 {
		t.Errorf("an earlier copy goes on with chain %d", got)
	}
	// A house that was restored elsewhere has no note at all.
	s.db = current
	h.dir = t.TempDir()
	if got := chainOf(); got != 0 {
		t.Errorf("without a note it goes on with chain %d", got)
	}
	other := newHouse(t)
	other.add("house")
	b := &Archiver{House: otherHouse{other}, Depot: d, StateFile: h.dir + "/x.json"}
	if _, err := b.Once(t.Context()); !errors.Is(err, ErrOtherHouse) {
		t.Errorf("another house: %v", err)
	}
}

// otherHouse has another id.
type otherHouse struct{ *testHouse }

// ID is part of House.
func (otherHouse) ID() string { return "another house" }

// TestDepotThatFails ships to a place that fails now and then, at any object and any byte:
// nothing is lost, and nothing half written counts.
func TestDepotThatFails(t *testing.T) {
	t.Parallel()
	h, d := newHouse(t), memoryDepot(t)
	s := h.add("house")
	bad := &failing{Depot: d}
	a := h.archiver(bad, nil)
	h.first(a)
	for i := range 60 {
		s.put(t, value.ID{}, row{i, "x"})
		if i%3 == 0 {
			s.upload(t, fmt.Sprintf("files/aa/%d", i), strings.Repeat("y", 100*i))
		}
		bad.left.Store(int64(i * 37 % 400))
		bad.fails = i%4 != 3
		err := a.ship(t.Context(), true)
		if bad.fails && err == nil && bad.left.Load() <= 0 {
			t.Fatal("a failure was not told")
		}
		if !bad.fails && err != nil {
			t.Fatal(err)
		}
	}
	bad.fails = false
	h.ship(a)
	if v, err := Verify(t.Context(), d, nil, nil); err != nil || len(v.Damaged) > 0 {
		t.Fatalf("%+v, %v", v, err)
	}
	for _, ts := range []persistence.Timestamp{s.history[20].ts, s.history[len(s.history)-1].ts} {
		site, _ := restoreAt(t, d, nil, ts)
		h.compare(site, ts)
	}
}

// failing is a depot that takes so many bytes only.
type failing struct {
	depot.Depot
	fails bool
	left  atomic.Int64
}

var errFails = errors.New("the place is away")

// Put is part of depot.Depot.
func (f *failing) Put(ctx context.Context, name string, r io.Reader) (int64, error) {
	if !f.fails {
		return f.Depot.Put(ctx, name, r)
	}
	return f.Depot.Put(ctx, name, limited{f, r})
}

// limited fails when the bytes are used up.
type limited struct {
	f *failing
	r io.Reader
}

// Read is part of io.Reader.
func (l limited) Read(p []byte) (int, error) {
	left := l.f.left.Load()
	if left <= 0 {
		return 0, errFails
	}
	n, err := l.r.Read(p[:min(len(p), int(left))])
	l.f.left.Add(-int64(n))
	return n, err
}

func TestUnchangedDocumentsAreStoredOnce(t *testing.T) {
	t.Parallel()
	h, d := newHouse(t), memoryDepot(t)
	s := h.add("house")
	for i := range 3000 {
		s.put(t, value.ID{}, row{i, strings.Repeat("lentil", 200)})
	}
	a := h.archiver(d, nil)
	h.first(a)
	chunks := func() (n int) {
		for _, name := range objects(t, d) {
			if strings.HasPrefix(name, chunkPrefix) {
				n++
			}
		}
		return n
	}
	first := chunks()
	s.put(t, value.ID{}, row{1, "one more"})
	h.base(a, false)
	if again := chunks() - first; again >= first || first < 3 { // those of the tables that describe it count too
		t.Errorf("%d chunks, and %d more for one document", first, again)
	}
}

func TestRunBacksUpAndTellsOfTrouble(t *testing.T) {
	t.Parallel()
	h, d := newHouse(t), memoryDepot(t)
	s := h.add("house")
	bad := &failing{Depot: d, fails: true}
	a := h.archiver(bad, nil)
	a.Every = 10 * time.Millisecond
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- a.Run(ctx) }()
	if _, err := a.Now(t.Context(), false, func(string) {}); err == nil || !strings.Contains(err.Error(), "away") {
		t.Errorf("while the place is away: %v", err)
	}
	stop()
	<-ended
	a = h.archiver(d, nil)
	a.Every = 10 * time.Millisecond
	ctx, stop = context.WithCancel(t.Context())
	go func() { ended <- a.Run(ctx) }()
	// Run may have made the first base before it was asked.
	if first, err := a.Now(t.Context(), false, func(string) {}); err != nil || first.Through.IsZero() {
		t.Fatalf("first: %+v, %v", first, err)
	}
	s.put(t, value.ID{}, row{1, "one"})
	if done, err := a.Now(t.Context(), true, func(string) {}); err != nil || done.Base == nil || done.First {
		t.Errorf("a base: %+v, %v", done, err)
	}
	s.put(t, value.ID{}, row{2, "the last commit before the stop"})
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	last := s.history[len(s.history)-1].ts
	site, _ := restoreAt(t, d, nil, last)
	h.compare(site, last)
}

func TestKeep(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	var bases []baseID
	for day := 120; day >= 0; day-- {
		for _, hour := range []time.Duration{9, 3} { // two a day
			bases = append(bases, baseID{at: persistence.Timestamp(now.AddDate(0, 0, -day).Add(-hour * time.Hour).UnixNano())})
		}
	}
	slices.SortFunc(bases, func(a, b baseID) int { return int(max(-1, min(1, a.at-b.at))) })
	k, err := ParseKeep("7d,14d,8w")
	if err != nil {
		t.Fatal(err)
	}
	stay, gone, from := k.choose(bases, now)
	if len(stay)+len(gone) != len(bases) {
		t.Errorf("%d stay, %d go of %d", len(stay), len(gone), len(bases))
	}
	if age := now.Sub(from.at.Time()); age < 7*24*time.Hour || age > 8*24*time.Hour {
		t.Errorf("the window begins from a base of %v ago", age)
	}
	days := map[string]int{}
	for _, b := range stay {
		days[b.at.Time().Format(time.DateOnly)]++
	}
	// 15 in the window and the one it begins from, a state a day before that, then weeks.
	if n := len(stay); n < 15+13+5 || n > 15+15+7 {
		t.Errorf("%d stay: %v", n, days)
	}
	if days[now.AddDate(0, 0, -10).Format(time.DateOnly)] != 1 || days[now.AddDate(0, 0, -3).Format(time.DateOnly)] != 2 {
		t.Errorf("of days: %v", days)
	}
	oldest := now.Sub(stay[0].at.Time())
	if oldest < 7*7*24*time.Hour || oldest > (7+8*7)*24*time.Hour {
		t.Errorf("the oldest is of %v ago", oldest)
	}
	if stay, _, _ := k.choose(bases[:1], now); len(stay) != 1 {
		t.Error("the only base would go")
	}
	for text, want := range map[string]string{"": "168h0m0s,30d,12w", "24h": "24h0m0s,0d,0w", "2d, 5d": "48h0m0s,5d,0w", "1h30m,0d,3w": "1h30m0s,0d,3w"} {
		if k, err := ParseKeep(text); err != nil || k.String() != want {
			t.Errorf("%q = %v, %v", text, k, err)
		}
	}
	for _, text := range []string{"x", "7", "7d,5", "7d,5w", "7d,1d,1w,1y", "-1d", "0s", "7d,-1d"} {
		if k, err := ParseKeep(text); err == nil {
			t.Errorf("%q = %v", text, k)
		}
	}
}

func TestExpiredBackupsGoAndNothingElse(t *testing.T) {
	t.Parallel()
	h, d := newHouse(t), memoryDepot(t)
	s := h.add("house")
	s.upload(t, "files/aa/old", "only in the first base")
	a := h.archiver(d, nil)
	h.first(a)
	h.ship(a)
	s.unload(t, "files/aa/old")
	s.put(t, value.ID{}, row{1, "one"})
	h.ship(a)
	h.base(a, false)
	s.put(t, value.ID{}, row{2, "two"})
	h.ship(a)
	h.base(a, false)
	s.put(t, value.ID{}, row{3, "three"})
	h.ship(a)
	before := len(objects(t, d))
	tidied := tidy{v: a.vault, house: h.ID(), chain: a.note.Chain, keep: Keep{Window: time.Nanosecond}, now: time.Now(), settle: nothing}
	if err := tidied.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	names := objects(t, d)
	if len(names) >= before || slices.ContainsFunc(names, func(n string) bool { return strings.HasSuffix(n, "files/aa/old") }) {
		t.Errorf("there were %d objects, there are %q", before, names)
	}
	v, err := Verify(t.Context(), d, nil, nil)
	if err != nil || len(v.Damaged) > 0 || v.Unneeded > 0 || v.Bases != 1 {
		t.Errorf("%+v, %v", v, err)
	}
	site, _ := restoreAt(t, d, nil, a.through)
	h.compare(site, a.through)
}

// FuzzSegment reads what is no segment.
func FuzzSegment(f *testing.F) {
	var b bytes.Buffer
	r := newRecords(&b, head{House: "h", After: 1, Through: 9})
	r.kind(storeRecord)
	r.text("house")
	r.commit(5, []persistence.Revision{{Doc: persistence.DocID{Table: 7}, Prev: 2, Body: []byte("x")}, {Doc: persistence.DocID{Table: 8}}})
	r.file(File{"keyring", time.Unix(1, 0), []byte("k")})
	if err := r.close(); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := readRecords(bytes.NewReader(text), "fuzz")
		for err == nil {
			_, err = r.next()
		}
	})
}

// FuzzObject reads what is no object.
func FuzzObject(f *testing.F) {
	for _, key := range [][]byte{nil, []byte("thirty-two bytes are a good key.")} {
		var b bytes.Buffer
		o, err := newObject(&b, "name", key)
		if err != nil {
			f.Fatal(err)
		}
		io.WriteString(o, "content")
		if err := o.Close(); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		o, err := readObject(bytes.NewReader(text), "name", []byte("thirty-two bytes are a good key."))
		if err == nil {
			_, _ = io.Copy(io.Discard, o)
		}
	})
}
