// Package scim speaks SCIM 2.0 (RFC 7643, RFC 7644) with the directories of
// organisations: Okta, Entra ID and whoever else pushes users and groups.
//
// It owns the bytes: endpoints below /scim/v2.0/{directory}, filters, patches,
// versions, projections and error bodies, in the dialects that real directories
// speak. What a user or group is, and what follows from it, is directory's.
//
// Invariants:
//   - Every request is held against the token of the directory that its path names;
//     nothing is found through another one.
//   - Decoding is bounded: bodies in bytes, filters in length and depth, patches in
//     operations, groups in members.
//   - A patch is applied whole or not at all, in the transaction that stores it.
package scim
