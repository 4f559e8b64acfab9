package identity_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/lentil-dev/lentil/internal/identity"
)

// TestRotationOnSchedule checks that old keys give way by themselves, and that there
// is no moment at which the key that signs was not published for long enough, or the
// one before not for as long as its tokens live.
func TestRotationOnSchedule(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, e := house(t, identity.Settings{KeyRotation: 24 * time.Hour})
		done := make(chan struct{})
		ctx := t.Context()
		go func() { defer close(done); s.Run(ctx) }()
		seen := map[identity.KeyID]time.Time{}   // since when it is published
		signed := map[identity.KeyID]time.Time{} // when it last signed
		for range 4 * 24 * 12 {
			time.Sleep(5 * time.Minute)
			keys, err := s.SigningKeys(ctx, e.ID)
			if err != nil {
				t.Fatal(err)
			}
			now := time.Now()
			published := map[identity.KeyID]bool{}
			for i, k := range keys {
				published[k.ID] = true
				if _, ok := seen[k.ID]; !ok {
					seen[k.ID] = now
				}
				if i == 0 {
					if k.Created != e.Created && now.Sub(seen[k.ID]) < 10*time.Minute {
						t.Errorf("%s signs %v after it appeared", k.ID, now.Sub(seen[k.ID]))
					}
					signed[k.ID] = now
				}
			}
			for id, at := range signed {
				if now.Sub(at) < time.Hour && !published[id] {
					t.Errorf("%s is gone %v after it signed", id, now.Sub(at))
				}
			}
		}
		if n := len(signed); n != 4 {
			t.Errorf("%d keys signed in four days", n)
		}
	})
}
