// Package logstream sends what functions do and print to webhooks that the owner has
// set up.
//
// It is for deployment, which keeps Run going, and for wire/convexhttp, which sets
// streams up. It owns the rows of streams, the events that are sent, and how they are
// sent: in batches, signed, in order, with a deadline and a few tries each. It knows
// nothing of how functions run: it reads udf's stream of log entries.
//
// Invariants:
//
//   - Nothing waits for a receiver. Each stream has a bounded queue; when it is full
//     the oldest events go, and the next batch tells how many.
//   - A secret is shown when it is made and to holders of the admin key, and never
//     logged.
package logstream
