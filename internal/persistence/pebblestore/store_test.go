package pebblestore

import (
	"testing"

	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/persistence/persistencetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	persistencetest.Run(t, func(t *testing.T, again persistence.Store) persistence.Store {
		dir := t.TempDir()
		if again != nil {
			dir = again.(*Store).dir
		}
		s, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
