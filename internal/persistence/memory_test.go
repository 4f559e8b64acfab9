package persistence_test

import (
	"testing"

	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/persistence/persistencetest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	persistencetest.Run(t, func(*testing.T) persistence.Store { return persistence.NewMemory() })
}
