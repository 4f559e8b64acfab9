package persistence_test

import (
	"testing"

	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/persistence/persistencetest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	persistencetest.Run(t, func(_ *testing.T, again persistence.Store) persistence.Store {
		if again != nil {
			return nil
		}
		return persistence.NewMemory()
	})
}
