package deploy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/schema"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/udf"
)

// TestFinishAgainstWriters pushes a strict and a free schema in turn while others
// write documents of both sorts. Whenever the strict one became active, every
// document must match it, and its index must hold every document.
func TestFinishAgainstWriters(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	free := bundleOf(module("messages.js", messages)).withSchema(table("messages", anything))
	strict := bundleOf(module("messages.js", messages)).withSchema(table("messages", withAuthor, "by_author: author"))
	h.push(free)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var wg sync.WaitGroup
	var odd atomic.Bool // whether writers also write what the strict schema refuses
	for w := range 3 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				args := `{"author":"ada"}`
				if odd.Load() && i%7 == w {
					args = `{"autor":"eve"}`
				}
				_, _ = h.Runner.Mutation(ctx, udf.Request{Path: "messages:send", Args: []byte(args), Caller: token.Caller{Role: token.Admin}})
			}
		})
	}
	active, refused := 0, 0
	for round := range 6 {
		odd.Store(round%2 == 1)
		p := h.start(strict)
		st := h.wait(p)
		if st.Type == StatusComplete {
			_, err := h.finish(p)
			if e, ok := apierr.As(err); ok && e.Code == "SchemaValidationFailed" {
				refused++
			} else if err != nil {
				t.Fatal(err)
			} else {
				active++
				h.checkAll()
			}
		} else {
			refused++
		}
		odd.Store(false)
		h.push(free)
		h.mend()
	}
	stop()
	wg.Wait()
	if active == 0 {
		t.Error("the strict schema never became active")
	}
	t.Logf("active %d times, refused %d times", active, refused)
}

// checkAll holds every document against the active schema and the index against the table.
func (h *house) checkAll() {
	h.Helper()
	err := h.DB.View(h.Context(), func(tx *database.Tx) error {
		s, err := udf.ActiveSchema(h.Context(), tx)
		if err != nil {
			return err
		}
		tab, _ := s.Table("messages")
		count := map[string]int{}
		for _, ix := range []string{database.ByCreationTime, "by_author"} {
			c := tx.Scan("messages", ix, database.Interval{}, database.Asc)
			for {
				d, err := c.Next(h.Context())
				if err != nil {
					return err
				}
				if d == nil {
					break
				}
				count[ix]++
				if err := tab.CheckDocument(d.Object(), tx); err != nil {
					return fmt.Errorf("document %s: %w", d.JSON(), err)
				}
			}
		}
		if count[database.ByCreationTime] != count["by_author"] {
			return fmt.Errorf("documents by index: %v", count)
		}
		return nil
	})
	if err != nil {
		h.Fatal(err)
	}
}

// mend removes the documents that the strict schema refuses.
func (h *house) mend() {
	h.Helper()
	v, err := schema.ParseValidator([]byte(withAuthor))
	if err != nil {
		h.Fatal(err)
	}
	for {
		var wrong []*database.Document
		if err := h.DB.View(h.Context(), func(tx *database.Tx) error {
			c := tx.Scan("messages", database.ByCreationTime, database.Interval{}, database.Asc)
			for {
				d, err := c.Next(h.Context())
				if err != nil || d == nil {
					return err
				}
				if v.Check(d.Object().Without("_id").Without("_creationTime"), tx) != nil {
					wrong = append(wrong, d)
				}
			}
		}); err != nil {
			h.Fatal(err)
		}
		if len(wrong) == 0 {
			return
		}
		if _, err := h.DB.Update(h.Context(), func(tx *database.Tx) error {
			for _, d := range wrong {
				if err := tx.Delete(h.Context(), d.ID); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			h.Fatal(err)
		}
	}
}

// TestWaitAfterRestart goes on with a push that another process began.
func TestWaitAfterRestart(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.insert("messages", `{"author":"ada"}`)
	again := func() {
		s := &Service{DB: h.DB, Runner: h.Runner, Engine: h.Engine}
		if err := s.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.Service = s
	}
	p := h.start(bundleOf(module("messages.js", messages)).withSchema(table("messages", withAuthor, "by_author: author")))
	again()
	if err := h.begin(t.Context(), p.SchemaChange.SchemaIDs[""]); err != nil {
		t.Fatal(err)
	}
	again()
	if st := h.wait(p); st.Type != StatusComplete {
		t.Fatalf("status %+v", st)
	}
	again()
	if _, err := h.finish(p); err != nil {
		t.Fatal(err)
	}
	if got := h.run("messages:byAuthor", `{"author":"ada"}`); !strings.Contains(got, "ada") {
		t.Error(got)
	}
}

// TestPushIsOneCommit compares the snapshot before the last commit with the one after it.
func TestPushIsOneCommit(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := h.start(bundleOf(module("messages.js", messages), module("auth.config.js", `export default { providers: [{ domain: "https://x.test", applicationID: "y" }] }`)).
		withSchema(table("messages", withAuthor, "by_author: author")))
	h.wait(p)
	if _, err := h.finish(p); err != nil {
		t.Fatal(err)
	}
	after := h.DB.Latest()
	for _, c := range []struct {
		at   persistence.Timestamp
		want string
	}{{after - 1, "modules false schema false provider false table false"}, {after, "modules true schema true provider true table true"}} {
		tx, err := h.DB.BeginAt(t.Context(), c.at)
		if err != nil {
			t.Fatal(err)
		}
		_, live, err1 := udf.LiveConfig(t.Context(), tx)
		s, err2 := udf.ActiveSchema(t.Context(), tx)
		providers, err3 := udf.AuthProviders(t.Context(), tx)
		if err := errors.Join(err1, err2, err3); err != nil {
			t.Fatal(err)
		}
		_, table := tx.Table("messages")
		if got := fmt.Sprintf("modules %v schema %v provider %v table %v", live, s != nil, len(providers) > 0, table); got != c.want {
			t.Errorf("at %d: %s, want %s", c.at, got, c.want)
		}
	}
}
