// Package authflow signs people in. It owns the attempt (one browser's way from
// an authorize request to an authorization code), its steps, the guessing
// limits, password hashing, the grants by which applications turn codes and
// refresh tokens into access tokens, and the end of sessions.
//
// The attempt is a state machine without input or output: next takes what is
// stored and what was answered, and returns what is to be stored, what is to be
// asked, and which effects somebody must carry out. Flow is the shell around it.
// The room knows nothing of HTML, JSON, cookies' attributes or status numbers.
//
// Invariants:
//   - An attempt belongs to the browser that began it: every visit proves it with
//     the browser's secret, so that a link to somebody else's attempt is useless.
//   - A code is issued once per attempt, to a registered address, and is redeemed
//     at most once, by the client it was made for, with the verifier that matches.
//   - What a page says and how long it takes does not depend on whether an
//     address has an account.
//   - Hashing and mail happen outside transactions; the closures given to
//     Update may run again.
//   - state travels byte for byte.
//   - What an access token says is collected (tell) in the transaction that begins or
//     refreshes its session, so that a membership that is gone, or a template that has
//     become too large, refuses the grant and uses nothing up.
//   - A pending authentication token is answered once, by its own environment, and
//     stands for what was shown; what follows is decided anew each time (conclude).
//   - A device is signed in only by a person who signed in with its code in hand and
//     said yes; the code alone, or a link with it, does nothing.
package authflow
