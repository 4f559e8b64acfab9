package application

import (
	"encoding/json"
	"net/url"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// Purposes of what the pages carry around the browser.
const (
	purposeSent    = "connect sign-in asked for"
	purposeConsent = "connect consent asked for"
)

// How long a person may take to sign in, and to answer.
const (
	sentLife    = time.Hour
	consentLife = 30 * time.Minute
)

// sent notes when a browser was sent to sign in, and for which application.
type sent struct {
	At     int64  `json:"t"`
	Client string `json:"c"`
}

// Sent makes the mark with which a browser comes back from signing in: what is
// signed in then is fresh, and there is no sending twice.
func (s *Service) Sent(client string, now time.Time) string {
	b, _ := json.Marshal(sent{now.Unix(), client}) // a number and a string always encode
	return s.Identity.Sealer.Seal(purposeSent, b)
}

// SentAt reads that mark; zero if it is none of this application, or old.
func (s *Service) SentAt(mark, client string, now time.Time) time.Time {
	b, err := s.Identity.Sealer.Open(purposeSent, mark)
	var m sent
	if err != nil || json.Unmarshal(b, &m) != nil || m.Client != client || now.Sub(time.Unix(m.At, 0)) > sentLife {
		return time.Time{}
	}
	return time.Unix(m.At, 0)
}

// asking is what a consent form carries along.
type asking struct {
	Query   string             `json:"q"`
	Browser identity.BrowserID `json:"b"`
	Until   int64              `json:"u"`
}

// SealConsent makes the hidden field of a consent form: the request, and who was
// asked.
func (s *Service) SealConsent(query url.Values, p *Person, now time.Time) string {
	b, _ := json.Marshal(asking{query.Encode(), p.Browser, now.Add(consentLife).Unix()}) // strings and a number always encode
	return s.Identity.Sealer.Seal(purposeConsent, b)
}

// Consenting is what such a field says: the request, who was asked, and until when
// the answer is awaited.
type Consenting struct {
	Query   url.Values
	Browser identity.BrowserID

	until time.Time
}

// OpenConsent reads that field again. The answer counts only if the same sign-in
// of the same browser gives it, in time: see Fresh.
func (s *Service) OpenConsent(field string) (*Consenting, error) {
	b, err := s.Identity.Sealer.Open(purposeConsent, field)
	var a asking
	if err != nil || json.Unmarshal(b, &a) != nil {
		return nil, errStaleConsent()
	}
	q, err := url.ParseQuery(a.Query)
	if err != nil || a.Until == 0 { // sealed for something else
		return nil, errStaleConsent()
	}
	return &Consenting{q, a.Browser, time.Unix(a.Until, 0)}, nil
}

// Fresh refuses an answer that comes too late, by the clock of the environment that
// the request turned out to be for.
func (c *Consenting) Fresh(now time.Time) error {
	if !now.Before(c.until) {
		return errStaleConsent()
	}
	return nil
}

// errStaleConsent is the refusal of an answer to a question that is not asked any more.
func errStaleConsent() error {
	return apierr.New(apierr.BadRequest, "consent_expired", "This page was open for too long. Go back to the application and begin again.")
}
