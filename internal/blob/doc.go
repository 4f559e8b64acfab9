// Package blob keeps bytes by key: module packages, uploaded files, exports.
//
// A key is a short path of plain segments ("modules/3f/3fa9…"). Put replaces
// what the key held before in one step: a reader sees the old bytes or the new
// ones, never a mixture, and once Put has returned the bytes survive a crash.
// Every Put reports size and SHA-256 of what it stored, computed while copying.
//
// The room knows nothing of documents, links or who may read what; whoever
// stores bytes keeps a row that says what they are.
package blob
