// Package application owns Connect: the applications that are not the
// environment's own but may act in it (OAuth applications for people, M2M
// applications for machines), their secrets, what people granted them, and the
// tokens they get.
//
// It knows nothing of HTTP or pages; wire/workos speaks, web/login asks for
// consent.
//
// Invariants:
//   - A client id names at most one application of the house.
//   - Secrets, codes and refresh tokens are stored as hashes only; a secret is shown
//     once.
//   - A token never carries a scope that its application was not registered for, nor
//     one that its user did not grant.
//   - A code is redeemed once; a refresh token that comes again ends its whole grant
//     of tokens (RFC 9700 §4.14.2).
//   - Redirects go to registered addresses only, compared byte for byte.
package application
