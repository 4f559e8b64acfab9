package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/depot"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/value"
)

// TestAStoreOfANameThatComesAgainIsAnother: it has nothing of the one before it.
func TestAStoreOfANameThatComesAgainIsAnother(t *testing.T) {
	t.Parallel()
	h, d := newHouse(t), memoryDepot(t)
	h.add("house")
	old := h.add("deployments/a")
	old.put(t, value.ID{}, row{1, "of the old one"})
	old.upload(t, "files/aa/old", "old")
	a := h.archiver(d, nil)
	h.first(a)
	if err := old.blobs.Delete(t.Context(), "files/aa/old"); err != nil { // with its directory
		t.Fatal(err)
	}
	old.removed = persistence.Timestamp(time.Now().UnixNano())
	h.ship(a)
	old.told = a.through
	h.stores = h.stores[:1]
	site, _ := restoreAt(t, d, nil, a.through)
	h.compare(site, a.through)
	next := h.add("deployments/a")
	next.put(t, value.ID{}, row{2, "of the new one"})
	next.upload(t, "files/aa/new", "new")
	h.ship(a)
	site, out := restoreAt(t, d, nil, a.through)
	h.compare(site, a.through)
	if left, err := site.blobs["deployments/a"].Has(t.Context(), "files/aa/old"); left || err != nil || len(out.Stores) != 2 {
		t.Errorf("restored %+v, a file of the old one: %v, %v", out.Stores, left, err)
	}
}

// TestAStoreThatCannotBeOpenedHoldsUpNobody: the others are backed up; its own commits
// come when it can be opened again, also if the house began anew meanwhile.
func TestAStoreThatCannotBeOpenedHoldsUpNobody(t *testing.T) {
	t.Parallel()
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprintf("restart %v", restart), func(t *testing.T) {
			t.Parallel()
			h, d := newHouse(t), memoryDepot(t)
			house, broken := h.add("house"), h.add("deployments/broken")
			a := h.archiver(d, nil)
			h.first(a)
			broken.put(t, value.ID{}, row{1, "in nothing yet"})
			broken.upload(t, "files/aa/one", "one")
			broken.closed, broken.used = true, 0
			broken.use = func() error { return errors.New("its manifest is no manifest") }
			for i := range 3 {
				house.put(t, value.ID{}, row{i, "of the house"})
				h.ship(a)
				if a.broken == nil || !strings.Contains(a.broken.Error(), "deployments/broken") || broken.used != 1 {
					t.Fatalf("what is told: %v, it was opened %d times", a.broken, broken.used)
				}
			}
			site, _ := restoreAt(t, d, nil, a.through)
			h.stores = []*testStore{house}
			h.compare(site, a.through)
			h.stores = []*testStore{house, broken}
			if _, err := a.begin(t.Context(), false); err == nil || !strings.Contains(err.Error(), "deployments/broken") {
				t.Errorf("a base without it: %v", err)
			}
			if restart {
				a.letGo()
				a = h.archiver(d, nil)
				if err := a.open(t.Context()); err != nil || a.note.Chain == 0 {
					t.Fatalf("the chain does not go on: %v", err)
				}
			}
			a.refused, broken.use = nil, nil // a minute later
			h.ship(a)
			if a.broken != nil {
				t.Errorf("it can be opened: %v", a.broken)
			}
			site, _ = restoreAt(t, d, nil, a.through)
			h.compare(site, a.through)
			if f := a.known["deployments/broken"]; f.behind != 0 || a.note.Behind != nil {
				t.Errorf("it is behind still: %d, %v", f.behind, a.note.Behind)
			}
		})
	}
}

// TestAClockThatWasSetBackBeginsAnotherChain: what the house commits then is older than
// what was backed up, and would never be.
func TestAClockThatWasSetBackBeginsAnotherChain(t *testing.T) {
	t.Parallel()
	h, d := newHouse(t), memoryDepot(t)
	h.add("house").put(t, value.ID{}, row{1, "one"})
	a := h.archiver(d, nil)
	h.first(a)
	h.ship(a)
	for _, tt := range []struct {
		name  string
		began time.Time
		goes  bool
	}{
		{"after the last segment", a.through.Time().Add(time.Second), true},
		{"before it", a.through.Time().Add(-time.Second), false},
	} {
		next := h.archiver(d, nil)
		next.Began = tt.began
		if err := next.open(t.Context()); err != nil {
			t.Fatal(err)
		}
		if goes := next.note.Chain != 0; goes != tt.goes {
			t.Errorf("a house that begins %s: the chain goes on: %v", tt.name, goes)
		}
		next.letGo()
	}
	if err := a.saveNote(); err != nil {
		t.Fatal(err)
	}
	if forgotten, err := Forget(a.StateFile, a.through.Time().Add(time.Second)); forgotten || err != nil {
		t.Errorf("the note, after the last segment: %v, %v", forgotten, err)
	}
	if forgotten, err := Forget(a.StateFile, a.through.Time().Add(-time.Second)); !forgotten || err != nil {
		t.Errorf("the note, before it: %v, %v", forgotten, err)
	}
}

// TestAStoreThatIsDeletedMeanwhileIsNoTrouble: it was listed, and is gone when it is to be
// opened.
func TestAStoreThatIsDeletedMeanwhileIsNoTrouble(t *testing.T) {
	t.Parallel()
	h, d := newHouse(t), memoryDepot(t)
	h.add("house")
	s := h.add("deployments/preview")
	a := h.archiver(d, nil)
	h.first(a)
	s.put(t, value.ID{}, row{1, "in vain"})
	s.use = func() error {
		s.removed = s.history[len(s.history)-1].ts
		return errors.New("there is no such deployment")
	}
	h.ship(a)
	if s.told = a.through; a.broken != nil || a.known[s.name] != nil {
		t.Errorf("it is trouble: %v", a.broken)
	}
	site, _ := restoreAt(t, d, nil, a.through)
	h.compare(site, a.through)
}

// TestAHouseThatCannotTellWhatThereIsEndsNothing: a store of which nothing can be found
// out is not taken for deleted.
func TestAHouseThatCannotTellWhatThereIsEndsNothing(t *testing.T) {
	t.Parallel()
	h, d := newHouse(t), memoryDepot(t)
	h.add("house")
	s := h.add("deployments/a")
	a := h.archiver(d, nil)
	h.first(a)
	s.put(t, value.ID{}, row{1, "one"})
	s.use = func() error { h.mute = errors.New("the rows cannot be read"); return ErrClosed }
	if err := a.ship(t.Context(), true); err == nil || !strings.Contains(err.Error(), "the rows cannot be read") {
		t.Errorf("the segment: %v", err)
	}
	s.use, h.mute = nil, nil
	h.ship(a)
	site, _ := restoreAt(t, d, nil, a.through)
	h.compare(site, a.through)
}

// TestNowWaitsAlsoByAClockThatWasSetBack: what was backed up ends in the future then, which
// says nothing of what was committed since.
func TestNowWaitsAlsoByAClockThatWasSetBack(t *testing.T) {
	t.Parallel()
	h, d := newHouse(t), memoryDepot(t)
	s := h.add("house")
	a := h.archiver(d, nil)
	h.first(a)
	ahead := segment{after: a.through, through: persistence.Timestamp(time.Now().Add(time.Hour).UnixNano())}
	if _, err := a.vault.put(t.Context(), ahead.name(a.note.Chain), func(w io.Writer) error {
		return newRecords(w, head{House: h.ID(), After: ahead.after, Through: ahead.through}).close()
	}); err != nil {
		t.Fatal(err)
	}
	a.letGo()
	if err := s.db.Settle(ahead.through); err != nil { // as it was by the clock before
		t.Fatal(err)
	}
	a = h.archiver(d, nil)
	a.Every = time.Hour
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- a.Run(ctx) }()
	for i := range 3 { // Run begins with a segment of its own
		s.put(t, value.ID{}, row{i, "now"})
		if done, err := a.Now(t.Context(), false, func(string) {}); err != nil || !done.Through.After(ahead.through.Time()) || done.Bytes == 0 {
			t.Errorf("%d: %+v, %v", i, done, err)
		}
		site, _ := restoreAt(t, d, nil, persistence.Timestamp(a.State().Through.UnixNano()))
		h.compare(site, s.history[len(s.history)-1].ts)
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

// tidied is a depot that is tidied up when somebody has begun to read certain objects.
type tidied struct {
	depot.Depot
	prefix string
	once   sync.Once
	tidy   func()
}

// Open is part of Depot.
func (d *tidied) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	if strings.HasPrefix(name, d.prefix) {
		d.once.Do(d.tidy)
	}
	return d.Depot.Open(ctx, name)
}

// TestWhoReadsWhileItIsTidiedUpFindsEverything: a house that runs merges segments every
// hour, also while somebody restores or verifies elsewhere.
func TestWhoReadsWhileItIsTidiedUpFindsEverything(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"restore", "restore with other keys", "verify", "list"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			h, inner := newHouse(t), memoryDepot(t)
			s := h.add("house")
			s.upload(t, "files/aa/early", "early")
			a := h.archiver(inner, nil)
			h.first(a)
			for i := range 5 {
				id := s.put(t, value.ID{}, row{i, "a row"})
				h.ship(a)
				s.remove(t, id)
				h.files = []File{{"keyring", time.Now(), fmt.Appendf(nil, "ring %d", i)}}
				h.ship(a)
			}
			s.unload(t, "files/aa/early")
			h.ship(a)
			h.base(a, false)
			s.put(t, value.ID{}, row{9, "the last"})
			h.ship(a)
			prefix, keep := logPrefix, Keep{Window: 24 * time.Hour}
			if what == "list" { // the first base is removed
				prefix, keep = basePrefix, Keep{Window: time.Nanosecond}
			}
			d := &tidied{Depot: inner, prefix: prefix, tidy: func() {
				later := tidy{v: a.vault, house: h.ID(), chain: a.note.Chain, keep: keep, now: time.Now().Add(2 * time.Hour), settle: nothing}
				before := len(objects(t, inner))
				if err := later.run(t.Context()); err != nil || len(objects(t, inner)) >= before {
					t.Errorf("tidied up: %v, of %d objects %d are left", err, before, len(objects(t, inner)))
				}
			}}
			if what == "list" {
				c, err := List(t.Context(), d, nil)
				if err != nil || len(c.Bases) != 1 {
					t.Errorf("%+v, %v", c, err)
				}
				return
			}
			if what == "verify" {
				v, err := Verify(t.Context(), d, nil, nil)
				if err != nil || len(v.Damaged) > 0 || v.Bases != 2 || v.Segments == 0 {
					t.Errorf("%+v, %v", v, err)
				}
				return
			}
			site := newSite()
			if what != "restore" { // the base's are under a master key of before
				site.check = func(files map[string][]byte) error {
					if string(files["keyring"]) != "ring 4" {
						return errors.New("another key")
					}
					return nil
				}
			}
			at := s.history[len(s.history)-4].ts // before the second base
			if what != "restore" {
				at = s.history[len(s.history)-2].ts
			}
			if _, err := Restore(t.Context(), d, nil, at.Time(), site, nil); err != nil {
				t.Fatal(err)
			}
			h.compare(site, at)
		})
	}
}

// TestTheFirstBaseLeavesOutWhatCannotBeOpened: the others are backed up all the same, and
// it comes whole in the first segment after it can be opened, also if the house began anew
// meanwhile. What earlier bases have of it stays until then.
func TestTheFirstBaseLeavesOutWhatCannotBeOpened(t *testing.T) {
	t.Parallel()
	const name = "deployments/broken"
	for _, tt := range []struct {
		name             string
		closed           bool // when the base begins
		restart, forgets bool
		before           bool // there is a chain that has it
	}{
		{"closed", true, false, false, false},
		{"being opened", false, false, false, false},
		{"a restart", true, true, false, false},
		{"it has forgotten", true, false, true, false},
		{"an earlier chain", true, false, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h, d := newHouse(t), memoryDepot(t)
			house, broken := h.add("house"), h.add(name)
			id := broken.put(t, value.ID{}, row{1, "in nothing yet"})
			broken.upload(t, "files/aa/one", "one")
			early := persistence.Timestamp(0)
			if tt.before {
				a := h.archiver(d, nil)
				h.first(a)
				early = a.through
				a.letGo()
				if err := os.Remove(a.StateFile); err != nil {
					t.Fatal(err)
				}
			}
			broken.closed, broken.use = tt.closed, func() error { return errors.New("its manifest is no manifest") }
			a := h.archiver(d, nil)
			a.Keep = Keep{Window: time.Nanosecond}
			done, err := a.Once(t.Context())
			if err == nil || !strings.Contains(err.Error(), "all but this is backed up: ") || !strings.Contains(err.Error(), name+": its manifest") {
				t.Fatalf("what is told: %v", err)
			}
			if done.Base == nil || !slices.Equal(done.Base.Without, []string{name}) || done.Base.Stores != 1 {
				t.Fatalf("the base: %+v", done.Base)
			}
			house.put(t, value.ID{}, row{2, "of the house"})
			a = h.archiver(d, nil)
			if err := a.open(t.Context()); err != nil || a.note.Chain == 0 {
				t.Fatalf("the chain does not go on: %v", err)
			}
			h.ship(a)
			site, out := restoreAt(t, d, nil, a.through)
			h.stores = []*testStore{house}
			h.compare(site, a.through)
			h.stores = []*testStore{house, broken}
			if site.stores[name] != nil || !slices.Equal(out.Without, []string{name}) {
				t.Errorf("restored: %+v", out)
			}
			if c, err := List(t.Context(), d, nil); err != nil || !slices.Equal(c.Bases[len(c.Bases)-1].Without, []string{name}) {
				t.Errorf("the list: %+v, %v", c, err)
			}
			if tt.before {
				site, _ := restoreAt(t, d, nil, early)
				h.compare(site, early)
			}
			h.base(a, false) // another, likewise
			if tt.restart {
				a.letGo()
				a = h.archiver(d, nil)
				if err := a.open(t.Context()); err != nil || a.note.Chain == 0 {
					t.Fatalf("the chain does not go on: %v", err)
				}
			}
			a.refused, broken.use, broken.closed = nil, nil, false // a minute later
			broken.put(t, id, row{3, "after it"})
			if tt.forgets {
				if err := broken.db.Prune(t.Context(), broken.db.Latest()); err != nil {
					t.Fatal(err)
				}
				if err := a.ship(t.Context(), true); !errors.Is(err, errChain) {
					t.Fatalf("what it has forgotten cannot be shipped: %v", err)
				}
				h.base(a, true)
			}
			h.ship(a)
			if a.broken != nil {
				t.Errorf("it can be opened: %v", a.broken)
			}
			site, out = restoreAt(t, d, nil, a.through)
			h.compare(site, a.through)
			if len(out.Without) > 0 {
				t.Errorf("restored without %v", out.Without)
			}
			h.base(a, false)
			later := tidy{v: a.vault, house: h.ID(), chain: a.note.Chain, keep: Keep{Window: time.Nanosecond}, now: time.Now(), settle: nothing}
			if err := later.run(t.Context()); err != nil {
				t.Fatal(err)
			}
			if c, err := List(t.Context(), d, nil); err != nil || len(c.Bases) != 1 || c.Bases[0].Stores != 2 {
				t.Errorf("tidied up: %+v, %v", c, err)
			}
		})
	}
}

// TestWhatASegmentHasTheFirstBaseMustHave: it was opened while the base was being made, and
// cannot be when it is its turn.
func TestWhatASegmentHasTheFirstBaseMustHave(t *testing.T) {
	t.Parallel()
	h, d := newHouse(t), memoryDepot(t)
	h.add("house")
	s := h.add("deployments/a")
	s.put(t, value.ID{}, row{1, "one"})
	s.closed = true
	a := h.archiver(d, nil)
	if err := a.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	j, err := a.begin(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	defer j.end()
	s.put(t, value.ID{}, row{2, "two"})
	h.ship(a)
	s.use = func() error { return errors.New("its manifest is no manifest") }
	if _, err := a.base(t.Context(), j); err == nil || !strings.Contains(err.Error(), "open deployments/a: its manifest") {
		t.Errorf("a base without it: %v", err)
	}
	if c, err := a.vault.look(t.Context()); err != nil || len(c.bases) > 0 {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestWhatTheFirstBaseLeftOutIsOpenedByTheBackup when it can be: nobody else need do so.
func TestWhatTheFirstBaseLeftOutIsOpenedByTheBackup(t *testing.T) {
	t.Parallel()
	h, d := newHouse(t), memoryDepot(t)
	h.add("house")
	s := h.add("deployments/a")
	s.put(t, value.ID{}, row{1, "one"})
	s.closed, s.use = true, func() error { return errors.New("its manifest is no manifest") }
	a := h.archiver(d, nil)
	h.first(a)
	for range 2 {
		h.ship(a)
		if a.broken == nil || s.used != 1 {
			t.Errorf("what is told: %v, it was opened %d times", a.broken, s.used)
		}
	}
	a.refused, s.use = nil, nil // a minute later
	h.ship(a)
	if a.broken != nil {
		t.Errorf("it can be opened: %v", a.broken)
	}
	site, out := restoreAt(t, d, nil, a.through)
	h.compare(site, a.through)
	if len(out.Without) > 0 {
		t.Errorf("restored without %v", out.Without)
	}
}

// TestRunTellsWhatTheFirstBaseIsWithout once there is one, to who asks for it too.
func TestRunTellsWhatTheFirstBaseIsWithout(t *testing.T) {
	t.Parallel()
	for _, closed := range []bool{true, false} {
		t.Run(fmt.Sprintf("closed %v", closed), func(t *testing.T) {
			t.Parallel()
			runWithBroken(t, closed)
		})
	}
}

// runWithBroken has a house with a store that cannot be opened backed up all the time.
func runWithBroken(t *testing.T, closed bool) {
	h, d := newHouse(t), memoryDepot(t)
	h.add("house")
	broken := h.add("deployments/broken")
	broken.closed, broken.use = closed, func() error { return errors.New("its manifest is no manifest") }
	a := h.archiver(d, nil)
	a.Every = time.Hour
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- a.Run(ctx) }()
	done, err := a.Now(t.Context(), false, func(string) {})
	if err == nil || !strings.Contains(err.Error(), "all but this is backed up") || !strings.Contains(err.Error(), broken.name) {
		t.Errorf("%+v, %v", done, err)
	}
	if st := a.State(); st.Through.IsZero() {
		t.Errorf("nothing is backed up: %+v", st)
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	h.stores = h.stores[:1]
	site, _ := restoreAt(t, d, nil, a.through)
	h.compare(site, a.through)
	if slices.Contains(a.note.Stores, broken.name) {
		t.Errorf("the note: %+v", a.note)
	}
}

// TestAStoreThatCannotBeOpenedAtAStartIsAskedLater whether it is where its backup ended.
func TestAStoreThatCannotBeOpenedAtAStartIsAskedLater(t *testing.T) {
	t.Parallel()
	for _, older := range []bool{false, true} {
		t.Run(fmt.Sprintf("an older one %v", older), func(t *testing.T) {
			t.Parallel()
			h, d := newHouse(t), memoryDepot(t)
			h.add("house")
			s := h.add("deployments/a")
			a := h.archiver(d, nil)
			h.first(a)
			s.put(t, value.ID{}, row{1, "one"})
			h.ship(a)
			a.letGo()
			if older { // of the same name, and without that commit
				h.stores = h.stores[:1]
				s = h.add("deployments/a")
			}
			s.closed, s.use = true, func() error { return errors.New("its manifest is no manifest") }
			a = h.archiver(d, nil)
			if err := a.open(t.Context()); err != nil || a.note.Chain == 0 {
				t.Fatalf("the chain does not go on: %v", err)
			}
			s.closed = false
			h.ship(a)
			if a.broken == nil {
				t.Error("it cannot be opened, and nothing is told")
			}
			a.refused, s.use = nil, nil
			if err := a.ship(t.Context(), true); errors.Is(err, errChain) != older || err != nil && !older {
				t.Errorf("it can be opened: %v", err)
			}
		})
	}
}
