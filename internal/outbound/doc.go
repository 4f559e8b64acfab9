// Package outbound is the house's way out: the one guarded HTTP client for every
// request whose address somebody else chose, be it a webhook, an action, a key
// set, a token endpoint or a metadata document.
//
// It knows addresses, deadlines and sizes. What is sent, and whether to send it
// again, is decided elsewhere.
//
// Invariants:
//   - The address is judged when it is dialled, after names were resolved, so a
//     name that answers differently the second time gains nothing (DNS rebinding).
//   - Only addresses of the public internet are dialled. A Policy may add loopback
//     or private networks; no policy adds link-local, metadata, multicast or
//     reserved addresses, however they are written (mapped, NAT64, 6to4, Teredo).
//   - A redirect is followed only for GET and HEAD and only within the same origin;
//     any other is the answer.
//   - Every exchange has a deadline and every body a bound.
//   - Proxy variables of the process's environment are ignored: a proxy would dial
//     in our stead, unjudged.
package outbound
