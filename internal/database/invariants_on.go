//go:build invariants

package database

import (
	"fmt"
	"slices"

	"github.com/lentil-dev/lentil/internal/persistence"
)

// checkAccepted panics unless an accepted commit is later than all before it,
// and its entries and touched keys are those of the catalog it is accepted
// into. committer.mu is held.
func checkAccepted(db *DB, p *prepared) {
	if p.commit.TS <= db.Latest() || p.commit.TS <= p.tx.snap {
		panic(fmt.Sprintf("database: commit at %d is not after the snapshot %d", p.commit.TS, db.Latest()))
	}
	again := &prepared{changes: p.changes, searcher: p.searcher}
	if err := again.derive(db.commits.catalog); err != nil {
		panic(err)
	}
	same := func(a, b touch) bool { return a.index == b.index && string(a.key) == string(b.key) }
	if !slices.EqualFunc(p.touched, again.touched, same) || len(p.commit.Entries) != len(again.commit.Entries) {
		panic("database: index entries of a commit are not those of its catalog")
	}
	for _, ch := range p.changes {
		// What is replaced must be what is there; the conflict check saw to it.
		if ch.old != nil && !p.reads.covers(persistence.Primary(ch.doc.Table), ch.doc.Internal[:]) {
			panic(fmt.Sprintf("database: document %s was replaced without being read", ch.doc))
		}
	}
}

// checkPublished panics unless a batch goes on from the visible snapshot.
func checkPublished(db *DB, batch []*prepared) {
	last := db.Latest()
	for _, p := range batch {
		if p.commit.TS <= last {
			panic(fmt.Sprintf("database: commit %d published after %d", p.commit.TS, last))
		}
		last = p.commit.TS
	}
}

// checkReturned panics unless a row that was handed out is in the read set.
func checkReturned(tx *Tx, ix persistence.IndexID, key []byte) {
	for _, r := range tx.reads {
		if r.index == ix && r.span.Contains(key) {
			return
		}
	}
	panic(fmt.Sprintf("database: row %x was read, but is not in the read set", key))
}
