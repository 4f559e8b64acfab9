// Package management speaks the protocol of the vendor's control plane: what the
// official CLI asks of its cloud about teams, projects, deployments, keys and
// identity environments (convex-cli.md §4), the login by device flow that precedes
// it, and the small API of versions. What it serves, and what it refuses by name, is
// the table in routes.go.
//
// It decodes, asks platform, encodes. Who may do what is platform's to say; whom
// something is hidden from gets the same answer as for what does not exist.
//
// Its dialect is JSON `{"code", "message"}` with a 4xx or 5xx status; the CLI prints
// both, and a 403's message alone. A path that the table does not know is answered
// 501 rather than 404, so that "this house does not offer that" and "there is no such
// project" are told apart. The endpoints of the login speak OAuth's dialect.
//
// Invariants: a credential is read from the Authorization header alone, so that no
// page of another origin can act by somebody's cookie; the one page of this room,
// where a sign-in is confirmed, is guarded by the origin of the request and by a
// user code; device codes live in memory, are bounded in number and good for once.
package management
