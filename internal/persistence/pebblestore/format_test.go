package pebblestore

import (
	"flag"
	"os"
	"testing"

	"github.com/lentil-dev/lentil/internal/persistence"
)

// update writes testdata/format-1 anew. That is right only with a new version
// of the format, under a new name: the old samples are what must stay readable.
var update = flag.Bool("update", false, "write the sample of the present format")

// TestOpenSamples opens stores that earlier versions wrote.
func TestOpenSamples(t *testing.T) {
	t.Parallel()
	for _, sample := range []string{"testdata/format-1"} {
		if *update {
			writeSample(t, sample)
		}
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(sample)); err != nil {
			t.Fatal(err)
		}
		examine(t, dir, nil, 6)
		s, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if b, err := s.Cell(t.Context(), "sample"); string(b) != "yes" || err != nil {
			t.Errorf("%s: cell %q, %v", sample, b, err)
		}
		if err := s.Append(t.Context(), []persistence.Commit{crashCommit(7)}); err != nil {
			t.Error(err)
		}
	}
}

// writeSample makes a store with six commits, half of them in a table file and
// half in the log.
func writeSample(t *testing.T, dir string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for ts := persistence.Timestamp(1); ts <= 6; ts++ {
		if err := s.Append(t.Context(), []persistence.Commit{crashCommit(ts)}); err != nil {
			t.Fatal(err)
		}
		if ts == 3 {
			if err := s.db.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.SetCell(t.Context(), "sample", []byte("yes")); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
