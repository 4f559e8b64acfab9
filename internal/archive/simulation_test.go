package archive

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/value"
)

// seedFlag repeats one history.
var seedFlag = flag.Uint64("seed", 0, "seed of the simulation; 0 is a random one")

// TestSimulation lets several stores commit, come and go while they are backed up by
// archivers that are broken off and taken up again, and then restores random moments:
// each must be exactly what the model says of it.
func TestSimulation(t *testing.T) {
	t.Parallel()
	for i := range 12 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			seed := *seedFlag
			if seed == 0 {
				seed = rand.Uint64()
			}
			simulate(t, rand.New(rand.NewPCG(seed, 1)), i%2 == 1)
			if t.Failed() {
				t.Logf("go test -run '%s' -seed %d", t.Name(), seed)
			}
		})
	}
}

// simulate is one history.
func simulate(t *testing.T, r *rand.Rand, sealed bool) {
	h, d := newHouse(t), memoryDepot(t)
	var key []byte
	if sealed {
		key = []byte("thirty-two bytes are a good key.")
	}
	h.add("house")
	h.add("deployments/calm-wren-1")
	a := h.archiver(d, key)
	h.first(a)
	from := a.through
	for range 250 {
		live := slices.DeleteFunc(slices.Clone(h.stores), func(s *testStore) bool { return s.removed != 0 })
		s := live[r.IntN(len(live))]
		now := s.history[len(s.history)-1]
		switch n := r.IntN(100); {
		case n < 40:
			s.put(t, value.ID{}, row{r.IntN(20), fmt.Sprint(r.IntN(1000))})
		case n < 60 && len(now.rows) > 0:
			s.put(t, pick(r, now.rows), row{r.IntN(20), fmt.Sprint(r.IntN(1000))})
		case n < 68 && len(now.rows) > 0:
			s.remove(t, pick(r, now.rows))
		case n < 74:
			s.upload(t, fmt.Sprintf("files/%02x/%d", r.IntN(256), r.Uint64()), fmt.Sprint(r.Uint64()))
		case n < 76 && len(now.blobs) > 0:
			// The house leaves them for a minute, in which they are shipped.
			h.ship(a)
			s.unload(t, slices.Sorted(maps.Keys(now.blobs))[r.IntN(len(now.blobs))])
		case n < 88:
			h.ship(a)
		case n < 90:
			h.base(a, false)
		case n < 93: // the process is killed and starts again
			a.letGo()
			a = h.archiver(d, key)
			if err := a.open(t.Context()); err != nil {
				t.Fatal(err)
			}
			if a.note.Chain == 0 {
				t.Fatal("a chain that could go on did not")
			}
		case n < 94:
			h.add(fmt.Sprintf("deployments/calm-wren-%d", len(h.stores)))
		case n < 95 && len(live) > 2 && s.name != "house":
			h.ship(a)
			s.removed = persistence.Timestamp(time.Now().UnixNano())
			h.ship(a)
			s.told = a.through
		case n < 96:
			h.files = []File{{"keyring", time.Now(), fmt.Appendf(nil, "ring %d", r.IntN(1000))}}
		case n < 98: // as it is an hour later
			tidy := tidy{v: a.vault, house: h.ID(), chain: a.note.Chain, keep: Keep{Window: 24 * time.Hour}, now: time.Now().Add(time.Hour), settle: nothing}
			if err := tidy.run(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	h.ship(a)
	if v, err := Verify(t.Context(), d, key, nil); err != nil || len(v.Damaged) > 0 || v.Unneeded > 0 {
		t.Fatalf("verify: %+v, %v", v, err)
	}
	var moments []persistence.Timestamp
	for _, s := range h.stores {
		for _, st := range s.history {
			if st.ts >= from {
				moments = append(moments, st.ts-1, st.ts)
			}
		}
	}
	r.Shuffle(len(moments), func(i, j int) { moments[i], moments[j] = moments[j], moments[i] })
	for _, ts := range append(moments[:min(8, len(moments))], from, a.through) {
		if ts < from {
			continue
		}
		site, out := restoreAt(t, d, key, ts)
		if out.At.UnixNano() != int64(ts) {
			t.Fatalf("restored %v, not %d", out.At, ts)
		}
		h.compare(site, ts)
	}
}

// pick is one of some rows.
func pick(r *rand.Rand, rows map[value.ID]row) value.ID {
	ids := slices.SortedFunc(maps.Keys(rows), func(a, b value.ID) int { return slices.Compare(a.Internal[:], b.Internal[:]) })
	return ids[r.IntN(len(ids))]
}
