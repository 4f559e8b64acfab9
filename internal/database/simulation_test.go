package database_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/persistence/pebblestore"
	"github.com/lentil-dev/lentil/internal/value"
)

// seedFlag repeats one history, as far as the scheduler lets it be repeated.
var seedFlag = flag.Uint64("seed", 0, "seed of the simulation; 0 is a random one")

// stores are the stores that the simulation runs over.
var stores = map[string]func(t *testing.T) persistence.Store{
	"memory": func(*testing.T) persistence.Store { return persistence.NewMemory() },
	"pebble": func(t *testing.T) persistence.Store {
		s, err := pebblestore.Open(t.TempDir(), pebblestore.Options{MemTableSize: 128 << 10})
		if err != nil {
			t.Fatal(err)
		}
		return s
	},
}

// TestSimulation runs random transactions at once and then replays those that
// committed, in the order of their timestamps, against a plain map. The
// history is right if every transaction that committed had read what the map
// holds at its timestamp, every snapshot what it held at the snapshot's, and
// every subscription was told of the first write that changed its answer.
func TestSimulation(t *testing.T) {
	t.Parallel()
	for name, open := range stores {
		for _, o := range []struct {
			name string
			opts database.Options
		}{{"", database.Options{}}, {"Small", database.Options{CacheSize: 64 << 10, LogSize: 60}}} {
			t.Run(name+o.name, func(t *testing.T) {
				t.Parallel()
				seed := *seedFlag
				if seed == 0 {
					seed = rand.Uint64()
				}
				o.opts.Store = open(t)
				s := &simulation{t: t, seed: seed, docs: map[value.ID]bool{}}
				s.run(o.opts)
				if t.Failed() {
					t.Logf("go test -run %s -seed %d", t.Name(), seed)
				}
			})
		}
	}
}

// Sizes of a simulation.
const (
	simClients      = 6
	simTransactions = 40 // of each client, before a restart and after
	simKeys         = 12 // distinct values of the indexed field
)

// simulation is one run.
type simulation struct {
	t    *testing.T
	seed uint64
	db   *database.DB

	mu      sync.Mutex
	history []simTx
	docs    map[value.ID]bool // every id that was ever made
	checks  []simCheck
}

// simTx is a transaction that committed.
type simTx struct {
	at     persistence.Timestamp
	writes []simWrite
	reads  []simRead
}

// simWrite sets a document, or removes it.
type simWrite struct {
	id      value.ID
	k, n    int
	created float64
	gone    bool
}

// simRead is what a transaction asked before it wrote, and the answer.
type simRead struct {
	q      simQuery
	answer string
}

// simCheck is an answer that was valid in a span of time: at the snapshot, and
// through until, where it is known that nothing had told otherwise.
type simCheck struct {
	simRead
	at, until persistence.Timestamp
}

// simQuery is a get or a scan of the index by k.
type simQuery struct {
	id     value.ID // if set
	lo, hi int      // of k, half open
	desc   bool
	limit  int
	byTime bool // over by_creation_time instead
}

// String is for failures.
func (q simQuery) String() string {
	if q.id != (value.ID{}) {
		return "get " + q.id.String()
	}
	return fmt.Sprintf("scan [%d,%d) desc=%v limit=%d byTime=%v", q.lo, q.hi, q.desc, q.limit, q.byTime)
}

// key is the index key of a value of k.
func key(k int) []byte { return value.AppendKey(nil, value.Float64(k)) }

// ask runs a query.
func (q simQuery) ask(ctx context.Context, tx *database.Tx) (string, error) {
	var b strings.Builder
	add := func(d *database.Document) {
		k, _ := d.Object().Get("k")
		n, _ := d.Object().Get("n")
		fmt.Fprintf(&b, "%s k=%v n=%v;", d.ID, k, n)
	}
	if q.id != (value.ID{}) {
		d, err := tx.Get(ctx, q.id)
		if d != nil {
			add(d)
		}
		return b.String(), err
	}
	index, in := "by_k", database.Interval{Lower: key(q.lo), Upper: key(q.hi)}
	if q.byTime {
		index, in = database.ByCreationTime, database.Interval{}
	}
	c := tx.Scan("docs", index, in, database.Order(q.desc))
	for range q.limit {
		d, err := c.Next(ctx)
		if err != nil {
			return "", err
		}
		if d == nil {
			b.WriteString("end")
			break
		}
		add(d)
	}
	return b.String(), nil
}

// model is what the database should hold at one point.
type model map[value.ID]simWrite

// ask answers a query from the model.
func (m model) ask(q simQuery) string {
	var b strings.Builder
	add := func(w simWrite) { fmt.Fprintf(&b, "%s k=%v n=%v;", w.id, value.Float64(w.k), value.Float64(w.n)) }
	if q.id != (value.ID{}) {
		if w, ok := m[q.id]; ok {
			add(w)
		}
		return b.String()
	}
	var rows []simWrite
	for _, w := range m {
		if q.byTime || w.k >= q.lo && w.k < q.hi {
			rows = append(rows, w)
		}
	}
	slices.SortFunc(rows, func(a, b simWrite) int {
		ka, kb := value.Array{value.Float64(a.k), value.Float64(a.created)}, value.Array{value.Float64(b.k), value.Float64(b.created)}
		if q.byTime {
			ka, kb = ka[1:], kb[1:]
		}
		c := value.Compare(ka, kb)
		if c == 0 {
			c = strings.Compare(string(a.id.Internal[:]), string(b.id.Internal[:]))
		}
		if q.desc {
			c = -c
		}
		return c
	})
	for i := range q.limit {
		if i == len(rows) {
			b.WriteString("end")
			break
		}
		add(rows[i])
	}
	return b.String()
}

// run drives the clients, with a restart in between, then replays.
func (s *simulation) run(o database.Options) {
	ctx, store := s.t.Context(), o.Store
	o.Store = stepped{store}
	s.t.Cleanup(func() {
		if err := store.Close(); err != nil {
			s.t.Error(err)
		}
	})
	start := persistence.Timestamp(0)
	for phase := range uint64(2) {
		s.phase(ctx, o, func() {
			if err := s.db.EnsureTables(ctx, []database.TableDef{{Name: "docs", Indexes: []database.IndexDef{{Name: "by_k", Fields: []string{"k"}}}}}); err != nil {
				s.t.Error(err)
			}
			start = max(start, s.db.Latest()*persistence.Timestamp(1-phase))
			var wg sync.WaitGroup
			for i := range simClients {
				rng := rand.New(rand.NewPCG(s.seed, uint64(i)+100*phase))
				wg.Add(1)
				go func() {
					defer wg.Done()
					if err := s.client(ctx, rng, i+simClients*int(phase)); err != nil {
						s.t.Error(err)
					}
				}()
			}
			wg.Wait()
		})
	}
	if !s.t.Failed() {
		s.replay(start)
	}
	if !s.t.Failed() {
		s.phase(ctx, o, func() { s.rebuild(ctx) })
	}
}

// phase opens the database for f, and closes it again.
func (s *simulation) phase(ctx context.Context, o database.Options, f func()) {
	var err error
	if s.db, err = database.Open(ctx, o); err != nil {
		s.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- s.db.Run(ctx) }()
	f()
	stop()
	if err := errors.Join(<-done, s.db.Close()); err != nil {
		s.t.Error(err)
	}
}

// query makes a random query.
func (s *simulation) query(rng *rand.Rand) simQuery {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.docs); n > 0 && rng.IntN(3) == 0 {
		ids := slices.SortedFunc(maps.Keys(s.docs), func(a, b value.ID) int { return strings.Compare(a.String(), b.String()) })
		return simQuery{id: ids[rng.IntN(n)]}
	}
	lo := rng.IntN(simKeys)
	return simQuery{lo: lo, hi: lo + 1 + rng.IntN(3), desc: rng.IntN(2) == 0, limit: 1 + rng.IntN(6), byTime: rng.IntN(8) == 0}
}

// client runs its share of transactions, and watches some of what it reads.
func (s *simulation) client(ctx context.Context, rng *rand.Rand, client int) error {
	var open []watching
	for i := range simTransactions {
		if rng.IntN(3) == 0 {
			w, err := s.subscribe(ctx, rng)
			switch {
			case err == nil:
				open = append(open, w)
			case !errors.Is(err, database.ErrTooOld):
				return err
			}
		}
		if err := s.transact(ctx, rng, client*10000+i); err != nil {
			return err
		}
		open = slices.DeleteFunc(open, func(w watching) bool { return s.look(w, rng.IntN(10) == 0) })
		if client == 0 && i%20 == 19 {
			if err := s.db.Prune(ctx, s.db.Latest()-20_000_000); err != nil {
				return err
			}
		}
	}
	for _, w := range open {
		s.look(w, true)
	}
	return nil
}

// watching is a subscription with the answer that it watches.
type watching struct {
	simCheck
	sub   *database.Subscription
	reads *database.ReadSet
}

// subscribe asks something in a snapshot and watches it.
func (s *simulation) subscribe(ctx context.Context, rng *rand.Rand) (watching, error) {
	tx, err := s.db.Begin(ctx)
	if err != nil {
		return watching{}, err
	}
	if at := s.past(rng); at != 0 {
		past, err := s.db.BeginAt(ctx, at)
		if err != nil {
			return watching{}, err
		}
		tx = past
	}
	q := s.query(rng)
	answer, err := q.ask(ctx, tx)
	if err != nil {
		return watching{}, err
	}
	w := watching{simCheck: simCheck{simRead: simRead{q, answer}, at: tx.Snapshot(), until: tx.Snapshot()}, reads: tx.Reads()}
	w.sub = s.db.Subscribe(w.reads, tx.Snapshot())
	return w, nil
}

// past is now and then the time of some earlier commit, and otherwise zero.
func (s *simulation) past(rng *rand.Rand) persistence.Timestamp {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.history); n > 0 && rng.IntN(3) == 0 {
		return s.history[max(0, n-1-rng.IntN(40))].at
	}
	return 0
}

// look tells whether a subscription is over. As long as it is current, its
// answer is right up to the newest snapshot.
func (s *simulation) look(w watching, stop bool) bool {
	latest := s.db.Latest()
	unchanged := s.db.Unchanged(w.reads, w.at, latest)
	if w.sub.Current() {
		w.until = latest
		if !stop {
			return false
		}
	} else {
		<-w.sub.Done() // follows at once
		if unchanged && latest == s.db.Latest() {
			// Needless, which is allowed, but not when the log says so too: a
			// closed channel means that the write is visible.
			s.t.Errorf("done, but unchanged in (%d, %d]: %s", w.at, latest, w.q)
		}
	}
	w.sub.Close()
	if unchanged {
		w.until = latest
	}
	s.mu.Lock()
	s.checks = append(s.checks, w.simCheck)
	s.mu.Unlock()
	return true
}

// transact runs one transaction, again if it conflicts or its snapshot was
// pruned meanwhile.
func (s *simulation) transact(ctx context.Context, rng *rand.Rand, n int) error {
	for {
		err := s.try(ctx, rng, n)
		if !errors.Is(err, database.ErrConflict) && !errors.Is(err, database.ErrTooOld) {
			return err
		}
	}
}

// try runs one transaction.
func (s *simulation) try(ctx context.Context, rng *rand.Rand, n int) error {
	tx, err := s.db.Begin(ctx)
	if err != nil {
		return err
	}
	var h simTx
	for range rng.IntN(4) {
		q := s.query(rng)
		answer, err := q.ask(ctx, tx)
		if err != nil {
			return err
		}
		h.reads = append(h.reads, simRead{q, answer})
	}
	for range rng.IntN(3) {
		if err := s.write(ctx, tx, rng, n, &h); err != nil {
			return err
		}
	}
	if h.at, err = s.db.Commit(ctx, tx); err != nil {
		return err
	}
	if h.at == tx.Snapshot() {
		h.writes = nil // they cancelled each other out
	}
	if latest := s.db.Latest(); latest < h.at {
		return fmt.Errorf("commit %d answered while the newest snapshot is %d", h.at, latest)
	}
	s.mu.Lock()
	for _, w := range h.writes {
		s.docs[w.id] = true
	}
	if len(h.writes) > 0 {
		s.history = append(s.history, h)
	} else {
		for _, r := range h.reads {
			s.checks = append(s.checks, simCheck{r, h.at, h.at})
		}
	}
	s.mu.Unlock()
	return nil
}

// write changes something: often a document that a scan finds, so that writes
// depend on what was read; now and then it is taken back.
func (s *simulation) write(ctx context.Context, tx *database.Tx, rng *rand.Rand, n int, h *simTx) error {
	save := tx.Savepoint()
	w := simWrite{k: rng.IntN(simKeys), n: n}
	fields := obj("k", w.k, "n", n)
	q := simQuery{lo: rng.IntN(simKeys), hi: simKeys, limit: 1}
	c := tx.Scan("docs", "by_k", database.Interval{Lower: key(q.lo), Upper: key(q.hi)}, database.Asc)
	found, err := c.Next(ctx)
	switch {
	case err != nil:
		return err
	case found == nil || rng.IntN(3) == 0:
		if w.id, err = tx.Insert(ctx, "docs", fields); err != nil {
			return err
		}
		d, err := tx.Get(ctx, w.id)
		if err != nil || d == nil {
			return fmt.Errorf("own insert: %v, %v", d, err)
		}
		w.created = d.CreationTime
	case rng.IntN(4) == 0:
		w.id, w.gone = found.ID, true
		if err := tx.Delete(ctx, w.id); err != nil {
			return err
		}
	default:
		w.id, w.created = found.ID, found.CreationTime
		if err := tx.Replace(ctx, w.id, fields); err != nil {
			return err
		}
	}
	if rng.IntN(6) == 0 {
		tx.Rollback(save)
		return nil
	}
	h.writes = append(h.writes, w)
	return nil
}

// replay checks the history.
func (s *simulation) replay(start persistence.Timestamp) {
	slices.SortFunc(s.history, func(a, b simTx) int { return int(a.at - b.at) })
	m, last := model{}, start
	// Answers are checked at every state from at through until.
	slices.SortFunc(s.checks, func(a, b simCheck) int { return int(a.at - b.at) })
	var open []simCheck
	checks := s.checks
	state := func(upTo persistence.Timestamp) { // the model holds for [last, upTo)
		for len(checks) > 0 && checks[0].at < upTo {
			open = append(open, checks[0])
			checks = checks[1:]
		}
		open = slices.DeleteFunc(open, func(c simCheck) bool { return c.until < last })
		for _, c := range open {
			if got := m.ask(c.q); got != c.answer {
				s.t.Errorf("snapshot %d, not told otherwise up to %d, read %q; at %d it is %q: %s", c.at, c.until, c.answer, last, got, c.q)
			}
		}
	}
	for _, h := range s.history {
		if h.at <= last {
			s.t.Fatalf("commit %d after %d", h.at, last)
		}
		state(h.at)
		for _, r := range h.reads {
			if got := m.ask(r.q); got != r.answer {
				s.t.Errorf("commit %d read %q, just before it it is %q: %s", h.at, r.answer, got, r.q)
			}
		}
		for _, w := range h.writes {
			if m[w.id] = w; w.gone {
				delete(m, w.id)
			}
		}
		last = h.at
	}
	state(persistence.Max)
	s.t.Logf("%d commits, %d checks", len(s.history), len(s.checks))
}

// rebuild drops the index and declares it anew while documents change, and
// compares what both say.
func (s *simulation) rebuild(ctx context.Context) {
	update(s.t, s.db, func(tx *database.Tx) error {
		return tx.AddIndex(ctx, "docs", "again", []string{"k"}, database.Enabled)
	})
	rng := rand.New(rand.NewPCG(s.seed, 99))
	for i := range 40 {
		if err := s.transact(ctx, rng, 900000+i); err != nil {
			s.t.Error(err)
			return
		}
	}
	if err := s.db.EnsureTables(ctx, nil); err != nil { // returns when it is built
		s.t.Error(err)
		return
	}
	tx := begin(s.t, s.db)
	list := func(index string) (out []string) {
		c := tx.Scan("docs", index, database.Interval{}, database.Asc)
		for {
			d, err := c.Next(ctx)
			if err != nil {
				s.t.Error(err)
			}
			if d == nil {
				return out
			}
			out = append(out, string(d.JSON()))
		}
	}
	if a, b := list("by_k"), list("again"); !slices.Equal(a, b) {
		s.t.Errorf("backfilled index: %d rows, want %d", len(b), len(a))
	}
	if n, err := tx.Count(ctx, "docs"); err != nil || n != len(list("again")) {
		s.t.Errorf("Count = %d, %v", n, err)
	}
}
