package mail_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/mail"
)

func TestOutboxListsNewestFirstAndForgetsTheOldest(t *testing.T) {
	t.Parallel()
	o := &mail.Outbox{Limit: 3}
	for i := range 5 {
		to := "ada@example.com"
		if i == 3 {
			to = "bob@example.com"
		}
		if err := o.Send(t.Context(), mail.Message{To: to, Subject: fmt.Sprint("m", i), Text: "t", Code: "123456"}); err != nil {
			t.Fatal(err)
		}
	}
	got, _ := o.List(t.Context(), "ADA@example.com")
	if len(got) != 2 || got[0].Subject != "m4" || got[1].Subject != "m2" || got[0].ID != 5 {
		t.Errorf("list = %+v", got)
	}
	if all, _ := o.List(t.Context(), ""); len(all) != 3 {
		t.Errorf("kept %d", len(all))
	}
}

func TestMessageRefusesHeadersWithin(t *testing.T) {
	t.Parallel()
	for _, m := range []mail.Message{
		{To: "a@b.c\r\nBcc: x@y.z", Subject: "s", Text: "t"},
		{To: "a@b.c, d@e.f", Subject: "s", Text: "t"},
		{To: "A <a@b.c>", Subject: "s", Text: "t"},
		{To: "a@b.c", Subject: "s\nBcc: x@y.z", Text: "t"},
		{To: "a@b.c", Subject: "s"},
		{To: "", Subject: "s", Text: "t"},
	} {
		if err := new(mail.Outbox).Send(t.Context(), m); err == nil {
			t.Errorf("accepted %q %q", m.To, m.Subject)
		}
	}
}

func TestParseSMTP(t *testing.T) {
	t.Parallel()
	s, err := mail.ParseSMTP("smtps://u:p%40@mail.example.com", "Acme <no-reply@example.com>")
	if err != nil || s.Port != 465 || s.Password != "p@" || s.From.Name != "Acme" || s.Encryption != mail.ImplicitTLS {
		t.Errorf("smtps: %+v, %v", s, err)
	}
	s, err = mail.ParseSMTP("smtp://127.0.0.1:1025", "a@b.c")
	if err != nil || s.Port != 1025 || s.Encryption != mail.Opportunistic {
		t.Errorf("loopback: %+v, %v", s, err)
	}
	for _, bad := range []string{"", "http://x", "smtp://", "smtp://h:99999", "smtp://h?encryption=maybe", "smtp://u:secret@h:x y"} {
		if _, err := mail.ParseSMTP(bad, "a@b.c"); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// smtpServer accepts one message and returns its lines.
func smtpServer(t *testing.T) (addr string, lines <-chan []string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	out := make(chan []string, 1)
	go func() {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		var got []string
		data := false
		fmt.Fprint(c, "220 test\r\n")
		for sc := bufio.NewScanner(c); sc.Scan(); {
			line := sc.Text()
			got = append(got, line)
			switch {
			case data && line == ".":
				data = false
				fmt.Fprint(c, "250 kept\r\n")
			case data:
			case line == "DATA":
				data = true
				fmt.Fprint(c, "354 go on\r\n")
			case line == "QUIT":
				fmt.Fprint(c, "221 bye\r\n")
				out <- got
				return
			default:
				fmt.Fprint(c, "250 test\r\n")
			}
		}
		out <- got
	}()
	return ln.Addr().String(), out
}

func TestSMTPDelivers(t *testing.T) {
	t.Parallel()
	addr, lines := smtpServer(t)
	s, err := mail.ParseSMTP("smtp://"+addr, "Acme <no-reply@example.com>")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), mail.Message{To: "ada@example.com", Subject: "Grüße", Text: "Your code is 123456.", HTML: "<p>123456</p>", Code: "123456"}); err != nil {
		t.Fatal(err)
	}
	all := strings.Join(<-lines, "\n")
	for _, want := range []string{"RCPT TO:<ada@example.com>", "Your code is 123456.", "<p>123456</p>", "Auto-Submitted: auto-generated", `From: "Acme" <no-reply@example.com>`} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in\n%s", want, all)
		}
	}
}

func TestSMTPStopsWithItsContext(t *testing.T) {
	t.Parallel()
	s, _ := mail.ParseSMTP("smtp://127.0.0.1:1", "a@b.c")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Send(ctx, mail.Message{To: "a@b.c", Subject: "s", Text: "t"}); err == nil {
		t.Error("delivered to nobody")
	}
}

func FuzzMessage(f *testing.F) {
	f.Add("a@b.c", "hello")
	f.Add("a@b.c\r\nBcc: d@e.f", "x\ny")
	f.Fuzz(func(t *testing.T, to, subject string) {
		m := mail.Message{To: to, Subject: subject, Text: "t"}
		if m.Validate() == nil && (strings.ContainsAny(to+subject, "\r\n")) {
			t.Errorf("accepted a line break: %q %q", to, subject)
		}
	})
}

func FuzzParseSMTP(f *testing.F) {
	f.Add("smtps://u:p@mail.example.com", "Acme <a@b.c>")
	f.Add("smtp://[::1]:25?encryption=none", "a@b.c")
	f.Fuzz(func(t *testing.T, server, from string) {
		s, err := mail.ParseSMTP(server, from)
		if err == nil && (s.Host == "" || s.Port < 1 || s.Port > 65535 || s.From.Address == "") {
			t.Errorf("%q, %q: %+v", server, from, s)
		}
	})
}
