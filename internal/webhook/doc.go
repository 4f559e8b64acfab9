// Package webhook tells applications what happened, and asks them before it does:
// webhook endpoints and the deliveries to them, and actions, which are requests whose
// answer decides whether a registration or a sign-in goes on.
//
// It knows nothing of what events mean; identity writes them.
//
// Invariants:
//   - The history is the outbox. Every endpoint has a place in it; moving that place
//     on and writing down the deliveries is one transaction, so each event is
//     delivered at least once, also over crashes, and never before it can be read.
//   - What is signed are the bytes that are sent, and they are what JavaScript's
//     JSON.stringify(JSON.parse(body)) gives: receivers verify either (workos-api.md
//     §6.1).
//   - Secrets are sealed at rest. Requests go through outbound's client only.
//   - At most maxActive deliveries are under way, at most maxPerEndpoint to one
//     endpoint: one that hangs does not hold up the others. What waits lies in the
//     store, not in memory.
//   - Deliveries of an endpoint begin in the order of their events, but one that
//     fails does not hold up those behind it.
//
// Lock order: Service.mu is a leaf; it is never held over a transaction or a request.
package webhook
