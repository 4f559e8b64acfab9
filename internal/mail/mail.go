package mail

import (
	"context"
	"fmt"
	"net/mail"
	"strings"
	"time"
)

// Message is one letter to one person.
type Message struct {
	To      string // an address without a display name
	Subject string // one line
	Text    string // plain text; always present
	HTML    string // optional richer form of the same
	Code    string // the one-time code within, for the outbox alone
	Owner   string // on whose behalf it is sent, for the outbox alone
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

// Validate refuses what could not be delivered or could smuggle in a header.
func (m Message) Validate() error {
	a, err := mail.ParseAddress(m.To)
	if err != nil {
		return fmt.Errorf("mail: read recipient: %w", err)
	}
	if a.Address != m.To {
		return fmt.Errorf("mail: recipient must be an address alone")
	}
	if strings.ContainsAny(m.Subject, "\r\n") || m.Subject == "" {
		return fmt.Errorf("mail: subject must be one line")
	}
	if m.Text == "" {
		return fmt.Errorf("mail: message without text")
	}
	return nil
}
