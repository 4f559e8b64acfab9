// Package passkey owns people's passkeys: what is kept of them, the two ceremonies
// of WebAuthn that make one and show one, and when people are asked to make one. It
// knows nothing of attempts and pages; those bring the challenge.
//
// Invariants:
//   - A ceremony is bound to one challenge and one origin, and a passkey to the
//     relying party (the origin's host) it was made for: it opens nothing elsewhere.
//   - The authenticator has verified its user, so that a passkey is two factors in one.
//   - Of attestations none but "none" and self-attestation are taken: nobody's device
//     is identified, and no chain of certificates is believed.
//   - The signature counter only grows; one that does not is refused (WebAuthn §6.1.1).
//   - The user handle that authenticators store is derived, and tells nothing of the user.
package passkey
