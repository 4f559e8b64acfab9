// Package convexhttp speaks the deployment's HTTP protocol: calling functions,
// the push of the official CLI, environment variables, function logs, and the
// small questions that tools ask a deployment. What it serves, and what it
// refuses by name, is the table in routes.go.
//
// It decodes, calls, encodes. What a function does is udf's, what a push does
// is deploy's, who somebody is is token's.
//
// Its dialect is JSON `{"code", "message"}` with a 4xx or 5xx status. Two habits
// follow from how the official CLI behaves (convex-cli.md §2.1): nothing below
// /api/ is ever answered 404, because the CLI would repeat the request for half
// a minute; and a GET that is not offered is answered 400, for the same reason.
// A function's own failure is an answer with status 200.
package convexhttp
