package database

import (
	"context"
	"fmt"
)

// RenameIndex gives a declared index another name, under which it goes on as
// built as it is. A push builds indexes under names of their own and renames
// them in the commit that makes them live.
func (tx *Tx) RenameIndex(ctx context.Context, table, name, to string) error {
	ix, err := tx.declared(table, name)
	if err != nil {
		return err
	}
	if _, err := tx.declared(table, to); err == nil || to == ByID || to == ByCreationTime {
		return fmt.Errorf("database: index %s.%s exists already", table, to)
	}
	n := *ix
	n.name = to
	return tx.In(0).Replace(ctx, ix.row, n.object())
}
