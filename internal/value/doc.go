// Package value holds the words of the house: Convex values in their one
// documented order, document ids, sizes, sort keys and the Convex-JSON text form.
//
// It is for every room that touches a document, an argument or a result. Values
// are immutable once made; whoever gets one may keep it and share it between
// goroutines. Invariants:
//
//   - Compare is a total order over all values, and bytes.Compare of two sort
//     keys (AppendKey) agrees with it; a key never is a prefix of another
//     value's key, so keys laid end to end sort as tuples do.
//   - Parse(JSON(v)) is v for every value that Parse can produce, bit for bit.
//   - JSON is canonical: equal values have equal text (object keys sorted,
//     numbers as JavaScript prints them).
//   - ParseID accepts exactly the texts that ID.String produces.
//
// The package knows nothing of tables, schemas or storage: an ID is a number and
// sixteen bytes here. Errors meant for callers are *apierr.Error of kind BadRequest.
package value
