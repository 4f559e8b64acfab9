package pebblestore

import (
	"testing"

	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/persistence/persistencetest"
)

// openIn opens the store of a directory.
func openIn(t *testing.T, dir string) persistence.Store {
	t.Helper()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) {
	t.Parallel()
	open := func(t *testing.T) persistence.Store {
		t.Helper()
		return openIn(t, t.TempDir())
	}
	persistencetest.Run(t, open)
	t.Run("Reopen", func(t *testing.T) {
		t.Parallel()
		persistencetest.Reopen(t, open, func(t *testing.T, closed persistence.Store) persistence.Store {
			t.Helper()
			return openIn(t, closed.(*Store).dir)
		})
	})
}
