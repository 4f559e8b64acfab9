package identity

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
)

// The lives of one-time codes (workos-api.md §2.3) and their bounds. Five wrong
// answers are more than a person needs; with a hundred codes a day, guessing one
// of a million takes years.
const (
	codeLifetime  = 10 * time.Minute
	maxCodeWrong  = 5
	maxCodesDaily = 100
	keepCodes     = 24 * time.Hour // after its making, so that late use is recognised
	purposeCode   = "identity one-time code"
)

// CodeKind is what a one-time code is for.
type CodeKind string

// The kinds of code. Their names are those of their objects and events.
const (
	CodeEmailVerification CodeKind = "email_verification"
	CodeMagicAuth         CodeKind = "magic_auth"
	CodeEmailChange       CodeKind = "email_change"
)

// CodeID is "email_verification_…", "magic_auth_…" or "email_change_…".
type CodeID string

// OneTimeCode is a short number that goes to a mailbox to show who reads it. Of a
// user's codes of a kind only the newest counts.
type OneTimeCode struct {
	ID          CodeID
	Environment EnvironmentID
	Kind        CodeKind
	User        UserID
	Email       string // where it went; for CodeEmailChange the new address
	Code        string // six digits
	Expires     time.Time
	Used        time.Time // zero until then
	Created     time.Time
	Updated     time.Time

	wrong int
}

// NewCode is what a caller says of a code to be made.
type NewCode struct {
	Kind     CodeKind
	User     UserID
	Email    string
	Code     string        // chosen if empty
	Lifetime time.Duration // 10 minutes if zero
}

// CodeVerdict is what became of an answer to a code.
type CodeVerdict uint8

// The verdicts, in the order in which they are looked for.
const (
	CodeRight   CodeVerdict = iota
	CodeNone                // no code was made, or it is forgotten
	CodeUsed                // it was answered before
	CodeExpired             //
	CodeTooMany             // too many wrong answers; a new code is needed
	CodeWrong               //
)

// codeTables are the tables of one-time secrets.
var codeTables = []database.TableDef{
	{Name: tableCodes, Indexes: []database.IndexDef{
		{Name: "on_id", Fields: []string{"environment", "id"}},
		{Name: "on_user", Fields: []string{"user", "kind", "id"}},
		{Name: "on_forget", Fields: []string{"forget"}},
	}},
	{Name: tableResets, Indexes: []database.IndexDef{
		{Name: "on_id", Fields: []string{"environment", "id"}},
		{Name: "on_hash", Fields: []string{"hash"}},
		{Name: "on_user", Fields: []string{"user", "id"}},
		{Name: "on_forget", Fields: []string{"forget"}},
	}},
}

// codeRow writes a code, sealed.
func (tx *Tx) codeRow(c *OneTimeCode) Row {
	return Row{
		Text("id", c.ID), Text("environment", c.Environment), Text("kind", c.Kind), Text("user", c.User), Text("email", c.Email),
		Text("code", tx.s.Sealer.Seal(purposeCode, []byte(c.Code))), Number("wrong", c.wrong), Time("expires", c.Expires), Time("used", c.Used),
		Time("created", c.Created), Time("updated", c.Updated), Time("forget", c.Created.Add(max(keepCodes, c.Expires.Sub(c.Created)))),
	}
}

// readCode is the reverse of codeRow.
func (tx *Tx) readCode(r Record) (*OneTimeCode, error) {
	text, err := tx.s.Sealer.Open(purposeCode, r.Text("code"))
	if err != nil {
		return nil, fmt.Errorf("identity: unseal code %s: %w", r.Text("id"), err)
	}
	return &OneTimeCode{
		ID: CodeID(r.Text("id")), Environment: EnvironmentID(r.Text("environment")), Kind: CodeKind(r.Text("kind")), User: UserID(r.Text("user")),
		Email: r.Text("email"), Code: string(text), wrong: int(r.Number("wrong")), Expires: r.Time("expires"), Used: r.Time("used"),
		Created: r.Time("created"), Updated: r.Time("updated"),
	}, nil
}

// sixDigitCode reports whether s could be a code.
func sixDigitCode(s string) bool {
	return len(s) == 6 && strings.Trim(s, "0123456789") == ""
}

// MakeCode chooses a one-time code; in a test environment it may be fixed.
func (e *Environment) MakeCode() (string, error) {
	if e.Settings.FixedCode != "" && e.Kind != Production {
		return e.Settings.FixedCode, nil
	}
	return sixDigits()
}

// sixDigits makes a code.
func sixDigits() (string, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		return "", fmt.Errorf("identity: make code: %w", err)
	}
	return fmt.Sprintf("%06d", n), nil
}

// quotaError is the refusal of more one-time secrets for somebody than make sense.
func quotaError() error {
	return apierr.New(apierr.RateLimited, "daily_quota_exceeded", "Too many codes were asked for this user today. Please try again tomorrow.")
}

// CreateCode makes a code; earlier ones of the same kind and user are void. The
// event of its making tells everything but the code.
func (tx *Tx) CreateCode(id EnvironmentID, n NewCode) (*OneTimeCode, error) {
	made := 0
	in := prefixOf(string(n.User), string(n.Kind))
	err := tx.Each(tableCodes, "on_user", in, database.Desc, func(f Found) (bool, error) {
		if tx.now.Sub(f.Time("created")) < 24*time.Hour {
			made++
		}
		return made < maxCodesDaily, nil
	})
	if err != nil {
		return nil, err
	}
	if made >= maxCodesDaily {
		return nil, quotaError()
	}
	if n.Lifetime == 0 {
		n.Lifetime = codeLifetime
	}
	if n.Code == "" {
		e, err := tx.Environment(id)
		if err != nil {
			return nil, err
		}
		if n.Code, err = e.MakeCode(); err != nil {
			return nil, err
		}
	}
	c := &OneTimeCode{
		ID: CodeID(tx.newID(string(n.Kind) + "_")), Environment: id, Kind: n.Kind, User: n.User, Email: n.Email, Code: n.Code,
		Expires: tx.now.Add(n.Lifetime), Created: tx.now, Updated: tx.now,
	}
	if err := tx.Add(tableCodes, tx.codeRow(c)); err != nil || n.Kind == CodeEmailChange {
		return c, err
	}
	return c, tx.RecordCode(id, string(n.Kind)+".created", CodeMade{
		Object: string(c.Kind), ID: string(c.ID), UserID: nullable(c.User), Email: c.Email,
		ExpiresAt: FormatTime(c.Expires), CreatedAt: FormatTime(c.Created), UpdatedAt: FormatTime(c.Updated), Code: c.Code,
	})
}

// OneTimeCode finds a code of a kind, whatever became of it.
func (tx *Tx) OneTimeCode(id EnvironmentID, kind CodeKind, code CodeID) (*OneTimeCode, error) {
	f, err := tx.First(tableCodes, "on_id", string(id), string(code))
	if err != nil {
		return nil, err
	}
	if f == nil || f.Text("kind") != string(kind) {
		return nil, notFound("One-time code", string(code))
	}
	return tx.readCode(f.Record)
}

// newestCode finds the row of a user's newest code of a kind; nil if there is none.
func (tx *Tx) newestCode(id EnvironmentID, kind CodeKind, user UserID) (found *Found, err error) {
	err = tx.Each(tableCodes, "on_user", prefixOf(string(user), string(kind)), database.Desc, func(f Found) (bool, error) {
		if f.Text("environment") == string(id) {
			found = &f
		}
		return false, nil
	})
	return found, err
}

// NewestCode finds a user's newest code of a kind, whatever became of it; nil if
// there is none.
func (tx *Tx) NewestCode(id EnvironmentID, kind CodeKind, user UserID) (*OneTimeCode, error) {
	f, err := tx.newestCode(id, kind, user)
	if err != nil || f == nil {
		return nil, err
	}
	return tx.readCode(f.Record)
}

// AnswerCode says what somebody's answer to a user's newest code is worth. The
// right one uses it up; wrong ones are counted, so the transaction is to be
// committed whatever the verdict. The code is nil for CodeNone only.
func (tx *Tx) AnswerCode(id EnvironmentID, kind CodeKind, user UserID, answer string) (*OneTimeCode, CodeVerdict, error) {
	f, err := tx.newestCode(id, kind, user)
	if err != nil || f == nil {
		return nil, CodeNone, err
	}
	c, err := tx.readCode(f.Record)
	if err != nil {
		return nil, CodeNone, err
	}
	right := subtle.ConstantTimeCompare([]byte(answer), []byte(c.Code)) == 1
	switch {
	case !c.Used.IsZero() && right:
		return c, CodeUsed, nil
	case !c.Used.IsZero():
		return c, CodeWrong, nil
	case !tx.now.Before(c.Expires):
		return c, CodeExpired, nil
	case c.wrong >= maxCodeWrong:
		return c, CodeTooMany, nil
	}
	verdict := CodeRight
	if right {
		c.Used = tx.now
	} else {
		c.wrong++
		verdict = CodeWrong
	}
	c.Updated = tx.later(c.Updated)
	return c, verdict, tx.Put(f.Doc, tx.codeRow(c))
}

// voidCodes removes a user's codes of a kind, or of all kinds if it is empty.
func (tx *Tx) voidCodes(user UserID, kind CodeKind) error {
	prefix := []string{string(user)}
	if kind != "" {
		prefix = append(prefix, string(kind))
	}
	rows, err := tx.All(tableCodes, "on_user", prefix...)
	if err != nil {
		return err
	}
	for i := range rows {
		if err := tx.Remove(&rows[i]); err != nil {
			return err
		}
	}
	return nil
}
