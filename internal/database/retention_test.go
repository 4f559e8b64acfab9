package database

import (
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/persistence"
)

func TestHorizonUnderLoad(t *testing.T) {
	t.Parallel()
	db := &DB{retention: 4 * time.Hour}
	now := time.Unix(1_700_000_000, 0)
	ago := func(d time.Duration) persistence.Timestamp { return persistence.Timestamp(now.Add(-d).UnixNano()) }
	for _, x := range []struct {
		name string
		past []milestone
		want time.Duration
	}{
		{"nothing known", nil, 4 * time.Hour},
		{"little load", []milestone{{ago(2 * time.Hour), 0}, {ago(0), maxHistory - 1}}, 4 * time.Hour},
		{"heavy load", []milestone{{ago(2 * time.Hour), 0}, {ago(time.Hour), 10}, {ago(30 * time.Minute), 1000}, {ago(0), maxHistory + 500}}, time.Hour},
		{"very heavy load", []milestone{{ago(20 * time.Minute), 0}, {ago(9 * time.Minute), 5}, {ago(0), 9 * maxHistory}}, 20 * time.Minute},
	} {
		if got := db.horizonAt(now, x.past); got != ago(x.want) {
			t.Errorf("%s: %v ago, want %v", x.name, now.Sub(got.Time()), x.want)
		}
	}
}

func TestWriteLogForgets(t *testing.T) {
	t.Parallel()
	var w writeLog
	w.init(0, 100)
	reads := func(k byte) *ReadSet { return newReadSet([]*read{{index: 1, span: point([]byte{k})}}) }
	for i := range 250 {
		w.add([]touch{{index: 1, key: []byte{byte(i % 50)}}}, persistence.Timestamp(i+1))
	}
	if w.floor != 150 || w.keys.count != 50 {
		t.Errorf("floor %d, %d keys", w.floor, w.keys.count)
	}
	w.trim(500)
	if w.floor != 240 || w.keys.count != 10 || len(w.fifo) != 10 {
		t.Errorf("trimmed: floor %d, %d keys, %d writes", w.floor, w.keys.count, len(w.fifo))
	}
	if _, ts, known := w.met(reads(45), 245); ts != 246 || !known {
		t.Errorf("a write that is remembered: %d, %v", ts, known)
	}
	if _, ts, known := w.met(reads(3), 240); ts != 0 || !known {
		t.Errorf("a key that was not written since: %d, %v", ts, known)
	}
	if _, _, known := w.met(reads(3), 239); known {
		t.Error("beyond the floor")
	}
}
