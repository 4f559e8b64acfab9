// Package deploy takes a push from bundle to live: intake, inspection, the
// difference to what is live, waiting for indexes and documents, and the one
// commit that makes it so. It also keeps environment variables, because
// auth.config depends on them.
//
// It is for the front that speaks the push protocol; each request of that
// protocol is one method of Service, with its body and its answer as structs.
// Callers have been authenticated before. Invariants:
//
//   - Nothing anybody can see changes before FinishPush commits, and everything
//     changes with it, in one transaction.
//   - What a push installs was inspected by us: of what the client sends back,
//     only the id of the push counts.
//   - After FinishPush every document matches the schema that became active:
//     those there before were checked while waiting, and each write since the
//     waiting began was held against the pending schema by udf.
//   - Of two pushes the one that began to wait later wins; the other is told
//     that it lost.
//
// A push is a row with a state (machine.go is the table of states). The package
// knows nothing of HTTP, sockets or sync sessions.
package deploy
