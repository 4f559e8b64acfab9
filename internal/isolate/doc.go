// Package isolate is the JavaScript engine of the house: V8 in process, behind
// a thin C++ binding of our own.
//
// It owns heaps, the module graph, promises and the job loop, limits, the
// web-platform shims of runtime/*.js, console capture and source positions. It
// knows nothing of databases, HTTP routing or identity: whatever JavaScript
// may ask of the house it asks through a [Host].
//
// An [Engine] is one per process. [Engine.Load] evaluates the modules of a push
// once and keeps the resulting heap as a startup snapshot, a [Program]. Each
// [Program.Run] gets a fresh context: one made from that snapshot, or one that
// served before and is proven, byte by byte, to be as it was when it was new
// (reuse.go, imprint.cc). No state passes from one invocation to the next.
//
// Invariants:
//
//   - One invocation at a time uses a V8 isolate, so a heap limit, a lost
//     isolate or a termination concerns exactly one caller.
//   - At most Options.Workers queries and mutations execute JavaScript at once,
//     and as many actions; the others wait in FIFO queues. An action that waits for the host holds no
//     place; a query or mutation keeps its place during its host calls and
//     lends it to the calls nested in them (the ctx given to the Host carries
//     the loan, so a Host must pass it on to Program.Run).
//   - JavaScript that V8 cannot give back (a fatal error) costs its isolate and
//     the OS thread, which is parked for good; the process goes on.
//
// The limits of one invocation's log (256 lines, 32 KiB a line) are applied
// here. Lines of nested calls reach their own Host; whoever merges them counts
// again.
package isolate
