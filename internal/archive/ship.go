package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/blob"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/persistence"
)

// bytesReader reads bytes.
func bytesReader(b []byte) io.Reader { return bytes.NewReader(b) }

// errChain means that the chain cannot go on, and another must begin.
var errChain = errors.New("the backup has a gap and begins anew")

// inUse is a store that is open for a while.
type inUse struct {
	Store
	*Access
}

// unopened are stores that could not be opened, and why.
type unopened map[string]error

// Error names them.
func (u unopened) Error() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(u)) {
		parts = append(parts, name+": "+u[name].Error())
	}
	return "cannot be opened, and is not backed up: " + strings.Join(parts, "; ")
}

// refusal is that a store could not be opened.
type refusal struct {
	at  time.Time
	err error
}

// reopen is how long after that it is tried again, unless somebody else has opened it.
const reopen = time.Minute

// active opens the stores that may have commits that are not in the depot, and settles
// them at one moment, which it returns; rest are the others, and broken those that cannot
// be opened. If a chain begins afresh, those that are closed are in rest, as its base is
// going to open one after the other.
func (a *Archiver) active(ctx context.Context, fresh bool) (list []inUse, rest []Store, broken unopened, now persistence.Timestamp, err error) {
	// The moment lies before the look at what is open: whatever opens later commits later.
	now = max(persistence.Timestamp(time.Now().UnixNano()), a.through+1)
	all, err := a.House.Stores(ctx, now)
	if err != nil {
		return nil, nil, nil, 0, err
	}
	broken = unopened{}
	if a.refused == nil {
		a.refused = map[string]refusal{}
	}
	a.catchUp("")
	defer func() {
		if err != nil {
			done(list)
			list = nil
		}
	}()
	for _, s := range all {
		if r, ok := a.refused[s.Name]; ok && !s.Open && time.Since(r.at) < reopen {
			broken[s.Name] = r.err
			continue
		}
		delete(a.refused, s.Name)
		name := s.Name
		s, in, err := a.take(ctx, s, fresh, now)
		switch {
		case err != nil && (ctx.Err() != nil || s.Name == ""): // how it stands could not be found out
			return list, nil, nil, 0, fmt.Errorf("%s: %w", name, err)
		case err != nil:
			if still, gerr := a.again(ctx, s.Name, now); gerr == nil && still.Name == "" {
				continue // it was deleted meanwhile
			}
			broken[s.Name] = err
			a.refused[s.Name] = refusal{time.Now(), err}
		case in != nil:
			list = append(list, inUse{s, in})
		case s.Name != "":
			rest = append(rest, s)
		}
	}
	for _, s := range list {
		if err := s.DB.Settle(now); err != nil {
			return list, nil, nil, 0, fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	return list, rest, broken, now, nil
}

// take opens a store that may have commits after through; nil if it need not be opened.
// One that closes meanwhile is looked at again; without a name if it is gone then.
func (a *Archiver) take(ctx context.Context, s Store, fresh bool, now persistence.Timestamp) (Store, *Access, error) {
	for {
		if s.Name == "" || fresh && !s.Open || a.idle(s) {
			return s, nil, nil
		}
		in, err := s.Use(ctx)
		if err == nil {
			a.catchUp(s.Name)
		}
		if !errors.Is(err, ErrClosed) {
			return s, in, err
		}
		if s, err = a.again(ctx, s.Name, now); err != nil {
			return s, nil, err
		}
	}
}

// again is how a store stands now; the zero Store if it is gone.
func (a *Archiver) again(ctx context.Context, name string, after persistence.Timestamp) (Store, error) {
	all, err := a.House.Stores(ctx, after)
	if i := slices.IndexFunc(all, func(s Store) bool { return s.Name == name }); err == nil && i >= 0 {
		return all[i], nil
	}
	return Store{}, err
}

// idle tells whether a store was closed since before the newest segment. Of a store
// that this process has not opened, the times of its files tell.
func (a *Archiver) idle(s Store) bool {
	f := a.known[s.Name]
	switch {
	case s.Open || f == nil:
		return false
	case s.Newest != 0:
		return s.Newest <= a.since(f)
	case f.open:
		return false
	case f.opened == s.Opened && f.behind == 0:
		return true
	case f.opened < 0 && s.Opened == 0 && s.Changed != nil && f.behind == 0:
		if changed := s.Changed(); !changed.IsZero() && changed.Before(a.through.Time().Add(-time.Minute)) {
			f.opened = s.Opened
			return true
		}
	}
	return false
}

// done gives stores back.
func done(list []inUse) {
	for _, s := range list {
		s.Release()
	}
}

// ship writes what was committed since the newest segment, of all stores, into the
// next one; nothing if nothing was, unless a heartbeat is due or force is set.
func (a *Archiver) ship(ctx context.Context, force bool) error {
	list, rest, broken, now, err := a.active(ctx, false)
	if err != nil {
		return err
	}
	defer done(list)
	a.broken = nil
	if len(broken) > 0 { // the others are not to suffer from it
		a.broken = broken
	}
	for _, s := range list {
		if f := a.known[s.Name]; f != nil && f.newest != 0 {
			if has, err := hasCommit(ctx, s.DB, f.newest); err != nil {
				return err
			} else if !has {
				return fmt.Errorf("%w: %s is not where its backup ended", errChain, s.Name)
			}
			f.newest = 0
		}
	}
	if err := a.holdAll(list); err != nil {
		return err
	}
	files, err := a.House.Files(ctx)
	if err != nil {
		return err
	}
	files = slices.DeleteFunc(files, func(f File) bool { return a.files[f.Name].Equal(f.Changed) })
	present := map[string]bool{}
	something := force || len(files) > 0 || time.Since(a.shipped) >= heartbeat
	for _, s := range rest {
		present[s.Name] = true
	}
	for name := range broken {
		present[name] = true
	}
	for _, s := range list {
		present[s.Name] = true
		something = something || a.known[s.Name] == nil || s.DB.Latest() > a.since(a.known[s.Name])
		if s.Blobs != nil {
			something = a.learn(s) || something
		}
	}
	gone := slices.DeleteFunc(slices.Sorted(maps.Keys(a.known)), func(n string) bool { return present[n] })
	if !something && len(gone) == 0 {
		return nil
	}
	seg := segment{after: a.through, through: now}
	size, err := a.vault.put(ctx, seg.name(a.note.Chain), func(w io.Writer) error {
		r := newRecords(w, head{House: a.House.ID(), After: seg.after, Through: seg.through})
		for _, f := range files {
			r.file(f)
		}
		for _, s := range list {
			if err := a.shipStore(ctx, r, s, seg); err != nil {
				return err
			}
		}
		for _, name := range gone {
			r.kind(goneRecord)
			r.text(name)
			r.number(uint64(seg.through))
		}
		return r.close()
	})
	if err != nil {
		return err
	}
	return a.moved(list, broken, gone, files, now, size)
}

// moved notes that everything up to a moment is in the depot.
func (a *Archiver) moved(list []inUse, broken unopened, gone []string, files []File, now persistence.Timestamp, size int64) error {
	changed := len(gone) > 0
	for name := range broken {
		if f := a.known[name]; f != nil && f.behind == 0 {
			f.behind, changed = a.through, true
		}
	}
	a.through, a.shipped = now, time.Now()
	for _, name := range gone {
		a.known[name].letGo()
		delete(a.known, name)
	}
	for _, s := range list {
		f := a.known[s.Name]
		if f == nil {
			f, changed = &follow{}, true
			a.known[s.Name] = f
		}
		changed = changed || f.behind != 0
		f.behind, f.open, f.opened, f.db = 0, s.Open, s.Opened, s.DB
		f.blobs, f.all = nil, false
		f.letGo()
	}
	for _, f := range files {
		a.files[f.Name] = f.Changed
	}
	a.tell(func(st *State) {
		if !st.Base.IsZero() { // before the first base nothing can be restored
			st.Through = now.Time()
		}
		st.Segments++
		st.partial = a.broken
		st.Bytes += size
	})
	if err := a.holdAll(list); err != nil {
		return err
	}
	if changed {
		return a.saveNote()
	}
	return nil
}

// holdAll keeps what is not shipped from being forgotten; for so long only.
func (a *Archiver) holdAll(list []inUse) error {
	tooLong := time.Since(a.through.Time()) > maxHold
	for _, s := range list {
		f := a.known[s.Name]
		if f == nil {
			if s.DB.Horizon() > 0 { // it has forgotten what the chain would need
				return fmt.Errorf("%w: %s is older than the backup knows", errChain, s.Name)
			}
			continue
		}
		if tooLong || f.held != s.DB {
			f.letGo()
		}
		if !tooLong && f.release == nil && s.Open {
			release, err := s.DB.Hold(a.since(f))
			if err != nil && !errors.Is(err, database.ErrTooOld) {
				return err
			}
			f.release, f.held, f.pause = release, s.DB, s.Pause
		}
		if s.DB.Horizon() > a.since(f) {
			return fmt.Errorf("%w: %s has forgotten what was not backed up", errChain, s.Name)
		}
	}
	return nil
}

// pauseAfter is how long what is not shipped may be old before the bytes of deleted
// files are kept too. They are kept for a minute in any case.
const pauseAfter = 45 * time.Second

// pauseAll keeps the bytes of deleted files while the depot is away.
func (a *Archiver) pauseAll() {
	if time.Since(a.through.Time()) < pauseAfter {
		return
	}
	for _, f := range a.known {
		if f.resume == nil && f.release != nil && f.pause != nil {
			f.resume = f.pause()
		}
	}
}

// shipStore writes a store's commits.
func (a *Archiver) shipStore(ctx context.Context, r *recordWriter, s inUse, seg segment) error {
	f := a.known[s.Name]
	after := a.since(f)
	if f != nil && s.DB.Latest() <= after && len(f.blobs) == 0 && !f.all {
		return nil
	}
	r.kind(storeRecord)
	r.text(s.Name)
	if s.Blobs != nil {
		// What commits refer to is in the depot before the segment is.
		if err := a.shipBlobs(ctx, r, s, seg.through); err != nil {
			return err
		}
	}
	var revs []persistence.Revision
	for rev, err := range s.DB.Commits(ctx, after, seg.through) {
		if errors.Is(err, database.ErrTooOld) {
			return fmt.Errorf("%w: %s has forgotten what was not backed up", errChain, s.Name)
		}
		if err != nil {
			return err
		}
		if len(revs) > 0 && revs[0].TS != rev.TS {
			r.commit(revs[0].TS, revs)
			revs = revs[:0]
		}
		revs = append(revs, rev)
		if r.err != nil {
			return r.err
		}
	}
	if len(revs) > 0 {
		r.commit(revs[0].TS, revs)
	}
	return r.err
}

// file writes a file of the house.
func (r *recordWriter) file(f File) {
	r.kind(fileRecord)
	r.text(f.Name)
	r.number(uint64(f.Changed.UnixNano()))
	r.bytes(f.Content)
}

// learn asks a store what became of its blobs, and tells whether anything did.
func (a *Archiver) learn(s inUse) bool {
	f := a.known[s.Name]
	if f == nil {
		return true
	}
	if !a.Follow {
		f.all = true
		return true
	}
	news, all := s.Blobs.Changes()
	all = all || f.db != nil && f.db != s.DB // it was opened anew, and does not know of before
	if f.blobs == nil {
		f.blobs = map[string]bool{}
	}
	maps.Copy(f.blobs, news)
	if all || len(f.blobs) > 100_000 {
		f.all = true
	}
	if f.all {
		f.blobs = map[string]bool{}
	}
	return f.all || len(f.blobs) > 0
}

// shipBlobs puts a store's blobs that the depot has not, and writes down which they are
// and which are no more. Where that is not known, all are written down.
func (a *Archiver) shipBlobs(ctx context.Context, r *recordWriter, s inUse, at persistence.Timestamp) error {
	f := a.known[s.Name]
	if f == nil || f.all {
		return a.allBlobs(ctx, s, nil, func(b blob.Info) error {
			r.blob(b)
			return r.err
		})
	}
	for _, key := range slices.Sorted(maps.Keys(f.blobs)) {
		if !f.blobs[key] {
			r.kind(gapRecord)
			r.text(key)
			r.number(uint64(at))
			continue
		}
		size, ok, err := a.putBlob(ctx, s, key)
		if err != nil {
			return err
		}
		if ok {
			r.blob(blob.Info{Key: key, Size: size})
		}
	}
	return r.err
}

// blob writes that there is one.
func (r *recordWriter) blob(b blob.Info) {
	r.kind(blobRecord)
	r.text(b.Key)
	r.number(uint64(b.Size))
}

// folderOf is a key up to its last slash.
func folderOf(key string) string { return key[:strings.LastIndexByte(key, '/')+1] }

// putBlob puts one; ok is false if it is no more.
func (a *Archiver) putBlob(ctx context.Context, s inUse, key string) (size int64, ok bool, err error) {
	src, err := s.Blobs.Open(ctx, key, 0)
	if errors.Is(err, blob.ErrNotFound) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	defer src.Close()
	_, err = a.vault.put(ctx, blobName(s.Name, key), func(w io.Writer) (err error) {
		size, err = io.Copy(w, src)
		return err
	})
	return size, err == nil, err
}

// allBlobs goes through a store's blobs and puts those that the depot has not. The depot
// is asked folder by folder, so that however many there are, few are in memory.
func (a *Archiver) allBlobs(ctx context.Context, s inUse, pace *pacer, each func(b blob.Info) error) error {
	folder, there := "", map[string]bool(nil)
	for b, err := range s.Blobs.List(ctx) {
		if err != nil {
			return err
		}
		if dir := folderOf(b.Key); there == nil || dir != folder {
			folder, there = dir, map[string]bool{}
			for o, err := range a.Depot.List(ctx, blobName(s.Name, dir)) {
				if err != nil {
					return err
				}
				there[o.Name] = true
			}
		}
		if !there[blobName(s.Name, b.Key)] {
			size, ok, err := a.putBlob(ctx, s, b.Key)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			b.Size = size
			if err := pace.wait(ctx, int(size)); err != nil {
				return err
			}
		}
		if err := each(b); err != nil {
			return err
		}
	}
	return nil
}
