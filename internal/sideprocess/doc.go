// Package sideprocess runs pure functions of this binary in child processes of low
// priority, one request at a time each. It is for work that takes whole processors
// for tens of milliseconds, like hashing passwords: a goroutine that computes is
// taken off its processor every ten milliseconds at most, and whoever needs that
// processor meanwhile waits; a process of low priority makes room at once.
//
// Invariants:
//   - A child lives no longer than its parent: it ends when its standard input does.
//   - Nobody waits without bound: a call that is given up ends the child it waits
//     for, and the next call starts another.
//   - At most Workers children run; who brings more waits, and brings the bound
//     upon waiting along.
package sideprocess
