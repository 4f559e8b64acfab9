// Package archive copies a running house to a depot, continuously, and makes a
// house of such a copy again, as it was at any second.
//
// It owns the form of what lies in the depot, when it is written and when it
// goes, and how it is read back and checked. It refuses to know what the copied
// documents say, and where the house keeps its things: a House tells.
//
// Four kinds of objects lie in a depot. A *base* is everything as of one moment:
// a list of *chunks* (documents, named by what is in them, so that what did not
// change is there already) and of *blobs* (stored files, by their key). A
// *segment* is every commit of every store between two moments, a few seconds
// apart. So the state at a moment is that of a base before it and the segments
// from there on. Segments of one unbroken history form a *chain*.
//
// Invariants:
//
//   - A segment that ends at a moment holds all commits up to there, of all
//     stores: each was made to give no such timestamp any more. Those of a store
//     that could not be opened come in the first segment after it could.
//   - When a segment or base can be listed, all that it needs is in the depot.
//   - What is removed was needed by no base and no segment that stays.
//   - Whatever is read back has the checksum it was written with, or is an error
//     that names it.
//   - Only one process writes for a house, the one that has its data directory;
//     its chain is noted there, so that a copy or an earlier state of the
//     directory begins another.
package archive
