package convexsync

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"
)

// acquaintance remembers which token each client brought while it was good, by the
// session id that a client makes up at random and keeps for as long as its page. So a
// token that has ended is of no use to anybody but the page that brought it: who
// finds one elsewhere does not know the id. Only hashes are kept.
//
// A file keeps them over restarts. It holds nothing that would be missed for long:
// where it cannot be read or written, people whose token ended sign in again.
type acquaintance struct {
	once sync.Once
	log  *slog.Logger

	mu      sync.Mutex // leaf
	path    string
	file    *os.File
	written int // records in the file
	kept    map[clientHash]acquainted
}

// clientHash stands for a client's session id.
type clientHash [16]byte

// acquainted is what is remembered of a client.
type acquainted struct {
	token [sha256.Size]byte
	end   time.Time // of the token
}

const (
	// maxKnown bounds the clients that are remembered; one more takes another's place.
	maxKnown = 50_000
	// keepKnown is how long after its token a client is remembered: longer than an
	// identity outlives its token.
	keepKnown = 25 * time.Hour
	// knownHead begins the file. Version 1, 2026-11-26: records of 56 bytes, a client's
	// hash, its token's hash and the token's end in seconds since 1970; of several about a
	// client the last counts.
	knownHead = "lentil known clients 1\n"
	knownSize = 16 + sha256.Size + 8
)

// hashes are those of a client and its token.
func hashes(client, token string) (c clientHash, t [sha256.Size]byte) {
	sum := sha256.Sum256([]byte("client " + client))
	copy(c[:], sum[:])
	return c, sha256.Sum256([]byte(client + "\x00" + token))
}

// open reads the file, once.
func (a *acquaintance) open(path string, log *slog.Logger) {
	a.once.Do(func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.log, a.path, a.kept = log, path, map[clientHash]acquainted{}
		if path == "" {
			return
		}
		b, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			a.giveUp(err)
			return
		}
		a.take(b)
		a.rewrite()
	})
}

// take reads what a file holds: whole records, until a write was cut off.
func (a *acquaintance) take(b []byte) {
	b, ok := bytes.CutPrefix(b, []byte(knownHead))
	if !ok {
		return
	}
	for ; len(b) >= knownSize; b = b[knownSize:] {
		var c clientHash
		var k acquainted
		copy(c[:], b)
		copy(k.token[:], b[16:])
		k.end = time.Unix(int64(binary.BigEndian.Uint64(b[16+sha256.Size:])), 0)
		a.put(c, k)
	}
}

// put remembers a client, if that is worth it still. The lock is held.
func (a *acquaintance) put(c clientHash, k acquainted) {
	if time.Since(k.end) > keepKnown {
		delete(a.kept, c)
		return
	}
	if _, there := a.kept[c]; !there && len(a.kept) >= maxKnown {
		for other := range a.kept {
			delete(a.kept, other)
			break
		}
	}
	a.kept[c] = k
}

// record is one record of the file.
func record(c clientHash, k acquainted) []byte {
	b := append(c[:], k.token[:]...)
	return binary.BigEndian.AppendUint64(b, uint64(k.end.Unix()))
}

// rewrite makes the file anew, with what still counts. The lock is held.
func (a *acquaintance) rewrite() {
	b := []byte(knownHead)
	for c, k := range a.kept {
		if time.Since(k.end) > keepKnown {
			delete(a.kept, c)
			continue
		}
		b = append(b, record(c, k)...)
	}
	if a.file != nil {
		a.file.Close()
	}
	var err error
	next := a.path + ".new"
	if err = os.WriteFile(next, b, 0o600); err == nil {
		err = os.Rename(next, a.path)
	}
	if err == nil {
		a.file, err = os.OpenFile(a.path, os.O_WRONLY|os.O_APPEND, 0o600)
	}
	a.written = len(a.kept)
	if err != nil {
		a.giveUp(err)
	}
}

// giveUp goes on without a file. The lock is held.
func (a *acquaintance) giveUp(err error) {
	if a.file != nil {
		a.file.Close()
	}
	a.path, a.file = "", nil
	if a.log != nil {
		a.log.Warn("clients whose token ended sign in again after a restart: what is known of them cannot be kept", "err", err)
	}
}

// keep remembers a client's newest token. The file is not synced: it survives the end
// of the process, and need not survive that of the machine.
func (a *acquaintance) keep(client, token string, end time.Time) {
	c, t := hashes(client, token)
	a.mu.Lock()
	defer a.mu.Unlock()
	k := acquainted{t, end}
	if a.kept[c] == k {
		return
	}
	a.put(c, k)
	if a.file == nil {
		return
	}
	if a.written > 2*len(a.kept)+1000 {
		a.rewrite()
		return
	}
	if _, err := a.file.Write(record(c, k)); err != nil {
		a.giveUp(err)
		return
	}
	a.written++
}

// find tells whether a client brought this token while it was good, and when it ended.
func (a *acquaintance) find(client, token string) (end time.Time, ok bool) {
	c, t := hashes(client, token)
	a.mu.Lock()
	defer a.mu.Unlock()
	k, ok := a.kept[c]
	return k.end, ok && k.token == t
}

// close lets go of the file.
func (a *acquaintance) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file != nil {
		a.file.Close()
		a.file = nil
	}
}
