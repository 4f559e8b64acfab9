// Package search keeps the indexes that are searched rather than walked: full
// text with BM25 ranking, and nearest vectors by cosine.
//
// It owns the tokenizer, postings, scores and vectors, and how an index is
// built, catches up with commits, is kept in files and read back. It refuses
// to know query JSON, protocols and JavaScript.
//
// An index is a list of segments. An entry of a segment is one *revision* of a
// document, with the timestamp of the commit that wrote it and of the one that
// replaced it; so a search as of a snapshot passes over entries that the
// snapshot does not see, and its answer depends on nothing but the snapshot.
// The newest segment grows in memory; it is frozen when it is full, and frozen
// ones are merged. A transaction's own writes are one more, tiny, segment.
//
// Invariants:
//
//   - A search at snapshot s sees every revision that s sees, and no other:
//     the database tells of a commit before it is visible, and a search first
//     takes in what it was told of up to s.
//   - Every search within a transaction is noted in its read set as the terms
//     and filter values that it looked for, whatever it found.
//   - Files are a cache. One that is missing, damaged or of another version
//     costs a rebuild, never an answer.
//
// Lock order: Service.mu, then index.merging, then index.mu, then index.queue's own. None is held
// while the database is called.
package search
