// Package backup carries the data of a deployment out of it and into it: whole as
// a ZIP file, or single tables as JSON lines, a JSON array or CSV; and in streams, in
// which connectors follow what changes, and add records.
//
// It is for deployment, which keeps Run going; for wire/convexhttp, which brings
// requests, uploads and downloads; and for sysudf, which shows how far things are.
//
// It owns the formats, the rows of exports and imports and how they go from state
// to state, and the bytes of uploads and of finished exports. It knows nothing of
// HTTP and of how functions run.
//
// Invariants:
//
//   - An export is of one snapshot. Bytes are streamed: neither an export nor an
//     import holds more than a few documents at a time.
//   - What was exported and is imported again is the same: ids, creation times,
//     numbers of tables, values of every kind, files with their metadata.
//   - An import is read through once, and everything found wrong with it, before
//     anything is written; and then until its last step nobody sees any of it.
//   - Rows survive a crash; what was running begins again from the start.
package backup
