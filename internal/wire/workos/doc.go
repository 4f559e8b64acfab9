// Package workos speaks the WorkOS REST and OAuth protocol.
//
// It owns the bytes: routes, parameter and body decoding, response shapes, the
// error dialects (which differ per grant, not per endpoint), CORS as that
// protocol has it, the cookies of browsers that cannot keep a refresh token, and
// the request id on every answer. The rules live below: users, environments and
// keys in identity, attempts, grants and sessions in authflow. Pages for people are
// shown by whoever fills the [Pages] field.
//
// Invariants:
//
//   - Nothing is ever redirected to an address that is not registered; a mismatch
//     is a page.
//   - An answer to a foreign origin carries CORS headers only if that origin is
//     registered with the environment that the request names; a refused origin
//     spends no code and no token.
//   - 4xx other than 408 and 429 is said only of conditions that trying again cannot
//     change: the official browser client ends the session on any of them.
//   - A POST whose Idempotency-Key was answered before does nothing again: within a
//     day it gets the same answer.
//   - On an environment's own domain nothing is done for the clients of another.
//   - Every operation of the public inventory (operations.tsv) has a row: either a
//     handler in routes.go, or a 501 that names the operation.
package workos
