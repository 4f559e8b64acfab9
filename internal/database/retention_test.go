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
