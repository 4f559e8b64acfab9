// Package node runs functions of "use node" modules in Node.js processes.
//
// It owns the processes, what they may use, the files they read (the modules of
// a push, and the npm packages these want), and the protocol between them and
// the house. It speaks the language of package isolate (Call, Host, Result,
// ModuleInfo), so that whoever runs functions need not care which engine does.
// It knows nothing of databases, HTTP or identity.
//
// A [Pool] is one per house. [Pool.Load] writes the modules of a push to disk, a
// [Program]. [Program.Run] runs one action in a process that belongs to this
// program and to this action alone until it ends.
//
// Invariants:
//
//   - A process serves one program for its whole life, and one action at a time:
//     what an action does to its process concerns no other that runs.
//   - A process is used again only after an action that ended well and left
//     nothing behind (timers, child processes, unawaited operations). Module state
//     therefore passes from one action to a later one of the same push, as on the
//     vendor's platform, and never further.
//   - A process gets no environment, and no open file, of the house's. It ends with
//     the house however that ends: its pipe closes, and on Linux the kernel kills
//     it. Where the system permits, it is the root of a process namespace, so that
//     whatever it started ends with it.
//   - At most Options.Workers top-level actions run at once; the others wait in a
//     queue. An action called by one that runs here has no place to wait for, lest
//     callers wait for places that only their end would free.
//
// What comes out of a process is taken for hostile: frames are bounded, and decide
// about nothing but the action that runs there.
//
// Locks: Pool.mu guards groups and idle processes and is a leaf; process.wmu
// guards writing to a process and is held while a pipe is full.
package node
