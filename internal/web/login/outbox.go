package login

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/mail"
)

// outboxEntry is one mail as programs read it.
type outboxEntry struct {
	ID      uint64 `json:"id"`
	To      string `json:"to"`
	Subject string `json:"subject"`
	Text    string `json:"text"`
	Code    string `json:"code,omitempty"`
	At      string `json:"at"`
}

// outbox shows the kept mails, newest first: JSON for programs, which name an
// address in to or do not accept HTML, and otherwise a page.
//
// The JSON carries no CORS header and must never: any site open in the
// developer's browser could read the codes.
func (p *Pages) outbox(w http.ResponseWriter, r *http.Request) error {
	if p.Outbox == nil {
		return apierr.New(apierr.NotFound, "no_outbox",
			"Mails are really sent from here, so there is no outbox to look into.")
	}
	q := r.URL.Query()
	if q.Has("to") || !strings.Contains(r.Header.Get("Accept"), "text/html") {
		return p.outboxJSON(w, r, q.Get("to"))
	}
	address := strings.TrimSpace(clip(q.Get("address"), 320))
	mails, err := p.Outbox.List(r.Context(), address)
	if err != nil {
		return err
	}
	pg := outboxPage{frame: p.frame("Outbox"), Address: address, Mails: views(mails)}
	pg.Development = false // the footer's way to the outbox would lead here
	if address != "" {
		pg.Clear = OutboxPath
	}
	return p.print().print(w, http.StatusOK, pg)
}

// outboxJSON writes the mails to an address, or all.
func (p *Pages) outboxJSON(w http.ResponseWriter, r *http.Request, to string) error {
	mails, err := p.Outbox.List(r.Context(), strings.TrimSpace(clip(to, 320)))
	if err != nil {
		return err
	}
	entries := make([]outboxEntry, len(mails))
	for i, m := range mails {
		entries[i] = outboxEntry{ID: m.ID, To: m.To, Subject: m.Subject, Text: m.Text, Code: m.Code,
			At: m.Time.UTC().Format("2006-01-02T15:04:05.000Z")}
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(entries)
}

// views are the mails as the page shows them.
func views(mails []mail.Delivered) []mailView {
	vs := make([]mailView, len(mails))
	for i, m := range mails {
		vs[i] = mailView{To: m.To, Subject: m.Subject, Text: m.Text, Code: m.Code,
			Human: m.Time.Local().Format("2 Jan, 15:04:05"), Machine: m.Time.UTC().Format(time.RFC3339)}
	}
	return vs
}
