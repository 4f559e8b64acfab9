// Package depot keeps named objects somewhere else: in a directory, or in
// storage that speaks S3. Backups lie there.
//
// It owns how an address of such a place is written, how an object gets there
// as a whole or not at all, and what to tell a person when the place refuses.
// It refuses to know what the objects are.
//
// Invariants:
//
//   - Put is atomic: an object that can be opened was written to its end. What
//     was interrupted is not listed.
//   - Put returns only when the object is durable.
//   - List tells of an object by its name and size alone, in the order of names.
package depot
