package convexsync

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// acquaint opens an acquaintance over a file.
func acquaint(t *testing.T, path string) *acquaintance {
	t.Helper()
	a := &acquaintance{}
	a.open(path, slog.New(slog.DiscardHandler))
	t.Cleanup(a.close)
	return a
}

func TestAcquaintanceOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "known")
	a, end := acquaint(t, path), time.Unix(time.Now().Unix(), 0)
	a.keep("ann", "first", end)
	a.keep("ann", "second", end)
	a.keep("bob", "third", end)
	// Not closed: the process is killed, in the middle of a write.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.Write(make([]byte, knownSize/2))
	f.Close()
	a = acquaint(t, path)
	a.keep("eve", "fourth", end)
	a = acquaint(t, path)
	for _, c := range []struct {
		client, token string
		known         bool
	}{{"ann", "first", false}, {"ann", "second", true}, {"bob", "third", true}, {"bob", "second", false}, {"eve", "fourth", true}, {"", "", false}} {
		if got, ok := a.find(c.client, c.token); ok != c.known || ok && !got.Equal(end) {
			t.Errorf("%s with %s: %v %v", c.client, c.token, ok, got)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(b), "ann") || strings.Contains(string(b), "second") {
		t.Errorf("%q %v", b, err)
	}
}

func TestAcquaintanceForgets(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "known")
	synctest.Test(t, func(t *testing.T) {
		a := acquaint(t, path)
		a.keep("ann", "first", time.Now())
		for i := range 5000 { // one page that renews its token and renews it
			a.keep("bob", strconv.Itoa(i), time.Now())
		}
		if st, err := os.Stat(path); err != nil || st.Size() > 1100*knownSize {
			t.Errorf("the file grows: %v %v", st.Size(), err)
		}
		time.Sleep(keepKnown + time.Second)
		a = acquaint(t, path)
		if len(a.kept) != 0 {
			t.Errorf("%d are known after a day", len(a.kept))
		}
		if b, err := os.ReadFile(path); err != nil || string(b) != knownHead {
			t.Errorf("%d bytes %v", len(b), err)
		}
	})
}

func TestAcquaintanceLivesWithoutItsFile(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	a := &acquaintance{}
	a.open(filepath.Join(t.TempDir(), "nowhere", "known"), slog.New(slog.NewTextHandler(&log, nil)))
	a.keep("ann", "first", time.Now())
	if _, ok := a.find("ann", "first"); !ok || strings.Count(log.String(), "level=WARN") != 1 {
		t.Errorf("%v %s", ok, log.String())
	}
}

func FuzzAcquaintanceFile(f *testing.F) {
	f.Add([]byte(knownHead))
	f.Add(append([]byte(knownHead), make([]byte, 2*knownSize+3)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		a := &acquaintance{kept: map[clientHash]acquainted{}}
		a.take(b)
		if len(a.kept) > len(b)/knownSize {
			t.Errorf("%d clients in %d bytes", len(a.kept), len(b))
		}
	})
}
