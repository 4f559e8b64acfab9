// Package portal shows the pages on which an organisation's own administrator sets
// up what the organisation brings along: its identity provider, its directory, its
// domains. Whoever operates the application makes a link (POST
// /portal/generate_link); the link opens a visit.
//
// It owns pages and the visit's cookie; what may be configured and how is sso's,
// directory's and identity's.
//
// Invariants:
//
//   - A link works once and for five minutes, and only by a click on its page, so that a
//     mail scanner that fetches it does not use it up.
//   - A visit sees and changes its own organisation alone, and of it only what its intent
//     names; everything else is not found.
//   - Secrets that were typed in are never shown again; a directory's token is shown once.
//   - Pages work without script; forms of other sites are refused.
package portal
