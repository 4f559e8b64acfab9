// Package convexsync speaks the WebSocket sync protocol of the official
// clients: live queries, mutations and actions over one socket.
//
// The protocol is a pure machine (Machine): inputs in, effects out, no clock, no
// goroutine, no socket. It owns versions, ordering, what is sent when, and which
// client faults are fatal; it is tested by the transcripts in testdata. Around it
// stands a thin shell (session, Server) that moves bytes, runs functions through
// udf, and watches subscriptions. What a function does, and who may do it, is
// not known here.
//
// Invariants of the machine:
//
//   - Each Transition begins at the version where the last one ended, and its
//     timestamp never goes back.
//   - All results in one Transition are of one timestamp.
//   - After every MutationResponse there is one more Transition whose
//     computation began later, even if it is empty: clients resolve a mutation
//     only then.
//   - Mutations of a connection run one at a time, in order of arrival.
//   - At most one transition is being computed and at most two are unsent, a
//     bulky one counting for two, so a slow client skips states instead of
//     piling them up.
//   - After a Close effect nothing else comes out.
//
// An idle socket costs one goroutine (the reader). Computing, running mutations
// and writing happen on goroutines that end when there is nothing to do. One
// read set that many sockets wait for is watched by one goroutine (watcher).
//
// Locks, in order: Server.mu (the list of sessions), session.mu (the machine and
// the outbound queue), watcher.mu (the groups); ledger.mu is
// a leaf.
package convexsync
