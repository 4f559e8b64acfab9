// Package server is the roof: it reads the configuration, opens the house in
// order (lock, secret, sockets, stores, engine, wings, fronts), serves until its
// context ends, and closes everything in reverse.
//
// It owns the listeners and what is true of every request whatever its protocol:
// a request id, recovery from panics, security headers, header timeouts, and a
// stop that lets running requests finish. It owns no behaviour: what a request
// means is decided in the rooms below.
//
// The two wings meet here and nowhere else: identity's key sets are handed to the
// deployments' token verifiers as plain token.KeySets.
//
// Deployments beside the home one are a fleet: each has a berth, with listeners or a
// host name, and is opened there when it is first asked for and closed when nobody
// uses it. What one of them suffers is not the others' business.
//
// Invariants: one process has a data directory open at a time; sockets are bound
// before stores are opened, because deployments must know their own addresses,
// and answer only after everything is open.
package server
