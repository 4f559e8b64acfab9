// Package filestorage keeps uploaded files: a row for each in the table that
// users read as _storage, bytes in a blob store, and the two kinds of links.
//
// A file's row has exactly the members that users see. Which bytes belong to it
// stands in a row of a table of its own, whose key is also the unguessable name
// in the file's address. Bytes come before rows and go after them: a key is
// noted as pending before its bytes are written, attached in the transaction
// that makes the file's row, and noted as gone in the one that deletes it. The
// sweep removes the bytes of keys that are pending for a day or gone for a
// minute. So there is never a row without bytes, whatever is cut off where, and
// a transaction that attaches or deletes may be rolled back or run again.
//
// The package knows nothing of HTTP or JavaScript.
package filestorage
