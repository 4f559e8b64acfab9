package deploy

import (
	"strings"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/udf"
)

// TestAbandonedPushGoes: a push that nobody finishes goes after its time, with its
// index and its hold on writes. Before, the sweep leaves it alone.
func TestAbandonedPushGoes(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.push(bundleOf(module("messages.js", messages)))
	h.insert("messages", `{"author":"ann"}`)
	next := bundleOf(module("messages.js", messages)).withSchema(table("messages", withAuthor, "by_author: author"))
	h.start(next) // for generating code, say: nobody waits for it
	p := h.start(next)
	if st := h.wait(p); st.Type != StatusComplete {
		t.Fatalf("%+v", st)
	}
	left := func() (rows, indexes int, held bool) {
		if err := h.DB.View(t.Context(), func(tx *database.Tx) error {
			list, err := pushes(t.Context(), tx)
			if err != nil {
				return err
			}
			for _, ix := range tx.Indexes("messages") {
				if strings.HasPrefix(ix.Name, pendingMark) {
					indexes++
				}
			}
			waiting, err := udf.PendingSchema(t.Context(), tx)
			rows, held = len(list), waiting != nil
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return rows, indexes, held
	}
	for _, x := range []struct {
		after         time.Duration
		rows, indexes int
		held          bool
	}{
		{pushAge / 2, 2, 1, true},
		{2 * pushAge, 1, 1, true},
		{abandonedAge + time.Minute, 0, 0, false},
	} {
		if err := h.sweep(t.Context(), time.Now().Add(x.after)); err != nil {
			t.Fatal(err)
		}
		if rows, indexes, held := left(); rows != x.rows || indexes != x.indexes || held != x.held {
			t.Errorf("after %v: %d pushes, %d indexes, writes held %v; want %d, %d, %v", x.after, rows, indexes, held, x.rows, x.indexes, x.held)
		}
	}
	_, err := h.finish(p)
	h.refused(err, "RaceDetected", "overwritten")
	h.push(next)
	if got := h.run("messages:byAuthor", `{"author":"ann"}`); !strings.Contains(got, "ann") {
		t.Errorf("%s", got)
	}
}
