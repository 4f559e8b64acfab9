// Package transfer moves people in and out. A seed fills an environment as the
// official emulator's seed files say: it is a row of calls of the public API, made by
// whoever carries them out. An import reads the users that another service exported,
// CSV or JSON of many shapes, and makes them with the hashes of their passwords.
//
// It knows none of the rooms above identity: it names paths and bodies, and what it
// cannot compute itself, such as whether a hash can be checked here, is handed to it.
//
// Invariants:
//   - A seed that is not right is not applied at all.
//   - What is there already is kept as it is, so that a seed can be applied again.
//   - What the house does not offer is named in the report, not passed over.
//   - A row of an import is done wholly or not at all, and one that is not done is
//     named by its line with a reason.
//   - A file of any size is read with the memory of some hundred rows.
package transfer
