// Package connector speaks the protocols by which somebody else signs a person
// in: OAuth 2 and OpenID Connect with the social providers of a table, OpenID
// Connect with any issuer, and SAML 2.0 as a service provider. It turns a way
// out (the address to send the browser to) and a way back (what the browser
// brings) into a [Person].
//
// It keeps no rows and knows no users, organisations or environments: what must
// be remembered between out and back (state, nonce, verifier, request id) is
// handed in, and so is the memory of assertions already seen.
//
// Invariants:
//
//   - Every way out carries an unguessable state, PKCE where the provider takes it, and
//     a nonce where an ID token comes back; the way back is checked against exactly those.
//   - An ID token counts only with a valid signature by a listed algorithm, from the
//     issuer that was asked, for our client, with our nonce (package token).
//   - A SAML assertion counts only if what is read is what was signed, with SHA-2, by a
//     certificate of the connection, for our entity and address, in answer to our
//     request or to none, within its time, and once (docs/decisions/0069-saml.md).
//   - An e-mail address is called verified only where the provider says so for this
//     person (Person.EmailVerified); everything else is the caller's to prove.
//   - Every fetch goes through the client that was handed in, follows no redirect, and
//     is bounded in time and size.
package connector
