package database

// Unfinished says whether Run has something left to do that should not wait: an
// index to build, or a retired table to empty.
func (db *DB) Unfinished() bool {
	for _, t := range db.visible.Load().cat.byPlace {
		if t.state == retired {
			return true
		}
		for _, ix := range t.indexes {
			if !ix.built {
				return true
			}
		}
	}
	return false
}
