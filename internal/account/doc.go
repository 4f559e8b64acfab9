// Package account is what people see and change of their own accounts. It owns no rows:
// it asks the rooms that do, in the name of whoever a browser is signed in as, and
// decides what needs a proof that is newer than a few minutes.
//
// Invariants:
//   - Nothing is done but to the account of the browser's own sign-in.
//   - What could take the account away from its owner (password, address, factors,
//     passkeys, linked accounts) needs a sign-in of the last FreshFor, and is told by mail.
//   - The last way in cannot be removed.
//   - An impersonator is signed in to no pages, and so never gets here.
package account
