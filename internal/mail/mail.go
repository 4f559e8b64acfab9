package mail

import (
	"context"
	"time"
)

// Message is one letter to one person.
type Message struct {
	To      string
	Subject string
	Text    string // plain text; always present
	HTML    string // optional richer form of the same
	Code    string // the one-time code within, for the outbox only; never sent as a header
}

// Sender hands messages over. Send returns when the message is in other hands;
// it must be safe for concurrent use.
type Sender interface {
	Send(ctx context.Context, m Message) error
}

// Delivered is a message that the outbox holds.
type Delivered struct {
	Message
	ID   uint64 // grows by one with every message
	Time time.Time
}
