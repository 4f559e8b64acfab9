package authflow

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
)

// The tables of the room, in the house's own store.
const (
	tableAttempts = "sign_in_attempts"
	tableCodes    = "authorization_codes"
	tablePending  = "pending_authentications"
	tableKnown    = "known_browsers"
	tableOutbox   = "outbox"

	tableImpersonations = "impersonations"
	tableDevices        = "device_authorizations"
)

// tableDefs is what Open asks the database for.
var tableDefs = []database.TableDef{
	{Name: tableAttempts, Indexes: []database.IndexDef{
		{Name: "on_id", Fields: []string{"id"}},
		{Name: "on_forget", Fields: []string{"forget"}},
	}},
	{Name: tableCodes, Indexes: []database.IndexDef{
		{Name: "on_hash", Fields: []string{"hash"}},
		{Name: "on_forget", Fields: []string{"forget"}},
	}},
	{Name: tablePending, Indexes: []database.IndexDef{
		{Name: "on_hash", Fields: []string{"hash"}},
		{Name: "on_expires", Fields: []string{"expires"}},
	}},
	{Name: tableKnown, Indexes: []database.IndexDef{
		{Name: "on_browser", Fields: []string{"browser"}},
		{Name: "on_expires", Fields: []string{"expires"}},
	}},
	{Name: tableDevices, Indexes: []database.IndexDef{
		{Name: "on_id", Fields: []string{"id"}},
		{Name: "on_hash", Fields: []string{"hash"}},
		{Name: "on_user_code", Fields: []string{"user_code"}},
		{Name: "on_forget", Fields: []string{"forget"}},
	}},
	{Name: tableImpersonations, Indexes: []database.IndexDef{
		{Name: "on_hash", Fields: []string{"hash"}},
		{Name: "on_environment", Fields: []string{"environment", "id"}},
		{Name: "on_browser", Fields: []string{"browser", "environment", "id"}},
	}},
	{Name: tableOutbox, Indexes: []database.IndexDef{
		{Name: "on_number", Fields: []string{"number"}},
	}},
}

// secretHash is how secrets that are long and random are stored and found.
func secretHash(purpose, secret string) string {
	sum := sha256.Sum256([]byte("lentil " + purpose + "\x00" + secret))
	return hex.EncodeToString(sum[:])
}

// keepAttempts is how long an attempt is remembered beyond its life, so that a page
// left open overnight can still say where to begin again.
const keepAttempts = 24 * time.Hour

// attemptRow writes an attempt.
func attemptRow(a *attempt) identity.Row {
	return identity.Row{
		identity.Text("id", a.ID), identity.Text("environment", a.Environment), identity.Text("browser", a.Browser), identity.Number("revision", a.Revision),
		identity.Text("origin", a.Origin), identity.Number("ceremony", a.Ceremony), identity.Flag("proof_offered", a.Proof.Offered),
		identity.Text("redirect_uri", a.RedirectURI), identity.Bytes("state", a.State), identity.Flag("has_state", a.HasState), identity.Flag("homeward", a.Homeward), identity.Text("challenge", a.Challenge),
		identity.Flag("sign_up", a.SignUp), identity.Text("stage", a.Stage), identity.Text("email", a.Email), identity.Text("user", a.User),
		identity.Text("proof_user", a.Proof.User), identity.Text("proof_method", a.Proof.Method), identity.Flag("proof_mailbox", a.Proof.Mailbox),
		identity.Flag("proof_fresh", a.Proof.Fresh), identity.Time("proof_since", a.Proof.Since), identity.Text("proof_second", a.Proof.Second),
		identity.Number("proof_codes_left", a.Proof.CodesLeft), identity.Text("proof_organization", a.Proof.Organization),
		identity.Text("organization", a.Organization), identity.Text("reset_token", a.ResetToken),
		identity.Text("device", a.Device), identity.Text("user_code", a.UserCode),
		identity.Text("invitation", a.Invitation), identity.Text("invited", a.Invited), identity.Text("invitation_fault", a.Fault),
		identity.Text("proof_joins", a.Proof.Joins), identity.Text("arrival", a.Proof.Arrival),
		identity.Text("first_name", a.Pending.FirstName), identity.Text("last_name", a.Pending.LastName), identity.Text("password_hash", a.Pending.PasswordHash),
		identity.Text("code_hash", a.Mailed.Hash), identity.Time("code_expires", a.Mailed.Expires), identity.Number("code_wrong", a.Mailed.Wrong),
		identity.Number("code_sends", a.Mailed.Sends), identity.Time("created", a.Created), identity.Time("expires", a.Expires),
		identity.Time("forget", a.Expires.Add(keepAttempts)),
	}
}

// readAttempt is the reverse of attemptRow.
func readAttempt(r identity.Record) attempt {
	return attempt{
		ID: AttemptID(r.Text("id")), Environment: identity.EnvironmentID(r.Text("environment")), Browser: r.Text("browser"), Revision: int(r.Number("revision")),
		RedirectURI: r.Text("redirect_uri"), State: r.Bytes("state"), HasState: r.Flag("has_state"), Homeward: r.Flag("homeward"), Challenge: r.Text("challenge"),
		SignUp: r.Flag("sign_up"), Stage: stage(r.Text("stage")), Email: r.Text("email"), User: identity.UserID(r.Text("user")),
		Proof: proof{User: identity.UserID(r.Text("proof_user")), Method: identity.Method(r.Text("proof_method")), Mailbox: r.Flag("proof_mailbox"),
			Fresh: r.Flag("proof_fresh"), Since: r.Time("proof_since"), Second: r.Text("proof_second"), CodesLeft: int(r.Number("proof_codes_left")),
			Organization: identity.OrganizationID(r.Text("proof_organization")), Joins: identity.OrganizationID(r.Text("proof_joins")), Arrival: r.Text("arrival"), Offered: r.Flag("proof_offered")},
		Origin: r.Text("origin"), Ceremony: int(r.Number("ceremony")),
		Organization: identity.OrganizationID(r.Text("organization")), ResetToken: r.Text("reset_token"),
		Device: r.Text("device"), UserCode: r.Text("user_code"),
		Invitation: identity.InvitationID(r.Text("invitation")), Invited: r.Text("invited"), Fault: LinkFault(r.Text("invitation_fault")),
		Pending: registration{FirstName: r.Text("first_name"), LastName: r.Text("last_name"), PasswordHash: r.Text("password_hash")},
		Mailed:  mailed{Hash: r.Text("code_hash"), Expires: r.Time("code_expires"), Wrong: int(r.Number("code_wrong")), Sends: int(r.Number("code_sends"))},
		Created: r.Time("created"), Expires: r.Time("expires"),
	}
}

// moved reports whether b differs from a in what answers change.
func (a *attempt) moved(b *attempt) bool {
	return a.Stage != b.Stage || a.Email != b.Email || a.User != b.User || a.Proof != b.Proof || a.Invitation != b.Invitation || a.Fault != b.Fault || a.Pending != b.Pending || a.Mailed != b.Mailed || a.Ceremony != b.Ceremony
}

// findAttempt finds the row of an attempt, expired or not; nil if there is none.
func findAttempt(tx *identity.Tx, id AttemptID) (*identity.Found, error) {
	if !identity.ValidID(attemptPrefix, string(id)) {
		return nil, nil
	}
	return tx.First(tableAttempts, "on_id", string(id))
}

// grantCode is an authorization code as stored.
type grantCode struct {
	Environment   identity.EnvironmentID
	User          identity.UserID
	Browser       identity.BrowserID
	Organization  identity.OrganizationID // that was chosen, or ""
	Method        identity.Method
	Second        string                 // the second factor, see identity.Session
	Impersonator  *identity.Impersonator // nil if it is the user
	Authenticated time.Time
	Challenge     string // S256; "" if the application is to prove itself by its secret
	RedirectURI   string
	IPAddress     string
	UserAgent     string
	Expires       time.Time
	Provider      string // whose tokens are handed over with the session
	Tokens        string // sealed; "" if none are

	Session     identity.SessionID // what it was redeemed for; "" until then
	Redeemed    time.Time
	Idempotency string // hash of the key it was redeemed with
}

// keepCodes is how long a code is remembered beyond its life, so that its late use
// is recognised for what it is.
const keepCodes = time.Hour

// codeRow writes an authorization code.
func codeRow(code string, c *grantCode) identity.Row {
	var who identity.Impersonator
	if c.Impersonator != nil {
		who = *c.Impersonator
	}
	return identity.Row{
		identity.Text("hash", secretHash("authorization code", code)), identity.Text("environment", c.Environment), identity.Text("user", c.User),
		identity.Text("browser", c.Browser), identity.Text("method", c.Method), identity.Time("authenticated", c.Authenticated),
		identity.Text("organization", c.Organization), identity.Text("second", c.Second), identity.Text("impersonator", who.Email), identity.Text("impersonation_reason", who.Reason),
		identity.Text("challenge", c.Challenge), identity.Text("redirect_uri", c.RedirectURI), identity.Text("ip_address", c.IPAddress),
		identity.Text("user_agent", c.UserAgent), identity.Time("expires", c.Expires), identity.Text("session", c.Session),
		identity.Text("provider", c.Provider), identity.Text("tokens", c.Tokens),
		identity.Time("redeemed", c.Redeemed), identity.Text("idempotency", c.Idempotency), identity.Time("forget", c.Expires.Add(keepCodes)),
	}
}

// readCodeRow is the reverse of codeRow.
func readCodeRow(r identity.Record) *grantCode {
	var who *identity.Impersonator
	if email := r.Text("impersonator"); email != "" {
		who = &identity.Impersonator{Email: email, Reason: r.Text("impersonation_reason")}
	}
	return &grantCode{
		Organization: identity.OrganizationID(r.Text("organization")), Second: r.Text("second"), Impersonator: who,
		Environment: identity.EnvironmentID(r.Text("environment")), User: identity.UserID(r.Text("user")), Browser: identity.BrowserID(r.Text("browser")),
		Method: identity.Method(r.Text("method")), Authenticated: r.Time("authenticated"), Challenge: r.Text("challenge"), RedirectURI: r.Text("redirect_uri"),
		IPAddress: r.Text("ip_address"), UserAgent: r.Text("user_agent"), Expires: r.Time("expires"), Provider: r.Text("provider"), Tokens: r.Text("tokens"),
		Session: identity.SessionID(r.Text("session")), Redeemed: r.Time("redeemed"), Idempotency: r.Text("idempotency"),
	}
}

// findCode finds the row of an authorization code; nil if there is none.
func findCode(tx *identity.Tx, code string) (*identity.Found, error) {
	if code == "" || len(code) > 128 {
		return nil, nil
	}
	return tx.First(tableCodes, "on_hash", secretHash("authorization code", code))
}

// sweep deletes what nobody can use any more.
func (f *Flow) sweep(ctx context.Context) error {
	for _, s := range []struct{ table, index string }{{tableAttempts, "on_forget"}, {tableCodes, "on_forget"}, {tableDevices, "on_forget"}, {tablePending, "on_expires"}, {tableKnown, "on_expires"}} {
		if err := f.Identity.Sweep(ctx, s.table, s.index, time.Now()); err != nil {
			return err
		}
	}
	return nil
}
