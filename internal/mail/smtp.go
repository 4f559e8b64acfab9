package mail

import (
	"context"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"strconv"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// sendTimeout bounds one delivery, connection and all.
const sendTimeout = 30 * time.Second

// Encryption says how the way to the server is protected.
type Encryption string

// The kinds of protection. The default is StartTLS, and Opportunistic for a
// server on this machine.
const (
	ImplicitTLS   Encryption = "tls"           // TLS from the first byte (smtps://)
	StartTLS      Encryption = "starttls"      // refuse to go on without
	Opportunistic Encryption = "opportunistic" // TLS if the server offers it
	NoEncryption  Encryption = "none"
)

// SMTP is a Sender that hands each message to one server. It opens a connection
// per message: sign-in mail is rare, and no idle connection can go stale.
type SMTP struct {
	Host               string
	Port               int
	Username, Password string
	Encryption         Encryption
	From               mail.Address
}

// ParseSMTP reads the address of a server, as operators write it:
//
//	smtps://user:password@smtp.example.com            TLS, port 465
//	smtp://user:password@smtp.example.com             STARTTLS, port 587
//	smtp://localhost:1025?encryption=none             a test server
//
// from is who the messages come from: "Acme <no-reply@example.com>".
func ParseSMTP(server, from string) (*SMTP, error) {
	u, err := url.Parse(server)
	if err != nil {
		// The error of url.Parse repeats its input, which may hold a password.
		return nil, fmt.Errorf("mail: the server's address is no URL; write smtp://user:password@host:587")
	}
	s := &SMTP{Host: u.Hostname(), Username: u.User.Username()}
	s.Password, _ = u.User.Password()
	switch u.Scheme {
	case "smtps":
		s.Encryption, s.Port = ImplicitTLS, 465
	case "smtp":
		s.Encryption, s.Port = StartTLS, 587
		if ip := net.ParseIP(s.Host); s.Host == "localhost" || ip != nil && ip.IsLoopback() {
			s.Encryption = Opportunistic
		}
	default:
		return nil, fmt.Errorf("mail: the server's address must begin with smtp:// or smtps://")
	}
	if s.Host == "" {
		return nil, fmt.Errorf("mail: the server's address names no host")
	}
	if p := u.Port(); p != "" {
		if s.Port, err = strconv.Atoi(p); err != nil || s.Port < 1 || s.Port > 65535 {
			return nil, fmt.Errorf("mail: %q is no port", p)
		}
	}
	switch e := Encryption(u.Query().Get("encryption")); e {
	case "":
	case ImplicitTLS, StartTLS, Opportunistic, NoEncryption:
		s.Encryption = e
	default:
		return nil, fmt.Errorf("mail: encryption must be tls, starttls, opportunistic or none")
	}
	a, err := mail.ParseAddress(from)
	if err != nil {
		return nil, fmt.Errorf("mail: read sender %q: %w", from, err)
	}
	s.From = *a
	return s, nil
}

// client makes the library's client for one delivery.
func (s *SMTP) client() (*gomail.Client, error) {
	opts := []gomail.Option{gomail.WithPort(s.Port), gomail.WithTimeout(sendTimeout)}
	switch s.Encryption {
	case ImplicitTLS:
		opts = append(opts, gomail.WithSSL())
	case StartTLS:
		opts = append(opts, gomail.WithTLSPolicy(gomail.TLSMandatory))
	case Opportunistic:
		opts = append(opts, gomail.WithTLSPolicy(gomail.TLSOpportunistic))
	case NoEncryption:
		opts = append(opts, gomail.WithTLSPolicy(gomail.NoTLS))
	}
	if s.Username != "" {
		opts = append(opts, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(s.Username), gomail.WithPassword(s.Password))
	}
	return gomail.NewClient(s.Host, opts...)
}

// Send delivers m within half a minute or says why not.
func (s *SMTP) Send(ctx context.Context, m Message) error {
	if err := m.Validate(); err != nil {
		return err
	}
	msg := gomail.NewMsg()
	from := s.From
	msg.FromMailAddress(&from)
	msg.ToMailAddress(&mail.Address{Address: m.To})
	msg.Subject(m.Subject)
	msg.SetDate()
	msg.SetMessageID()
	// RFC 3834 §5: asks mailboxes not to answer with holiday notices.
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	if m.HTML != "" {
		msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	}
	c, err := s.client()
	if err != nil {
		return fmt.Errorf("mail: prepare delivery through %s: %w", s.Host, err)
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	if err := c.DialAndSendWithContext(ctx, msg); err != nil {
		return fmt.Errorf("mail: deliver through %s: %w", net.JoinHostPort(s.Host, strconv.Itoa(s.Port)), err)
	}
	return nil
}
