package convexhttp

import (
	"github.com/lentil-dev/lentil/internal/backup"
	"github.com/lentil-dev/lentil/internal/wire"
)

// maxRecords bounds the body of a batch of records. Connectors send some hundred of
// them at a time.
const maxRecords = 64 << 20

// addPrimaryKeys answers PUT /api/streaming_import/add_primary_key_indexes. What the
// official service answers is not documented; connectors look at the status alone.
func (s *Server) addPrimaryKeys(q *request) error {
	var b struct {
		Indexes map[string][]backup.FieldPath `json:"indexes"`
	}
	if err := s.body(q, maxSmallBody, &b); err != nil {
		return err
	}
	if err := s.Backup.AddPrimaryKeys(q.Context(), b.Indexes); err != nil {
		return err
	}
	return wire.WriteRawJSON(q.w, []byte("null"))
}

// primaryKeysReady answers GET /api/streaming_import/primary_key_indexes_ready. The
// tables are named in a body, as the connector for Airbyte does it.
func (s *Server) primaryKeysReady(q *request) error {
	var b struct {
		Tables []string `json:"tables"`
	}
	if err := s.body(q, maxSmallBody, &b); err != nil {
		return err
	}
	ready, err := s.Backup.PrimaryKeysReady(q.Context(), b.Tables)
	if err != nil {
		return err
	}
	return wire.WriteJSON(q.w, map[string]bool{"indexesReady": ready})
}

// clearTables answers PUT /api/streaming_import/clear_tables.
func (s *Server) clearTables(q *request) error {
	var b struct {
		TableNames []string `json:"tableNames"`
	}
	if err := s.body(q, maxSmallBody, &b); err != nil {
		return err
	}
	if err := s.Backup.ClearTables(q.Context(), b.TableNames); err != nil {
		return err
	}
	return wire.WriteRawJSON(q.w, []byte("null"))
}

// importRecords answers POST /api/streaming_import/import_airbyte_records.
func (s *Server) importRecords(q *request) error {
	var in backup.Ingest
	if err := s.body(q, maxRecords, &in); err != nil {
		return err
	}
	if err := s.Backup.AddRecords(q.Context(), in); err != nil {
		return err
	}
	return wire.WriteRawJSON(q.w, []byte("null"))
}
