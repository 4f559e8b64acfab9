package pebblestore

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lentil-dev/lentil/internal/persistence"
)

// crashEnv makes the test binary a child that commits until it is killed.
const crashEnv = "LENTIL_TEST_CRASH_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashEnv); dir != "" {
		fmt.Fprintln(os.Stderr, commitForever(dir))
		os.Exit(3)
	}
	os.Exit(m.Run())
}

// width is how many documents each commit of the child writes. All get the
// same body, so that a torn commit shows.
const width = 5

// crashCommit is the commit at a timestamp: it replaces the documents of the
// one before.
func crashCommit(ts persistence.Timestamp) persistence.Commit {
	c := persistence.Commit{TS: ts}
	for i := range byte(width) {
		key := binary.BigEndian.AppendUint64([]byte{i}, uint64(ts))
		id := persistence.DocID{Table: 1, Internal: [16]byte{i}}
		r := persistence.Revision{Doc: id, Prev: ts - 1, Body: fmt.Appendf(nil, "%d %s", ts, strings.Repeat("x", int(ts)%5000))}
		c.Revisions = append(c.Revisions, r)
		c.Entries = append(c.Entries, persistence.IndexWrite{Index: 40, Key: key, Doc: id})
		if ts > 1 {
			old := binary.BigEndian.AppendUint64([]byte{i}, uint64(ts-1))
			c.Entries = append(c.Entries, persistence.IndexWrite{Index: 40, Key: old, Doc: id, Deleted: true})
		}
	}
	return c
}

// commitForever goes on from what is in the directory, in batches, and prints
// the last timestamp of each batch once it is acknowledged.
func commitForever(dir string) error {
	s, err := Open(dir, Options{MemTableSize: 256 << 10}) // small, so that flushes are among what is interrupted
	if err != nil {
		return err
	}
	ctx := context.Background()
	ts, err := persistence.Newest(ctx, s)
	if err != nil {
		return err
	}
	for {
		var batch []persistence.Commit
		for range 1 + rand.IntN(4) {
			ts++
			batch = append(batch, crashCommit(ts))
		}
		if err := s.Append(ctx, batch); err != nil {
			return err
		}
		if ts%7 == 0 {
			if _, err := s.Prune(ctx, ts-50, 100); err != nil {
				return err
			}
		}
		fmt.Println(ts)
	}
}

// TestStoreSurvivesKill kills a process in the middle of committing, again and
// again, and looks at what it left.
func TestStoreSurvivesKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for range 6 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), crashEnv+"="+dir)
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(time.Duration(150+rand.IntN(400))*time.Millisecond, func() { _ = child.Process.Kill() })
		acked := lastLine(out)
		if err := child.Wait(); err == nil || child.ProcessState.Exited() {
			t.Fatalf("the child ended by itself: %v", err)
		}
		timer.Stop()
		examine(t, dir, nil, acked)
	}
}

// lastLine reads whole lines to the end and returns the last one's number.
func lastLine(r io.Reader) (last persistence.Timestamp) {
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return last // a line that was cut short was not acknowledged
		}
		if n, err := strconv.Atoi(strings.TrimSpace(line)); err == nil {
			last = persistence.Timestamp(n)
		}
	}
}

// examine opens a store that was left by a crash: everything acknowledged must
// be there, and the newest commit whole.
func examine(t *testing.T, dir string, files vfs.FS, acked persistence.Timestamp) {
	t.Helper()
	s, err := Open(dir, Options{fs: files})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx := t.Context()
	newest, err := persistence.Newest(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	if newest < acked {
		t.Fatalf("commit %d was acknowledged, the newest is %d", acked, newest)
	}
	for at := max(newest-3, 1); at <= newest; at++ {
		c := crashCommit(at)
		var ids []persistence.DocID
		for _, r := range c.Revisions {
			ids = append(ids, r.Doc)
		}
		got, err := s.Prior(ctx, ids, at)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range got {
			if r.TS != at || string(r.Body) != string(c.Revisions[i].Body) {
				t.Errorf("commit %d of %d is torn: document %d is of %d", at, newest, i, r.TS)
			}
		}
		n := 0
		for e, err := range s.Scan(ctx, 40, at, persistence.Span{}, persistence.Asc) {
			if err != nil || persistence.Timestamp(binary.BigEndian.Uint64(e.Key[1:])) != at || e.Doc != ids[n] {
				t.Errorf("commit %d is torn: entry %d is %x of %s, %v", at, n, e.Key, e.Doc, err)
			}
			n++
		}
		if n != width {
			t.Errorf("commit %d has %d entries", at, n)
		}
	}
	revisions := 0
	for _, err := range s.Log(ctx, max(newest-3, 0), persistence.Max, persistence.Asc) {
		if err != nil {
			t.Fatal(err)
		}
		revisions++
	}
	if want := width * int(min(newest, 3)); revisions != want {
		t.Errorf("the log has %d revisions of the last commits, want %d", revisions, want)
	}
}

// TestStoreSurvivesPowerLoss loses whatever was not synced, after every batch.
func TestStoreSurvivesPowerLoss(t *testing.T) {
	t.Parallel()
	files := vfs.NewCrashableMem()
	s, err := Open("data", Options{fs: files, MemTableSize: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for ts := persistence.Timestamp(1); ts <= 60; ts++ {
		if err := s.Append(t.Context(), []persistence.Commit{crashCommit(ts)}); err != nil {
			t.Fatal(err)
		}
		if ts%6 == 0 {
			clone := files.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 30, RNG: rand.New(rand.NewPCG(uint64(ts), 2))})
			examine(t, "data", clone, ts)
		}
	}
}
