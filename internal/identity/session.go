package identity

import (
	"context"
	"crypto/rand"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// keepEnded is how long an ended or expired session is still known, so that a late
// sign-out finds its way home and lists show what happened.
const keepEnded = 30 * 24 * time.Hour

// NewSession is what begins a session.
type NewSession struct {
	User          UserID
	Organization  OrganizationID
	Method        Method
	Second        string        // see Session
	Impersonator  *Impersonator // nil if it is the user
	Authenticated time.Time
	Browser       BrowserID // the browser's sign-in it came from; "" if none
	IPAddress     string
	UserAgent     string
}

// sessionState is a session with what is not for callers.
type sessionState struct {
	Session
	browser BrowserID
	seed    []byte // makes its refresh tokens its own
	lineage lineage
}

// sessionRow writes a session.
func sessionRow(s *sessionState) Row {
	forget := s.Expires
	if !s.Ended.IsZero() {
		forget = s.Ended
	}
	recent := make([]float64, 0, 4*len(s.lineage.recent))
	for _, e := range s.lineage.recent {
		late := 0.0
		if e.late {
			late = 1
		}
		recent = append(recent, float64(e.from), float64(e.to), float64(e.at.UnixMilli()), late)
	}
	var who Impersonator
	if s.Impersonator != nil {
		who = *s.Impersonator
	}
	return Row{
		Text("id", s.ID), Text("environment", s.Environment), Text("user", s.User), Text("organization", s.Organization), Text("method", s.Method),
		Text("second", s.Second), Text("impersonator", who.Email), Text("impersonation_reason", who.Reason),
		Text("ip_address", s.IPAddress), Text("user_agent", s.UserAgent), Time("authenticated", s.Authenticated), Time("created", s.Created),
		Time("updated", s.Updated), Time("expires", s.Expires), Time("ended", s.Ended), Text("browser", s.browser), Bytes("seed", s.seed),
		Number("newest", s.lineage.newest), Numbers("recent", recent), Time("forget", forget.Add(keepEnded)),
	}
}

// readSession is the reverse of sessionRow.
func readSession(r Record) *sessionState {
	s := &sessionState{
		Session: Session{
			ID: SessionID(r.Text("id")), Environment: EnvironmentID(r.Text("environment")), User: UserID(r.Text("user")), Organization: OrganizationID(r.Text("organization")),
			Method: Method(r.Text("method")), Second: r.Text("second"), IPAddress: r.Text("ip_address"), UserAgent: r.Text("user_agent"), Authenticated: r.Time("authenticated"),
			Created: r.Time("created"), Updated: r.Time("updated"), Expires: r.Time("expires"), Ended: r.Time("ended"),
		},
		browser: BrowserID(r.Text("browser")), seed: r.Bytes("seed"), lineage: lineage{newest: uint32(r.Number("newest"))},
	}
	if who := r.Text("impersonator"); who != "" {
		s.Impersonator = &Impersonator{Email: who, Reason: r.Text("impersonation_reason")}
	}
	recent := r.Numbers("recent")
	for i := 0; i+3 < len(recent); i += 4 {
		s.lineage.recent = append(s.lineage.recent, exchange{from: uint32(recent[i]), to: uint32(recent[i+1]), at: time.UnixMilli(int64(recent[i+2])), late: recent[i+3] != 0})
	}
	return s
}

// expiry is when a session that began at created ends if nobody comes back.
func (s Settings) expiry(created, now time.Time) time.Time {
	s = s.Defaulted()
	end, idle := created.Add(s.SessionLifetime), now.Add(s.InactivityTimeout)
	if idle.Before(end) {
		return idle
	}
	return end
}

// ImpersonationLifetime is how long somebody may act as somebody else (workos-api.md,
// "Impersonation"); no refresh extends it.
const ImpersonationLifetime = time.Hour

// expiry is when the session ends if nobody comes back.
func (s *sessionState) expiry(set Settings, now time.Time) time.Time {
	end := set.expiry(s.Created, now)
	if last := s.Created.Add(ImpersonationLifetime); s.Impersonator != nil && last.Before(end) {
		return last
	}
	return end
}

// clip shortens what a client says of itself to what is worth keeping.
func clip(s string, most int) string {
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "")
	}
	return s
}

// StartSession begins a session and gives its first refresh token.
func (tx *Tx) StartSession(e *Environment, n NewSession) (*Session, string, error) {
	seed := make([]byte, 16)
	rand.Read(seed)
	s := &sessionState{
		Session: Session{
			ID: SessionID(NewID(sessionPrefix)), Environment: e.ID, User: n.User, Organization: n.Organization, Method: n.Method,
			Second: n.Second, Impersonator: n.Impersonator, IPAddress: clip(n.IPAddress, 64), UserAgent: clip(n.UserAgent, 512), Authenticated: n.Authenticated,
			Created: tx.now, Updated: tx.now,
		},
		browser: n.Browser, seed: seed,
	}
	s.Expires = s.expiry(e.Settings, tx.now)
	key, err := tx.s.secretOf(e)
	if err != nil {
		return nil, "", err
	}
	text, err := refreshText(key, s.ID, s.seed, 0)
	if err != nil {
		return nil, "", err
	}
	if err := tx.Add(tableSessions, sessionRow(s)); err != nil {
		return nil, "", err
	}
	return &s.Session, text, tx.Record(e.ID, "session.created", sessionData(&s.Session, tx.now))
}

// Refresh refusals; all are terminal for the client that gets them. A
// RefreshReused is worth a line in the log: somebody held a copy.
var (
	errRefreshUnknown = apierr.New(apierr.BadRequest, "invalid_grant", "Invalid refresh token.")
	ErrRefreshReused  = apierr.New(apierr.BadRequest, "invalid_grant", "Refresh token already exchanged.")
	errRefreshEnded   = apierr.New(apierr.BadRequest, "invalid_grant", "Session has already ended.")
	errRefreshExpired = apierr.New(apierr.BadRequest, "invalid_grant", "Session has expired.")
)

// Refresh exchanges a refresh token for its successor. refusal is for the
// caller's caller; the transaction is to be committed all the same, since reuse
// of an old token ends its session here (and s says which).
func (tx *Tx) Refresh(e *Environment, text string) (s *Session, next string, refusal *apierr.Error, err error) {
	t, ok := parseRefresh(text)
	if !ok {
		return nil, "", errRefreshUnknown, nil
	}
	f, err := tx.First(tableSessions, "on_id", string(t.session))
	if err != nil {
		return nil, "", nil, err
	}
	if f == nil || f.Text("environment") != string(e.ID) {
		return nil, "", errRefreshUnknown, nil
	}
	st := readSession(f.Record)
	key, err := tx.s.secretOf(e)
	if err != nil {
		return nil, "", nil, err
	}
	if !t.genuine(key, st.seed) {
		return nil, "", errRefreshUnknown, nil
	}
	switch st.Status(tx.now) {
	case SessionRevoked:
		return nil, "", errRefreshEnded, nil
	case SessionExpired:
		return nil, "", errRefreshExpired, nil
	}
	v := st.lineage.present(t.generation, tx.now, e.Settings.Defaulted().RefreshReuseWindow, tx.s.away.by(tx.ahead))
	if v.reuse {
		return &st.Session, "", ErrRefreshReused, tx.end(f, st)
	}
	if v.changed {
		st.Updated = tx.later(st.Updated)
		st.Expires = st.expiry(e.Settings, tx.now)
		if err := tx.Put(f.Doc, sessionRow(st)); err != nil {
			return nil, "", nil, err
		}
	}
	next, err = refreshText(key, st.ID, st.seed, v.give)
	return &st.Session, next, nil, err
}

// MoveSession gives a session another organization; the caller has checked that the
// user may.
func (tx *Tx) MoveSession(e *Environment, id SessionID, org OrganizationID) (*Session, error) {
	f, err := tx.First(tableSessions, "on_id", string(id))
	if err != nil {
		return nil, err
	}
	if f == nil || f.Text("environment") != string(e.ID) {
		return nil, notFound("Session", string(id))
	}
	st := readSession(f.Record)
	st.Organization, st.Updated = org, tx.later(st.Updated)
	return &st.Session, tx.Put(f.Doc, sessionRow(st))
}

// NewestToken is the refresh token that a session would accept now, for the
// repetition of an answer that got lost.
func (tx *Tx) NewestToken(e *Environment, id SessionID) (*Session, string, error) {
	f, err := tx.First(tableSessions, "on_id", string(id))
	if err != nil || f == nil || f.Text("environment") != string(e.ID) {
		return nil, "", err
	}
	st := readSession(f.Record)
	if st.Status(tx.now) != SessionActive {
		return nil, "", nil
	}
	key, err := tx.s.secretOf(e)
	if err != nil {
		return nil, "", err
	}
	text, err := refreshText(key, st.ID, st.seed, st.lineage.newest)
	return &st.Session, text, err
}

// FindSession finds a session in any environment; nil if there is none. It is for
// the sign-out, which names nothing else.
func (tx *Tx) FindSession(id SessionID) (*Session, error) {
	f, err := tx.First(tableSessions, "on_id", string(id))
	if err != nil || f == nil {
		return nil, err
	}
	return &readSession(f.Record).Session, nil
}

// endOnly ends a session that is active, and leaves the browser signed in.
func (tx *Tx) endOnly(f *Found, st *sessionState) error {
	if st.Status(tx.now) != SessionActive {
		return nil
	}
	st.Ended, st.Updated = tx.now, tx.later(st.Updated)
	if err := tx.Put(f.Doc, sessionRow(st)); err != nil {
		return err
	}
	return tx.Record(st.Environment, "session.revoked", sessionData(&st.Session, tx.now))
}

// end ends a session that is active, and the browser's sign-in it came from.
func (tx *Tx) end(f *Found, st *sessionState) error {
	if err := tx.endOnly(f, st); err != nil {
		return err
	}
	if st.browser == "" {
		return nil
	}
	b, err := tx.First(tableBrowsers, "on_id", string(st.browser))
	if err != nil || b == nil {
		return err
	}
	return tx.Remove(b)
}

// EndSession ends a session of the environment; ended ones and unknown ones are
// left as they are.
func (tx *Tx) EndSession(id EnvironmentID, session SessionID) (known bool, err error) {
	f, err := tx.First(tableSessions, "on_id", string(session))
	if err != nil || f == nil || f.Text("environment") != string(id) {
		return false, err
	}
	return true, tx.end(f, readSession(f.Record))
}

// endSessions ends everything a user is signed in with.
func (tx *Tx) endSessions(user UserID) error {
	rows, err := tx.All(tableSessions, "on_user", string(user))
	if err != nil {
		return err
	}
	for _, f := range rows {
		if st := readSession(f.Record); st.Status(tx.now) == SessionActive {
			if err := tx.end(&f, st); err != nil {
				return err
			}
		}
	}
	browsers, err := tx.All(tableBrowsers, "on_user", string(user))
	if err != nil {
		return err
	}
	for _, f := range browsers {
		if err := tx.Remove(&f); err != nil {
			return err
		}
	}
	return nil
}

// Session finds a session of the environment, ended or not.
func (s *Service) Session(ctx context.Context, id EnvironmentID, session SessionID) (out *Session, err error) {
	err = s.View(ctx, func(tx *Tx) error {
		out, err = tx.FindSession(session)
		return err
	})
	if err == nil && (out == nil || out.Environment != id) {
		return nil, notFound("Session", string(session))
	}
	return out, err
}

// Sessions lists a user's sessions.
func (s *Service) Sessions(ctx context.Context, id EnvironmentID, user UserID, p Page) (l *List[Session], err error) {
	err = s.View(ctx, func(tx *Tx) error {
		if _, err := tx.User(id, user); err != nil {
			return err
		}
		l, err = page(tx, tableSessions, "on_user", []string{string(user)}, p, func(r Record) (Session, string, bool) {
			st := readSession(r)
			return st.Session, string(st.ID), true
		})
		return err
	})
	return l, err
}

// RevokeSession ends a session now; ending it twice is no error.
func (s *Service) RevokeSession(ctx context.Context, id EnvironmentID, session SessionID) error {
	return s.Update(ctx, func(tx *Tx) error {
		known, err := tx.EndSession(id, session)
		if err == nil && !known {
			err = notFound("Session", string(session))
		}
		return err
	})
}

// sessionData is a session as events show it.
func sessionData(s *Session, now time.Time) any {
	var ended *string
	if !s.Ended.IsZero() {
		ended = nullable(FormatTime(s.Ended))
	}
	m := map[string]any{
		"object": "session", "id": s.ID, "user_id": s.User, "ip_address": nullable(s.IPAddress), "user_agent": nullable(s.UserAgent),
		"auth_method": s.Method.AuthMethod(), "status": s.Status(now), "expires_at": FormatTime(s.Expires), "ended_at": ended,
		"created_at": FormatTime(s.Created), "updated_at": FormatTime(s.Updated),
	}
	if s.Organization != "" {
		m["organization_id"] = s.Organization
	}
	if s.Impersonator != nil {
		m["impersonator"] = map[string]any{"email": s.Impersonator.Email, "reason": nullable(s.Impersonator.Reason)}
	}
	return m
}
