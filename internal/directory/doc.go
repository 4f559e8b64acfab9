// Package directory keeps what an organisation's own directory (Okta, Entra ID and
// their like) tells of its people: directories with their tokens, users, groups
// and who is in which, as the SCIM front hears it and the read API shows it.
//
// It knows the names of SCIM attributes (RFC 7643), because it stores what came and
// reads the fields of users out of it; it knows nothing of HTTP, filters or patches,
// which are wire/scim's. It does not decide who may sign in: it makes users and
// memberships of identity follow the directory (see provision.go).
//
// Invariants:
//   - A row, the events that tell of it, and the memberships that follow from it
//     are written by the same transaction.
//   - Within a directory a user name belongs to one user, whatever its case, and a
//     group's external id to one group.
//   - Who is in which group is a row per pair, found by either end; nothing keeps a
//     list of members.
//   - A directory's token is kept as a hash; a directory has exactly one.
//   - No password that a directory pushes is stored.
package directory
