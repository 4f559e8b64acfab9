// Package identity owns the nouns of the identity service and their rules:
// environments with their API keys, redirect URIs, CORS origins and signing
// keys; users and their passwords' hashes; sessions and the refresh tokens that
// belong to them; organizations with their domains, members, groups and roles; and
// the events that record what happened to any of these.
//
// It knows nothing of HTTP, of JSON shapes, of pages or of how somebody signs in;
// wire/workos and web/login speak, authflow decides, identity keeps.
//
// Invariants:
//   - Every noun belongs to exactly one environment, and nothing is ever found
//     through another environment's id.
//   - An e-mail address belongs to at most one user of an environment, whatever
//     its case.
//   - A domain is verified for at most one organization of an environment, and a
//     user is a member of an organization at most once.
//   - What is deleted takes along all that is only its own, sessions first.
//   - A row and the event that tells of it are written by the same transaction.
//   - No secret is stored that could be used as it is: API keys are kept as
//     hashes, signing keys sealed under the house's master key, refresh tokens
//     not at all (each is derived from its session's seed and generation by a
//     key that is itself sealed).
//   - A signing key is published for longer than verifiers keep a set before it signs,
//     and until its last token has expired after that; only revoking one breaks this.
//   - A refresh token that was exchanged answers with the same successor within
//     the environment's reuse window, in which a time without a house does not count;
//     after it, its use ends the session.
//
// Lock order: Service.mu is a leaf; it guards caches only and is never held over
// a transaction.
package identity
