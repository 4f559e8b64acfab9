package udf

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/value"
)

func TestHeatNamesLanesByArguments(t *testing.T) {
	t.Parallel()
	var h heat
	now := time.Now()
	id := value.ID{Table: 10001, Internal: value.InternalID{1, 2, 3}}
	args := func(s string) []byte { return []byte(`[{"from":"` + s + `","to":["account-7"],"amount":3}]`) }
	if names := h.lanesFor("m:f", args("account-1"), now); names != nil {
		t.Errorf("cold, and %q", names)
	}
	clash := &database.Conflict{Keys: [][]byte{value.AppendKey(nil, value.String("account-1"))}}
	if names := h.clashed("m:f", args("account-1"), clash, now); !slices.Equal(names, []string{valueLane("account-1")}) {
		t.Errorf("the clash is about %q", names)
	}
	if names := h.lanesFor("m:other", args("account-1"), now); !slices.Equal(names, []string{valueLane("account-1")}) {
		t.Errorf("another function with the value queues in %q", names)
	}
	if names := h.lanesFor("m:f", args("account-2"), now); names != nil {
		t.Errorf("a call about something else queues in %q", names)
	}
	byID := &database.Conflict{Keys: [][]byte{id.Internal[:]}}
	if names := h.clashed("m:f", args(id.String()), byID, now); !slices.Equal(names, []string{valueLane(id.String())}) {
		t.Errorf("the clash by id is about %q", names)
	}
	if names := h.lanesFor("m:f", args("account-1"), now.Add(2*heatTime)); names != nil {
		t.Errorf("cooled down, and %q", names)
	}
	for i := range functionClashes {
		if names := h.lanesFor("m:n", nil, now); names != nil {
			t.Errorf("after %d clashes newcomers of the function queue", i)
		}
		if names := h.clashed("m:n", nil, &database.Conflict{}, now); !slices.Equal(names, []string{functionLane("m:n")}) {
			t.Errorf("without a name it is %q", names)
		}
	}
	if names := h.lanesFor("m:n", nil, now); len(names) != 1 {
		t.Errorf("newcomers of a function that clashes all the time queue in %q", names)
	}
}

func TestHeatIsBounded(t *testing.T) {
	t.Parallel()
	var h heat
	now := time.Now()
	for i := range 3 * maxHot {
		h.clashed(fmt.Sprint("m:", i), nil, &database.Conflict{}, now)
	}
	if len(h.hot) > maxHot {
		t.Errorf("%d names are remembered", len(h.hot))
	}
	h.clashed("m:late", nil, &database.Conflict{}, now.Add(2*heatTime))
	if len(h.hot) != 1 {
		t.Errorf("%d names outlive their time", len(h.hot))
	}
}

// TestRunnerMutationTransfers: transfers that mostly meet in two accounts all
// succeed, and nothing is made or lost.
func TestRunnerMutationTransfers(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const accounts, movers, each = 12, 16, 12
	ids := make([]value.ID, accounts)
	h.update(func(tx *database.Tx) (err error) {
		for i := range ids {
			if ids[i], err = tx.Insert(t.Context(), "accounts", obj("n", 0)); err != nil {
				return err
			}
		}
		return nil
	})
	h.push("1", map[string]goFunction{"mutation m:transfer": func(c *hostCalls, a string) (string, error) {
		var args [1]struct{ From, To string }
		if err := json.Unmarshal([]byte(a), &args); err != nil {
			return "", err
		}
		for id, by := range map[string]float64{args[0].From: -1, args[0].To: 1} {
			doc, err := c.async("1.0/get", fmt.Sprintf(`{"id":%q,"isSystem":false}`, id))
			if err != nil {
				return "", err
			}
			var d struct{ N float64 }
			if err := json.Unmarshal([]byte(doc), &d); err != nil {
				return "", err
			}
			if _, err := c.async("1.0/shallowMerge", fmt.Sprintf(`{"id":%q,"value":{"n":%v}}`, id, d.N+by)); err != nil {
				return "", err
			}
		}
		return "null", nil
	}})
	var wg sync.WaitGroup
	for m := range movers {
		wg.Go(func() {
			for i := range each {
				from, to := ids[m%2], ids[(m+i)%accounts]
				if from == to {
					to = ids[2]
				}
				out, err := h.Mutation(t.Context(), Request{Path: "m:transfer", Args: fmt.Appendf(nil, `{"from":%q,"to":%q}`, from, to)})
				if err != nil || out.Failure != nil {
					t.Errorf("transfer %d of mover %d: %v, %+v", i, m, err, out)
				}
			}
		})
	}
	wg.Wait()
	sum := 0.0
	err := h.DB.View(t.Context(), func(tx *database.Tx) error {
		for _, id := range ids {
			doc, err := tx.Get(t.Context(), id)
			if err != nil {
				return err
			}
			n, _ := doc.Object().Get("n")
			sum += float64(n.(value.Float64))
		}
		return nil
	})
	if err != nil || sum != 0 {
		t.Errorf("the accounts hold %v together, %v", sum, err)
	}
	if len(h.lanes.lanes) > 0 || len(h.lanes.held) > 0 {
		t.Errorf("%d lanes and %d holds were left behind", len(h.lanes.lanes), len(h.lanes.held))
	}
}

func TestLanesEndWithTheirContext(t *testing.T) {
	t.Parallel()
	var ls lanes
	if err := ls.enter(t.Context(), []string{"b"}); err != nil {
		t.Fatal(err)
	}
	gone := canceled(t)
	if err := ls.enter(gone, []string{"c", "b", "a"}); err == nil {
		t.Error("a turn was given out twice")
	}
	ls.hold("f")
	if err := ls.pass(gone, "f"); err == nil {
		t.Error("a newcomer passed")
	}
	if err := ls.pass(t.Context(), "g"); err != nil {
		t.Error(err)
	}
	ls.release("f")
	if err := ls.pass(t.Context(), "f"); err != nil {
		t.Error(err)
	}
	ls.leave([]string{"b"})
	if len(ls.lanes)+len(ls.held) != 0 {
		t.Error("something was left behind")
	}
}

// canceled is a context that has ended.
func canceled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
