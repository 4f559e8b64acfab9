// Package agent owns the registrations of software agents: which agent acts in
// which organisation, by what credential, and which person claimed it.
//
// A registration begins unverified, with an API key, a short access token and a
// claim. Whoever has the claim's token may say, by the application's word, which
// user the agent belongs to; then it is verified. It ends when it expires or is
// revoked, and with it its credentials.
//
// Invariants:
//   - Keys and claim tokens are stored as hashes only and shown once.
//   - A claim is completed at most once and within its time.
//   - A credential is valid only while its registration is.
package agent
