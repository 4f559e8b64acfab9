// Package transfer brings what a house should hold into it from files: seeds, in
// the format of the official emulator with a few members of our own.
//
// It knows the files and the public API, and nothing of the rooms below: a seed is
// a row of calls, made over HTTP or in process, so that whatever holds for callers
// of the API holds for seeds.
//
// Invariants:
//   - A seed that Check finds nothing wrong with is a seed that can be tried; what
//     the API refuses all the same is named by its place in the file.
//   - Applying a seed twice makes nothing twice: what is there stays as it is.
package transfer
