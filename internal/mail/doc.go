// Package mail sends letters: over SMTP to real mailboxes, or into an outbox that
// a developer reads in the browser.
//
// It knows what a message is and how it travels. What a message means, to whom it
// goes and when is decided elsewhere. Sending is never done inside a
// transaction; every attempt has a deadline.
package mail
