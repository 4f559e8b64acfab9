//go:build !invariants

package database

import "github.com/lentil-dev/lentil/internal/persistence"

// checkAccepted does nothing without the build tag invariants.
func checkAccepted(*DB, *prepared) {}

// checkPublished does nothing without the build tag invariants.
func checkPublished(*DB, []*prepared) {}

// checkReturned does nothing without the build tag invariants.
func checkReturned(*Tx, persistence.IndexID, []byte) {}
