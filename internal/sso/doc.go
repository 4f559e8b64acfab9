// Package sso keeps what signing in through others needs: connections (to the
// identity provider of an organisation, or to a social provider for everybody),
// the ways out and back, profiles, and which of somebody else's accounts belongs
// to which user. The protocols are connector's; who is asked what and when is
// authflow's.
//
// Invariants:
//
//   - A way out ("departure") is bound to one browser, one connection and one purpose, and
//     is come back from once. Its state, nonce, verifier and request id are derived from
//     one secret that only the browser carries.
//   - A SAML assertion is noted by its id, in the transaction that accepts it, until it
//     could not be accepted any more.
//   - An account elsewhere belongs to at most one user. It is tied to a user that exists
//     already only by an address that the provider vouches for and may vouch for: a
//     social provider for addresses it says are verified, an organisation's connection for
//     addresses in the organisation's verified domains.
//   - Client secrets and private keys are stored sealed and never shown; codes, tokens and
//     links are stored as hashes.
package sso
