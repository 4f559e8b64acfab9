package workos

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/mail"
	"github.com/lentil-dev/lentil/internal/wire"
)

// emulatorRoutes are about tests: what the official emulator offers, and what tests
// wished it did. None of it is there for production environments.
func (a *API) emulatorRoutes() []Route {
	return []Route{
		{"GET", hooksPath, "", "public", corsNone, false, a.listHooks},
		{"POST", hooksPath, "", "public", corsNone, false, a.createHook},
		{"DELETE", hooksPath, "", "public", corsNone, false, a.deleteHooks},
		{"DELETE", hooksPath + "/{id}", "", "public", corsNone, false, a.deleteHook},
		{"GET", "/_lentil/v1/outbox", "", "key", corsNone, false, forTests("The outbox", a.readOutbox)},
		{"DELETE", "/_lentil/v1/outbox", "", "key", corsNone, false, forTests("The outbox", a.emptyOutbox)},
		{"POST", "/_lentil/v1/reset", "", "key", corsNone, false, forTests("Resetting an environment", a.reset)},
		{"GET", "/_lentil/v1/clock", "", "key", corsNone, false, forTests("The clock", a.getClock)},
		{"PUT", "/_lentil/v1/clock", "", "key", corsNone, false, forTests("The clock", a.setClock)},
		{"POST", "/_lentil/v1/clock/advance", "", "key", corsNone, false, forTests("The clock", a.advanceClock)},
		{"DELETE", "/_lentil/v1/clock", "", "key", corsNone, false, forTests("The clock", a.clearClock)},
		{"POST", "/_lentil/v1/environments", "", "key", corsNone, false, forTests("Making environments", a.createEnvironment)},
		{"POST", "/_lentil/v1/seed", "", "key", corsNone, false, forTests("Seeding", a.seed)},
	}
}

// Outbox keeps mails in development; *mail.Outbox is one.
type Outbox interface {
	List(ctx context.Context, to string) ([]mail.Delivered, error)
	Forget(ctx context.Context, owner string) error
}

// forTests refuses keys of production environments.
func forTests(what string, h wire.Handler) wire.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if environment(r).Kind == identity.Production {
			return errForTests(what)
		}
		return h(w, r)
	}
}

// errForTests is the refusal of what is for tests.
func errForTests(what string) error {
	return apierr.New(apierr.Forbidden, "test_environment_required",
		"%s is for tests; a production environment (keys that begin with sk_live_) does not have it.", what)
}

// outboxMail is a mail as programs read it.
type outboxMail struct {
	Object    string   `json:"object"`
	ID        uint64   `json:"id"`
	To        string   `json:"to"`
	Subject   string   `json:"subject"`
	Text      string   `json:"text"`
	HTML      string   `json:"html"`
	Code      *string  `json:"code"`
	Links     []string `json:"links"`
	CreatedAt string   `json:"created_at"`
}

// link finds the addresses in a mail.
var link = regexp.MustCompile(`https?://[^\s<>"]+`)

// readOutbox is GET /_lentil/v1/outbox: the environment's mails, newest first. to is
// an address, after the id of a mail, limit a number.
func (a *API) readOutbox(w http.ResponseWriter, r *http.Request) error {
	if a.Outbox == nil {
		return apierr.New(apierr.NotFound, "no_outbox", "Mails are really sent from here, so there is no outbox to look into.")
	}
	q := r.URL.Query()
	after, limit := uint64(0), 100
	for name, to := range map[string]func(uint64){"after": func(n uint64) { after = n }, "limit": func(n uint64) { limit = int(min(n, 500)) }} {
		if s := q.Get(name); s != "" {
			n, err := strconv.ParseUint(s, 10, 63)
			if err != nil {
				return invalidField(name, "invalid", "%s must be a number.", name)
			}
			to(n)
		}
	}
	mails, err := a.Outbox.List(r.Context(), strings.TrimSpace(clip(q.Get("to"), 320)))
	if err != nil {
		return err
	}
	out := []outboxMail{}
	for _, m := range mails {
		if m.Owner != string(environment(r).ID) || m.ID <= after || len(out) >= limit {
			continue
		}
		out = append(out, outboxMail{"mail", m.ID, m.To, m.Subject, m.Text, m.HTML, orNull(m.Code),
			append([]string{}, link.FindAllString(m.Text, 20)...), identity.FormatTime(m.Time)})
	}
	writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": out})
	return nil
}

// emptyOutbox is DELETE /_lentil/v1/outbox.
func (a *API) emptyOutbox(w http.ResponseWriter, r *http.Request) error {
	if a.Outbox != nil {
		if err := a.Outbox.Forget(r.Context(), string(environment(r).ID)); err != nil {
			return err
		}
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// reset is POST /_lentil/v1/reset.
func (a *API) reset(w http.ResponseWriter, r *http.Request) error {
	e := environment(r)
	if _, err := a.Identity.ResetEnvironment(r.Context(), e.ID); err != nil {
		return err
	}
	a.hooks.remove(e.ID, "")
	return a.emptyOutbox(w, r)
}

// clockObject is an environment's clock.
type clockObject struct {
	Object       string `json:"object"`
	Now          string `json:"now"`
	AheadSeconds int64  `json:"ahead_seconds"`
}

// writeClock shows e's clock.
func writeClock(w http.ResponseWriter, e *identity.Environment) {
	writeJSON(w, http.StatusOK, clockObject{"clock", identity.FormatTime(e.Now()), seconds(e.Settings.Clock)})
}

// getClock is GET /_lentil/v1/clock.
func (a *API) getClock(w http.ResponseWriter, r *http.Request) error {
	writeClock(w, environment(r))
	return nil
}

// setClock is PUT /_lentil/v1/clock: from now on it is the given time, and goes on
// from there.
func (a *API) setClock(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Now string `json:"now"`
	}
	if err := decodeBody(r, &body); err != nil {
		return err
	}
	if body.Now == "" {
		return missing("now")
	}
	t, err := time.Parse(time.RFC3339Nano, body.Now)
	if err != nil {
		return invalidField("now", "invalid", "now must be a time like 2026-01-15T12:00:00.000Z.")
	}
	return a.putClock(w, r, time.Until(t))
}

// advanceClock is POST /_lentil/v1/clock/advance.
func (a *API) advanceClock(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Seconds float64 `json:"seconds"`
	}
	if err := decodeBody(r, &body); err != nil {
		return err
	}
	if body.Seconds <= 0 || body.Seconds > 1e9 {
		return invalidField("seconds", "invalid", "seconds must be a number above 0.")
	}
	return a.putClock(w, r, environment(r).Settings.Clock+time.Duration(body.Seconds*float64(time.Second)))
}

// clearClock is DELETE /_lentil/v1/clock.
func (a *API) clearClock(w http.ResponseWriter, r *http.Request) error { return a.putClock(w, r, 0) }

// putClock puts the clock ahead by d.
func (a *API) putClock(w http.ResponseWriter, r *http.Request, d time.Duration) error {
	e, err := a.Identity.SetClock(r.Context(), environment(r).ID, d)
	if err != nil {
		return err
	}
	writeClock(w, e)
	return nil
}

// maxEnvironments bounds what tests may make.
const maxEnvironments = 1000

// environmentMade is a fresh environment; its key is shown this once.
type environmentMade struct {
	Object    string                 `json:"object"`
	ID        identity.EnvironmentID `json:"id"`
	Name      string                 `json:"name"`
	ClientID  identity.ClientID      `json:"client_id"`
	APIKey    string                 `json:"api_key"`
	CreatedAt string                 `json:"created_at"`
}

// createEnvironment is POST /_lentil/v1/environments: a fresh development environment
// for a test, with a key and whatever addresses the body names.
func (a *API) createEnvironment(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Name         string   `json:"name"`
		RedirectURIs []string `json:"redirect_uris"`
		CORSOrigins  []string `json:"cors_origins"`
		HomepageURL  string   `json:"app_homepage_url"`
		FixedCode    string   `json:"fixed_code"`
	}
	if err := decodeBody(r, &body); err != nil {
		return err
	}
	if len(body.RedirectURIs) > 100 || len(body.CORSOrigins) > 100 {
		return invalid("An environment can begin with at most 100 addresses of a kind.")
	}
	all, err := a.Identity.Environments(r.Context())
	if err != nil {
		return err
	}
	if len(all) >= maxEnvironments {
		return apierr.New(apierr.Conflict, "too_many_environments", "This house has %d environments already. Start a fresh one for more.", len(all))
	}
	if body.Name == "" {
		body.Name = "test"
	}
	ctx := r.Context()
	e, err := a.Identity.CreateEnvironment(ctx, identity.NewEnvironment{Name: body.Name, Kind: identity.Development,
		Settings: identity.Settings{HomepageURL: body.HomepageURL, FixedCode: body.FixedCode}})
	if err != nil {
		return err
	}
	for _, uri := range body.RedirectURIs {
		if _, err := a.Identity.AddRedirectURI(ctx, e.ID, uri); err != nil {
			return err
		}
	}
	for _, origin := range body.CORSOrigins {
		if _, err := a.Identity.AddCORSOrigin(ctx, e.ID, origin); err != nil {
			return err
		}
	}
	_, key, err := a.Identity.CreateAPIKey(ctx, e.ID, "test", "")
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, environmentMade{"environment", e.ID, e.Name, e.ClientID, key, identity.FormatTime(e.Created)})
	return nil
}

// hookCaller is the environment whose hooks a request is about: that of its API key.
// Without one, as the official emulator has it, it is the environment of whoever
// develops here; then the request must come from this machine, and not from a page
// that the browser happens to show.
func (a *API) hookCaller(r *http.Request) (identity.EnvironmentID, error) {
	if key, ok := bearer(r); ok {
		e, _, err := a.Identity.AuthenticateKey(r.Context(), key)
		if err != nil {
			return "", err
		}
		if e.Kind == identity.Production {
			return "", errForTests("An error hook")
		}
		return e.ID, nil
	}
	if a.TestEnvironment == "" || !loopback(a.clientIP(r)) || r.Header.Get("Origin") != "" {
		return "", apierr.New(apierr.Unauthenticated, "unauthorized",
			"Error hooks need a test environment's API key: send the header Authorization: Bearer sk_test_….")
	}
	return a.TestEnvironment, nil
}

// clientOf is the client id that a request names in its address.
func clientOf(u *url.URL) string {
	if id := u.Query().Get("client_id"); id != "" {
		return id
	}
	for _, s := range segments(u.Path) {
		if strings.HasPrefix(s, "client_") {
			return s
		}
	}
	return ""
}
