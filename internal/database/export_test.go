package database

import "github.com/lentil-dev/lentil/internal/persistence"

// StoreOf is the store of a database.
func StoreOf(db *DB) persistence.Store { return db.store }
