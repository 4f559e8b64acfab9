// Command lentil is the door of the house: a Convex-compatible backend and a
// WorkOS-AuthKit-compatible identity service in one process.
//
// One file per command. Everything that reads a project (convex.json,
// package.json, .env.local) lives here and nowhere below: the server is told
// what to register and gives back addresses. Data goes to stdout, talk to
// stderr; exit codes are 0 done, 1 failed, 2 misused.
package main
