package search

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/persistence"
)

// manifest is the file that says which segments an index is made of, and what
// died in them. It is one line of JSON and one of its CRC-32C.
type manifest struct {
	Format     int
	Kind       database.IndexKind
	Fields     []string
	Dimensions int
	Through    persistence.Timestamp // the timestamp of a commit: all up to it are in
	Since      persistence.Timestamp // and what any snapshot from here on sees
	LastID     uint64
	Segments   []savedSegment
}

// savedSegment is a segment of a manifest, oldest first.
type savedSegment struct {
	ID   uint64
	Dead []uint32                // entries
	At   []persistence.Timestamp // when each died
}

// names of the files of an index.
func manifestName(id persistence.IndexID) string { return fmt.Sprintf("%016x.index", uint64(id)) }

// segmentName is the name of a segment's file.
func segmentName(id persistence.IndexID, segment uint64) string {
	return fmt.Sprintf("%016x.%d.segment", uint64(id), segment)
}

// save writes what is new of an index, so that it can be read back as of now.
func (s *Service) save(x *index) error {
	if s.Dir == "" {
		return nil
	}
	x.merging.Lock()
	defer x.merging.Unlock()
	at := s.DB.Latest() // whatever is visible was told of
	x.catchUp()
	x.mu.Lock()
	x.through = max(x.through, at)
	if n := len(x.segments); n > 0 && x.segments[n-1].grows() {
		x.segments[n-1].freeze()
	}
	segments := x.segments
	m := manifest{fileFormat, x.info.Kind, x.info.Fields, x.info.Dimensions, x.through, x.since, x.lastID, nil}
	for _, seg := range segments {
		saved := savedSegment{ID: seg.id}
		for n, d := range seg.died {
			if d != alive {
				saved.Dead, saved.At = append(saved.Dead, uint32(n)), append(saved.At, d)
			}
		}
		m.Segments = append(m.Segments, saved)
	}
	x.mu.Unlock()
	for _, seg := range segments {
		if seg.saved {
			continue
		}
		path := filepath.Join(s.Dir, segmentName(x.info.ID, seg.id))
		if err := seg.write(path); err != nil {
			return err
		}
		seg.saved = true
		if err := seg.useFile(path, &x.mu); err != nil {
			return err
		}
	}
	b, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("search: save index: %w", err)
	}
	b = append(b, '\n')
	b = fmt.Appendf(b, "%08x\n", crc32.Checksum(b, castagnoli))
	if err := replaceFile(filepath.Join(s.Dir, manifestName(x.info.ID)), b); err != nil {
		return fmt.Errorf("search: save index: %w", err)
	}
	x.saved, x.savedAt = m.Through, time.Now()
	return s.sweep(x.info.ID, m.Segments)
}

// replaceFile puts a file in the place of another, durably and in one step.
func replaceFile(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// sweep removes the files of an index that its manifest does not name.
func (s *Service) sweep(id persistence.IndexID, keep []savedSegment) error {
	prefix := strings.TrimSuffix(manifestName(id), "index")
	entries, err := os.ReadDir(s.Dir)
	if err != nil {
		return fmt.Errorf("search: sweep: %w", err)
	}
	for _, e := range entries {
		rest, ours := strings.CutPrefix(e.Name(), prefix)
		n, isSegment := strings.CutSuffix(rest, ".segment")
		if !ours || keep != nil && !isSegment {
			continue
		}
		segment, err := strconv.ParseUint(n, 10, 64)
		if err == nil && slices.ContainsFunc(keep, func(k savedSegment) bool { return k.ID == segment }) {
			continue
		}
		if err := os.Remove(filepath.Join(s.Dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("search: sweep: %w", err)
		}
	}
	return nil
}

// sweepUndeclared removes what an earlier process left: files of indexes that are
// not declared any more, and files that were not finished. Nothing is written yet.
func (s *Service) sweepUndeclared(declared map[persistence.IndexID]bool) error {
	entries, err := os.ReadDir(s.Dir)
	if err != nil {
		return fmt.Errorf("search: sweep: %w", err)
	}
	for _, e := range entries {
		first, rest, _ := strings.Cut(e.Name(), ".")
		id, err := strconv.ParseUint(first, 16, 64)
		ours := err == nil && len(first) == 16 && (rest == "index" || strings.HasSuffix(rest, ".segment"))
		if unfinished := strings.HasPrefix(e.Name(), "new-"); !unfinished && (!ours || declared[persistence.IndexID(id)]) {
			continue
		}
		if err := os.Remove(filepath.Join(s.Dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("search: sweep: %w", err)
		}
	}
	return nil
}

// errStale says that a saved index is not one of the database as it is now.
var errStale = errors.New("search: saved index does not belong to the database")

// readBack reads a saved index and takes in what was committed since.
func (s *Service) readBack(ctx context.Context, x *index) error {
	b, err := os.ReadFile(filepath.Join(s.Dir, manifestName(x.info.ID)))
	if err != nil {
		return fmt.Errorf("search: read index: %w", err)
	}
	line, sum, _ := strings.Cut(string(b), "\n")
	if want := fmt.Sprintf("%08x\n", crc32.Checksum([]byte(line+"\n"), castagnoli)); sum != want {
		return errFile
	}
	var m manifest
	if err := json.Unmarshal([]byte(line), &m); err != nil || m.Format != fileFormat {
		return errFile
	}
	if m.Kind != x.info.Kind || !slices.Equal(m.Fields, x.info.Fields) || m.Dimensions != x.info.Dimensions {
		return errStale
	}
	var segments []*segment
	defer func() {
		for _, seg := range segments {
			seg.close()
		}
	}()
	for _, saved := range m.Segments {
		seg, err := readSegment(filepath.Join(s.Dir, segmentName(x.info.ID, saved.ID)), saved.ID, m.Dimensions)
		if err != nil {
			return err
		}
		segments = append(segments, seg)
		if len(saved.Dead) != len(saved.At) {
			return errFile
		}
		for i, n := range saved.Dead {
			if int(n) >= len(seg.ids) {
				return errFile
			}
			seg.died[n] = saved.At[i]
			seg.bury(n)
		}
	}
	fresh := newIndex(x.info, x.limit)
	fresh.segments, fresh.lastID, fresh.through = segments, m.LastID, m.Through
	at := s.DB.Latest()
	err = s.DB.Replay(ctx, x.info, m.Through, at, func(ts persistence.Timestamp, ch database.Change) error {
		fresh.takeChange(ts, ch)
		return nil
	})
	if err != nil {
		return err
	}
	x.mu.Lock()
	x.segments, x.lastID, x.through, x.since, x.saved = fresh.segments, fresh.lastID, at, m.Since, m.Through
	x.mu.Unlock()
	segments = nil
	return nil
}
