package database_test

import (
	"runtime"
	"strings"
	"testing"
	"weak"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/value"
)

// TestWrittenDocumentsAreFreed holds that the write log, which knows the keys of
// many writes, does not keep their documents in memory.
func TestWrittenDocumentsAreFreed(t *testing.T) {
	t.Parallel()
	db, err := database.Open(t.Context(), database.Options{Store: persistence.NewMemory(), CacheSize: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var written []weak.Pointer[database.Document]
	for range 20 {
		_, err := db.Update(t.Context(), func(tx *database.Tx) error {
			id, err := tx.Insert(t.Context(), "t", value.NewObject(map[string]value.Value{"body": value.String(strings.Repeat("x", 1<<10))}))
			if err != nil {
				return err
			}
			d, err := tx.Get(t.Context(), id)
			written = append(written, weak.Make(d))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if db.Stats().LogKeys == 0 {
		t.Fatal("the write log is empty")
	}
	runtime.GC()
	kept := 0
	for _, w := range written {
		if w.Value() != nil {
			kept++
		}
	}
	if kept > len(written)/2 {
		t.Errorf("%d of %d written documents are still in memory", kept, len(written))
	}
}
