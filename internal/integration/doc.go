// Package integration owns Pipes: the foreign services that an environment's users
// and organisations connect, how they are reached, and the credentials that come of
// it, kept fresh.
//
// It speaks OAuth to those services as a client; every call goes through outbound,
// outside of transactions. It knows nothing of the house's own HTTP.
//
// Invariants:
//   - Secrets (client secrets, tokens, API keys) are sealed under the house's master
//     key and leave the room only as the credential somebody asked for.
//   - Of one user and organisation there is at most one account of an integration.
//   - A state parameter is random, good for one use and some minutes, and kept as a
//     hash; with it goes a PKCE verifier where the service takes one.
//   - One refresh of an account runs at a time: services that rotate refresh tokens
//     see each once.
//
// Lock order: Service.mu guards the table of running refreshes and is a leaf.
package integration
