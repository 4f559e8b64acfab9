package archive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/depot"
	"github.com/lentil-dev/lentil/internal/persistence"
)

// Archiver backs a house up to a depot. Fill the fields, then call Run, or Once. One
// depot has one archiver at a time.
type Archiver struct {
	House House
	Depot depot.Depot
	Key   []byte // seals what is written; nil: nothing is sealed
	// StateFile is where the chain is noted, in the house's data directory.
	StateFile string
	Log       *slog.Logger

	Every     time.Duration // between segments; default 5 seconds
	BaseEvery time.Duration // between bases; default a day
	Keep      Keep
	Rate      int64 // bytes a second that making a base reads; default 32 MiB; below 0 unlimited
	// Began is when the house began, before it committed anything; zero if all that was
	// backed up before may have been so by this process.
	Began time.Time
	// Follow says that this archiver is the one that learns of blobs by what changed;
	// otherwise it lists them all each time.
	Follow bool

	vault   *vault
	through persistence.Timestamp // all is in the depot up to here
	broken  error                 // why stores were left out of the newest segment; nil: none was
	refused map[string]refusal    // by name of store: the last try to open it
	shipped time.Time             // when the newest segment was written
	note    note
	known   map[string]*follow // by name of store; those of the chain
	files   map[string]time.Time

	mu    sync.Mutex // over what follows
	state State
	asks  chan ask
	// uncopied are the stores that a chain's first base, which is being made, has yet to
	// open; left are those that it could not, which are not of the chain then.
	uncopied map[string]bool
	left     unopened
}

// Defaults of an Archiver.
const (
	defaultEvery     = 5 * time.Second
	defaultBaseEvery = 24 * time.Hour
	defaultRate      = 32 << 20
	// heartbeat is how often an idle house says that it is still backed up.
	heartbeat = time.Minute
	// maxHold is how long revisions that are not backed up are kept for the backup. A
	// depot that is away for longer costs a new base, not the house's disk.
	maxHold = 24 * time.Hour
)

// note is what the data directory remembers of a depot.
type note struct {
	Depot  string   `json:"depot"`
	Chain  chain    `json:"chain"`
	Stores []string `json:"stores"` // that the chain has
	// Behind are those that could not be opened for a while, and through when they are in
	// the chain.
	Behind map[string]persistence.Timestamp `json:"behind,omitempty"`
	// Through is where the chain ended, at the latest when this was written.
	Through persistence.Timestamp `json:"through,omitempty"`
}

// follow is what is known of a store of the chain.
type follow struct {
	behind  persistence.Timestamp // it is in the depot up to here, if not up to the newest segment; else 0
	opened  int64                 // as of the newest segment; -1: not known
	open    bool
	db      *database.DB // which was open then
	release func()       // of the hold at its newest moment; nil if there is none
	held    *database.DB // of which that is
	pause   func() (end func())
	resume  func()          // of the pause; nil if there is none
	blobs   map[string]bool // what became of them, not shipped yet
	all     bool            // that is not known: all must be listed
	// newest is a commit that it must have, which could not be found out at the start; else 0.
	newest persistence.Timestamp
}

// State is how a backup stands.
type State struct {
	Depot   string    `json:"depot"`
	Every   float64   `json:"everySeconds"`
	Through time.Time `json:"through,omitzero"` // what was committed until then can be restored
	Base    time.Time `json:"base,omitzero"`    // the newest one
	// Behind is how long ago Through is, in seconds, if there is something to ship.
	Behind   float64   `json:"behindSeconds"`
	Segments int64     `json:"segments"` // written since the house began
	Bytes    int64     `json:"bytes"`
	Failing  time.Time `json:"failing,omitzero"` // since when; zero: it is not
	Problem  string    `json:"problem,omitempty"`
	Doing    string    `json:"doing,omitempty"`
	// Newest is what the base has that was made last; zero if none was in this process.
	Newest Summary `json:"-"`
	// partial says what the newest segment or base was left without; nil: nothing.
	partial error
}

// State tells how the backup stands.
func (a *Archiver) State() State {
	a.mu.Lock()
	defer a.mu.Unlock()
	st := a.state
	if !st.Through.IsZero() {
		st.Behind = max(0, time.Since(st.Through).Seconds())
	}
	return st
}

// tell changes the state.
func (a *Archiver) tell(f func(*State)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f(&a.state)
}

// prepare fills in defaults.
func (a *Archiver) prepare() error {
	if a.House == nil || a.Depot == nil || a.StateFile == "" {
		return errors.New("archive: Archiver needs House, Depot and StateFile")
	}
	if a.Log == nil {
		a.Log = slog.New(slog.DiscardHandler)
	}
	a.Every = cmpOr(a.Every, defaultEvery)
	a.BaseEvery = cmpOr(a.BaseEvery, defaultBaseEvery)
	a.Keep = a.Keep.defaulted()
	if a.Rate == 0 {
		a.Rate = defaultRate
	}
	a.tell(func(s *State) { s.Depot, s.Every = a.Depot.String(), a.Every.Seconds() })
	return nil
}

// cmpOr is v, or d if v is not above zero.
func cmpOr(v, d time.Duration) time.Duration {
	if v <= 0 {
		return d
	}
	return v
}

// ErrOtherHouse means that a depot holds the backup of another house.
var ErrOtherHouse = errors.New("holds the backup of another house; each house needs a place of its own")

// open looks at the depot and goes on where the chain ended, if it is ours; else it
// leaves chain at zero. It is asked again after each failure.
func (a *Archiver) open(ctx context.Context) error {
	a.letGo()
	a.vault, a.known, a.files, a.note, a.through = nil, map[string]*follow{}, map[string]time.Time{}, note{}, 0
	m, err := readMarker(ctx, a.Depot)
	if err != nil {
		return err
	}
	switch {
	case m == nil:
		m = &marker{What: "A backup of a Lentil house. Restore it with: lentil restore", Format: depotFormat, House: a.House.ID(), Sealed: a.Key != nil, Check: keyCheck(a.Key, a.House.ID())}
		text, err := json.MarshalIndent(m, "", "  ")
		if err != nil {
			return err
		}
		if _, err := a.Depot.Put(ctx, markerName, bytesReader(append(text, '\n'))); err != nil {
			return err
		}
	case m.House != a.House.ID():
		return fmt.Errorf("%s %w", a.Depot, ErrOtherHouse)
	case m.Sealed != (a.Key != nil):
		if m.Sealed {
			return ErrSealed
		}
		return fmt.Errorf("%s holds a backup that is not sealed; take another place for one that is", a.Depot)
	default:
		if err := m.check(a.Key); err != nil {
			return err
		}
	}
	v := &vault{a.Depot, a.Key}
	var n note
	if b, err := os.ReadFile(a.StateFile); err == nil {
		if json.Unmarshal(b, &n) != nil || n.Depot != a.Depot.String() {
			n = note{}
		}
	}
	if n.Chain != 0 {
		c, err := v.look(ctx)
		if err != nil {
			return err
		}
		if ok, err := a.goOn(ctx, v, c, n); err != nil {
			return err
		} else if !ok {
			a.Log.Info("backup begins anew: the house is not where its backup ended", "depot", a.Depot.String())
		}
	}
	a.vault = v
	return nil
}

// goOn takes a chain up again, unless it is gone or the stores know nothing of its
// newest commits: they are those of an earlier copy of the data directory then.
func (a *Archiver) goOn(ctx context.Context, v *vault, c *contents, n note) (bool, error) {
	var base baseID
	for _, b := range c.bases {
		if b.chain == n.Chain {
			base = b
		}
	}
	if base.at == 0 {
		return false, nil
	}
	end, unsure := n.Chain, map[string]persistence.Timestamp{}
	if list := c.segments[n.Chain]; len(list) > 0 {
		end = c.end(n.Chain)
		last := slices.MaxFunc(list, func(a, b segment) int { return int(max(-1, min(1, a.through-b.through))) })
		ours, untold, err := a.continues(ctx, v, last.name(n.Chain))
		if err != nil || !ours {
			return false, err
		}
		unsure = untold
	}
	if !a.Began.IsZero() && end.Time().After(a.Began) {
		return false, nil // by a clock that was set back, commits are older than what was backed up before
	}
	a.note, a.through, a.shipped = n, end, time.Now()
	for _, name := range n.Stores {
		a.known[name] = &follow{behind: n.Behind[name], opened: -1, all: true, newest: unsure[name]}
	}
	a.tell(func(s *State) { s.Through, s.Base = end.Time(), base.at.Time() })
	return true, nil
}

// continues tells whether the stores have the newest commits of a segment. Those that
// cannot be opened are asked when they can.
func (a *Archiver) continues(ctx context.Context, v *vault, name string) (ours bool, unsure map[string]persistence.Timestamp, err error) {
	newest, unsure := map[string]persistence.Timestamp{}, map[string]persistence.Timestamp{}
	store := ""
	if err := v.records(ctx, name, func(rec record) error {
		switch rec.kind {
		case storeRecord:
			store = rec.name
		case goneRecord:
			delete(newest, rec.name)
		case commitRecord:
			newest[store] = rec.ts
		}
		return nil
	}); err != nil {
		return false, nil, err
	}
	stores, err := a.House.Stores(ctx, 0)
	if err != nil {
		return false, nil, err
	}
	for _, s := range stores {
		ts, ok := newest[s.Name]
		delete(newest, s.Name)
		if !ok {
			continue
		}
		has := true
		err := a.use(ctx, s, func(db *database.DB) (err error) {
			has, err = hasCommit(ctx, db, ts)
			return err
		})
		switch refused := (unopenedError{}); {
		case errors.As(err, &refused) && ctx.Err() == nil:
			unsure[s.Name] = ts
		case err != nil:
			return false, nil, err
		case !has:
			return false, nil, nil
		}
	}
	return len(newest) == 0, unsure, nil // a store that is gone without a word is another history too
}

// hasCommit tells whether a database has a commit, or has forgotten whether it does.
func hasCommit(ctx context.Context, db *database.DB, ts persistence.Timestamp) (bool, error) {
	has, known, err := db.Has(ctx, ts)
	if db.Latest() < ts {
		known = true // it cannot have been forgotten
	}
	return has || !known, err
}

// unopenedError is that a store cannot be opened.
type unopenedError struct{ error }

// Unwrap is why.
func (u unopenedError) Unwrap() error { return u.error }

// use calls f with a store's database; not if the store is gone by now.
func (a *Archiver) use(ctx context.Context, s Store, f func(*database.DB) error) error {
	in, err := s.Use(ctx)
	for errors.Is(err, ErrClosed) {
		if s, err = a.again(ctx, s.Name, 0); err != nil || s.Name == "" {
			return err
		}
		in, err = s.Use(ctx)
	}
	if err != nil {
		return unopenedError{err}
	}
	defer in.Release()
	return f(in.DB)
}

// saveNote makes the chain and its stores durable.
func (a *Archiver) saveNote() error {
	a.note.Depot, a.note.Stores, a.note.Through, a.note.Behind = a.Depot.String(), a.chained(), a.through, nil
	for name, f := range a.known {
		if f.behind != 0 {
			if a.note.Behind == nil {
				a.note.Behind = map[string]persistence.Timestamp{}
			}
			a.note.Behind[name] = f.behind
		}
	}
	b, err := json.Marshal(a.note)
	if err != nil {
		return err
	}
	tmp := a.StateFile + ".new"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp, a.StateFile)
	}
	return err
}

// chained are the stores that the chain has for certain.
func (a *Archiver) chained() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.DeleteFunc(slices.Sorted(maps.Keys(a.known)), func(name string) bool { return a.uncopied[name] || a.left[name] != nil })
}

// leaveOut notes that a chain's first base goes without a store that cannot be opened:
// the first segment in which it can brings all of it. It is false if a segment has some
// of it already, which would be of no use without the rest.
func (a *Archiver) leaveOut(name string, err error) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.uncopied[name] {
		return false
	}
	delete(a.uncopied, name)
	if a.left == nil {
		a.left = unopened{}
	}
	a.left[name] = err
	return true
}

// copied notes that a base has a store.
func (a *Archiver) copied(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.uncopied, name)
}

// catchUp takes what the first base left out, so far, out of the chain. If a store is
// named, a segment is about to have it: from now on the base must, too.
func (a *Archiver) catchUp(taken string) {
	a.mu.Lock()
	left := a.left
	a.left = nil
	delete(a.uncopied, taken)
	a.mu.Unlock()
	for name, err := range left {
		if f := a.known[name]; f != nil {
			f.letGo()
			delete(a.known, name)
		}
		if name != taken {
			a.refused[name] = refusal{time.Now(), err}
		}
	}
}

// Forget removes the note of a depot if the chain in it goes on beyond a time, which is
// when a house begins: the clock was set back, and the house's commits from now on would be
// older than what was backed up. The next backup begins anew.
func Forget(stateFile string, began time.Time) (forgotten bool, err error) {
	var n note
	b, err := os.ReadFile(stateFile)
	if err != nil || json.Unmarshal(b, &n) != nil || !n.Through.Time().After(began) {
		return false, err
	}
	return true, os.Remove(stateFile)
}

// letGo ends all holds and pauses.
func (a *Archiver) letGo() {
	for _, f := range a.known {
		f.letGo()
	}
}

// since is the moment up to which a store is in the depot; 0 if it is not.
func (a *Archiver) since(f *follow) persistence.Timestamp {
	switch {
	case f == nil:
		return 0
	case f.behind != 0:
		return f.behind
	}
	return a.through
}

// letGo ends the holds of one store.
func (f *follow) letGo() {
	if f.release != nil {
		f.release()
		f.release = nil
	}
	if f.resume != nil {
		f.resume()
		f.resume = nil
	}
}
