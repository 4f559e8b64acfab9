// Package token decides on whose behalf a request is made.
//
// It owns everything that is signed, sealed or compared as a credential:
// RS256 signing (Signer), key sets (local ones that are published, remote ones
// that are fetched and cached), the auth.config providers and the verification
// of end users' JWTs against them (Verifier), deployments' admin keys
// (AdminKeys), the Authorization header (Credential), and purpose-bound sealing
// of small strings (Sealer). The answer to "who is it" is a Caller, which is
// made here and nowhere else.
//
// It refuses to know users, sessions and tables: signers are handed keys and
// never fetch them, providers are handed in by whoever stores them, and the
// house's own key sets come through Verifier.House.
//
// Invariants:
//
//   - A JWT is accepted only with the algorithm its provider names, with a key
//     of that algorithm's type found by `kid`, and never with "none", a
//     symmetric algorithm, an embedded key or a critical extension (RFC 8725).
//   - Tokens and fetched documents are bounded in size before they are parsed;
//     every fetch has a deadline.
//   - Secrets are compared in constant time, and no error or log line holds one.
//   - A string sealed for one purpose does not open for another.
package token
