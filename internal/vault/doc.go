// Package vault keeps small secrets of an environment's customers under envelope
// encryption, and hands out data keys for those who encrypt by themselves.
//
// A key context (a map such as organization → org_…) names a key encryption key
// of its own, made when the context is first used. Every version of an object
// has a fresh data key; the value is sealed with the data key, the data key with
// the context's key, and that key under the house's master key. Data keys of
// callers are not kept: what they get back is the key and its sealed form.
//
// It knows nothing of HTTP, and nothing of keys that customers bring along.
//
// Invariants:
//   - No value and no key is stored in the clear, and none is in an event.
//   - A value opens only as what it was stored as: environment, object, version and
//     context are authenticated with it, so rows cannot be exchanged.
//   - The names of an environment's objects are unique, also over a deletion.
//   - Every access to a value or a key leaves an event in its own transaction.
package vault
