// Package testidp is an identity provider for trying things out: whoever comes may
// be anybody. A developer points a connection or a social provider at it with one
// setting and signs in without network, account or certificate.
//
// It speaks OpenID Connect and SAML as other identity providers do, over HTTP and
// with real signatures, so that nothing on our side takes another path. It keeps
// nothing: codes and tokens are sealed and carry what they stand for.
//
// Invariants:
//
//   - It exists only for connections that ask for it, in environments that are not for
//     real users: everything else is not found (package sso decides).
//   - It sends a browser nowhere but to the callback of its own connection.
package testidp
