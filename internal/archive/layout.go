package archive

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/depot"
	"github.com/lentil-dev/lentil/internal/persistence"
)

// Names in a depot. Moments are 16 hexadecimal digits, so that names sort by time.
//
//	lentil-backup.json            what this is; in the clear
//	base/MOMENT-CHAIN             summary of a base, written last
//	list/MOMENT-CHAIN             its chunks, blobs and files
//	chunk/XX/SUM                  documents
//	blob/STORE/KEY                a stored file
//	log/CHAIN/AFTER-THROUGH       a segment
const (
	markerName  = "lentil-backup.json"
	basePrefix  = "base/"
	listPrefix  = "list/"
	chunkPrefix = "chunk/"
	blobPrefix  = "blob/"
	logPrefix   = "log/"
)

// A chain is named by the moment of its first base.
type chain = persistence.Timestamp

// moment is a timestamp in a name.
func moment(ts persistence.Timestamp) string { return fmt.Sprintf("%016x", int64(ts)) }

// parseMoments reads two moments with a dash between them.
func parseMoments(s string) (a, b persistence.Timestamp, ok bool) {
	one, two, _ := strings.Cut(s, "-")
	n, err1 := strconv.ParseInt(one, 16, 64)
	m, err2 := strconv.ParseInt(two, 16, 64)
	ok = err1 == nil && err2 == nil && len(one) == 16 && len(two) == 16
	return persistence.Timestamp(n), persistence.Timestamp(m), ok
}

// baseID names a base.
type baseID struct {
	at    persistence.Timestamp
	chain chain
}

// String is as in names.
func (b baseID) String() string { return moment(b.at) + "-" + moment(b.chain) }

// segment is what the name of one tells.
type segment struct {
	after, through persistence.Timestamp
	size           int64
}

// name is the segment's in its chain.
func (s segment) name(c chain) string {
	return logPrefix + moment(c) + "/" + moment(s.after) + "-" + moment(s.through)
}

// blobName is where a blob of a store is.
func blobName(store, key string) string { return blobPrefix + store + "/" + key }

// marker says what a depot is, to people too.
type marker struct {
	What   string `json:"what"`
	Format int    `json:"format"`
	House  string `json:"house"`
	Sealed bool   `json:"sealed"`
	// Check tells a wrong key before anything is read.
	Check string `json:"check,omitempty"`
}

// depotFormat is the version of the layout of a depot.
//
// 1 (November 2026): as above.
const depotFormat = 1

// keyCheck is what shows that a key is the one, and nothing else of it.
func keyCheck(key []byte, house string) string {
	if key == nil {
		return ""
	}
	h := hmac.New(sha256.New, key)
	io.WriteString(h, "lentil backup key check\x00"+house)
	return hex.EncodeToString(h.Sum(nil))
}

// ErrNoBackup means that nothing in a depot is a backup.
var ErrNoBackup = errors.New("holds no backup")

// ErrNotSealed means that a key was given and the backup is not sealed by any.
var ErrNotSealed = errors.New("the backup is not sealed, so nothing tells whether it is the house's own: if that is how it was made, leave LENTIL_BACKUP_KEY and LENTIL_BACKUP_KEY_FILE away")

// readMarker reads a depot's marker; nil if there is none.
func readMarker(ctx context.Context, d depot.Depot) (*marker, error) {
	r, err := d.Open(ctx, markerName)
	if errors.Is(err, depot.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, 1<<16))
	if err != nil {
		return nil, err
	}
	m := &marker{}
	if json.Unmarshal(b, m) != nil || m.House == "" {
		return nil, damaged(markerName, "it cannot be read")
	}
	if m.Format != depotFormat {
		return nil, fmt.Errorf("%s was written by another version of Lentil (format %d): use that one", d, m.Format)
	}
	return m, nil
}

// check holds a key against a marker.
func (m *marker) check(key []byte) error {
	if m.Sealed && m.Check != keyCheck(key, m.House) {
		return ErrSealed
	}
	return nil
}

// openVault opens what others wrote.
func openVault(ctx context.Context, d depot.Depot, key []byte) (*vault, *marker, error) {
	m, err := readMarker(ctx, d)
	if err != nil {
		return nil, nil, err
	}
	if m == nil {
		return nil, nil, fmt.Errorf("%s %w", d, ErrNoBackup)
	}
	if err := m.check(key); err != nil {
		return nil, nil, err
	}
	if !m.Sealed && key != nil {
		return nil, nil, fmt.Errorf("%s: %w", d, ErrNotSealed)
	}
	return &vault{d, key}, m, nil
}

// contents is what is in a depot, by names alone.
type contents struct {
	bases    []baseID // by moment
	segments map[chain][]segment
}

// look lists bases and segments.
func (v *vault) look(ctx context.Context) (*contents, error) {
	c := &contents{segments: map[chain][]segment{}}
	for o, err := range v.depot.List(ctx, basePrefix) {
		if err != nil {
			return nil, err
		}
		if at, ch, ok := parseMoments(strings.TrimPrefix(o.Name, basePrefix)); ok {
			c.bases = append(c.bases, baseID{at, ch})
		}
	}
	for o, err := range v.depot.List(ctx, logPrefix) {
		if err != nil {
			return nil, err
		}
		name, span, _ := strings.Cut(strings.TrimPrefix(o.Name, logPrefix), "/")
		ch, err := strconv.ParseInt(name, 16, 64)
		if after, through, ok := parseMoments(span); err == nil && ok {
			c.segments[chain(ch)] = append(c.segments[chain(ch)], segment{after, through, o.Size})
		}
	}
	slices.SortFunc(c.bases, func(a, b baseID) int { return cmp.Compare(a.at, b.at) })
	return c, nil
}

// path is the segments that lead from a moment of a chain on, as far as they do.
// Where several begin in time, the one that leads furthest is taken.
func (c *contents) path(ch chain, from persistence.Timestamp) (list []segment, end persistence.Timestamp) {
	all := slices.Clone(c.segments[ch])
	slices.SortFunc(all, func(a, b segment) int { return cmp.Compare(a.after, b.after) })
	end = from
	for i := 0; i < len(all); {
		best := segment{through: end}
		for ; i < len(all) && all[i].after <= end; i++ {
			if all[i].through > best.through {
				best = all[i]
			}
		}
		if best.through <= end {
			break
		}
		list, end = append(list, best), best.through
	}
	return list, end
}

// end is the moment through which a chain has segments from anywhere.
func (c *contents) end(ch chain) (end persistence.Timestamp) {
	for _, s := range c.segments[ch] {
		end = max(end, s.through)
	}
	return end
}

// Summary is what a base's own object says of it.
type Summary struct {
	At        time.Time `json:"at"`
	Stores    int       `json:"stores"`
	Documents int64     `json:"documents"`
	Chunks    int64     `json:"chunks"`
	Files     int64     `json:"files"`
	FileBytes int64     `json:"fileBytes"`
	// Without are stores that could not be opened then.
	Without []string `json:"without,omitempty"`
}

// putJSON writes a value as an object.
func (v *vault) putJSON(ctx context.Context, name string, x any) error {
	_, err := v.put(ctx, name, func(w io.Writer) error { return json.NewEncoder(w).Encode(x) })
	return err
}

// getJSON reads one.
func (v *vault) getJSON(ctx context.Context, name string, x any) error {
	r, err := v.get(ctx, name)
	if err != nil {
		return err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, 1<<20))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, x); err != nil {
		return damaged(name, "%v", err)
	}
	return nil
}
