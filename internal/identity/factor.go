package identity

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
)

// Identifiers of second factors.
type (
	// FactorID is "auth_factor_…".
	FactorID string
	// ChallengeID is "auth_challenge_…".
	ChallengeID string
)

// Bounds of factors and challenges. A challenge of a one-time password is answered
// from an app that is at hand; five wrong answers are more than a person needs.
const (
	factorPrefix        = "auth_factor_"
	challengePrefix     = "auth_challenge_"
	challengeLifetime   = 10 * time.Minute
	maxChallengeGuesses = 5
	maxFactors          = 20 // of one user
	maxFactorName       = 128
	purposeFactor       = "identity factor secret"
)

// FactorType is how a second factor proves itself.
type FactorType string

// The types of factor, as the imitated service spells them.
const (
	FactorTOTP    FactorType = "totp"        // RFC 6238
	FactorSMS     FactorType = "sms"         // a code that the caller sends
	FactorGeneric FactorType = "generic_otp" // a code that the caller delivers somehow
)

// Factor is a second factor, without its secret. User is empty for a factor that an
// application keeps for itself.
type Factor struct {
	ID          FactorID
	Environment EnvironmentID
	User        UserID
	Type        FactorType
	Issuer      string // shown in the authenticator app; of TOTP
	Account     string // likewise
	Phone       string // of SMS
	Created     time.Time
	Updated     time.Time

	sealed string
	step   int64 // the newest time step whose code was accepted
}

// NewFactor is what a caller says of a factor to be enrolled. An empty Secret is
// chosen.
type NewFactor struct {
	User    UserID
	Type    FactorType
	Issuer  string
	Account string
	Phone   string
	Secret  string // base32; of TOTP
}

// Challenge asks for a code of a factor.
type Challenge struct {
	ID          ChallengeID
	Environment EnvironmentID
	Factor      FactorID
	Expires     time.Time
	Created     time.Time
	Updated     time.Time
}

// factorRow writes a factor.
func factorRow(f *Factor) Row {
	return Row{Text("id", f.ID), Text("environment", f.Environment), Text("user", f.User), Text("type", f.Type), Text("issuer", f.Issuer),
		Text("account", f.Account), Text("phone", f.Phone), Text("secret", f.sealed), Number("step", f.step),
		Time("created", f.Created), Time("updated", f.Updated)}
}

// readFactor is the reverse of factorRow.
func readFactor(r Record) *Factor {
	return &Factor{ID: FactorID(r.Text("id")), Environment: EnvironmentID(r.Text("environment")), User: UserID(r.Text("user")), Type: FactorType(r.Text("type")),
		Issuer: r.Text("issuer"), Account: r.Text("account"), Phone: r.Text("phone"), sealed: r.Text("secret"), step: int64(r.Number("step")),
		Created: r.Time("created"), Updated: r.Time("updated")}
}

// readChallenge reads a row of auth_challenges.
func readChallenge(r Record) *Challenge {
	return &Challenge{ID: ChallengeID(r.Text("id")), Environment: EnvironmentID(r.Text("environment")), Factor: FactorID(r.Text("factor")),
		Expires: r.Time("expires"), Created: r.Time("created"), Updated: r.Time("updated")}
}

// EnrollFactor adds a factor. secret is what the person's app must learn, and is
// given this once; empty for factors that have none.
func (tx *Tx) EnrollFactor(env EnvironmentID, n NewFactor) (f *Factor, secret string, err error) {
	refuse := func(format string, args ...any) (*Factor, string, error) {
		return nil, "", apierr.New(apierr.BadRequest, "invalid_factor", format, args...)
	}
	if n.User != "" {
		if _, err := tx.User(env, n.User); err != nil {
			return nil, "", err
		}
		have, err := tx.Factors(env, n.User)
		if err != nil {
			return nil, "", err
		}
		if len(have) >= maxFactors {
			return refuse("A user has at most %d factors; delete one first.", maxFactors)
		}
	}
	if utf8.RuneCountInString(n.Issuer) > maxFactorName || utf8.RuneCountInString(n.Account) > maxFactorName || len(n.Phone) > 32 {
		return refuse("The names of a factor may have at most %d characters.", maxFactorName)
	}
	f = &Factor{ID: FactorID(tx.NewID(factorPrefix)), Environment: env, User: n.User, Type: n.Type, Issuer: n.Issuer, Account: n.Account, Phone: n.Phone,
		Created: tx.now, Updated: tx.now}
	switch n.Type {
	case FactorTOTP:
		if secret = n.Secret; secret == "" {
			secret = NewTOTPSecret()
		}
		key, ok := totpKey(secret)
		if !ok {
			return refuse("A secret is base32 of 10 to 64 bytes.")
		}
		f.sealed = tx.s.Sealer.Seal(purposeFactor, key)
	case FactorSMS:
		if n.Phone == "" {
			return refuse("A factor of type sms needs a phone_number.")
		}
	case FactorGeneric:
	default:
		return refuse("There is no factor of type %.40q; use totp.", string(n.Type))
	}
	return f, secret, tx.Add(tableFactors, factorRow(f))
}

// factorBy finds the row of a factor of the environment.
func (tx *Tx) factorBy(env EnvironmentID, id FactorID) (*Found, *Factor, error) {
	row, err := tx.First(tableFactors, "on_id", string(id))
	if err != nil {
		return nil, nil, err
	}
	if row == nil || row.Text("environment") != string(env) {
		return nil, nil, notFound("Authentication Factor", string(id))
	}
	return row, readFactor(row.Record), nil
}

// Factor finds a factor of the environment.
func (tx *Tx) Factor(env EnvironmentID, id FactorID) (*Factor, error) {
	_, f, err := tx.factorBy(env, id)
	return f, err
}

// Factors lists a user's factors, oldest first; there are few.
func (tx *Tx) Factors(env EnvironmentID, user UserID) ([]Factor, error) {
	rows, err := tx.All(tableFactors, "on_user", string(user))
	var out []Factor
	for _, r := range rows {
		if f := readFactor(r.Record); f.Environment == env && user != "" {
			out = append(out, *f)
		}
	}
	return out, err
}

// DeleteFactor removes a factor. With a user's last one the recovery codes go, which
// stand for nothing then.
func (tx *Tx) DeleteFactor(env EnvironmentID, id FactorID) error {
	row, f, err := tx.factorBy(env, id)
	if err != nil {
		return err
	}
	if err := tx.Remove(row); err != nil || f.User == "" {
		return err
	}
	left, err := tx.Factors(env, f.User)
	if err != nil || len(left) > 0 {
		return err
	}
	return tx.dropRecoveryCodes(f.User)
}

// deleteFactors removes whatever second factors a user has.
func (tx *Tx) deleteFactors(user UserID) error {
	rows, err := tx.All(tableFactors, "on_user", string(user))
	if err != nil {
		return err
	}
	for i := range rows {
		if err := tx.Remove(&rows[i]); err != nil {
			return err
		}
	}
	return tx.dropRecoveryCodes(user)
}

// ChallengeFactor begins a challenge of a factor. For factors that are no app, code
// is what somebody must bring to the person.
func (tx *Tx) ChallengeFactor(env EnvironmentID, id FactorID) (c *Challenge, code string, err error) {
	f, err := tx.Factor(env, id)
	if err != nil {
		return nil, "", err
	}
	c = &Challenge{ID: ChallengeID(tx.NewID(challengePrefix)), Environment: env, Factor: id, Expires: tx.now.Add(challengeLifetime), Created: tx.now, Updated: tx.now}
	hash := ""
	if f.Type != FactorTOTP {
		e, err := tx.Environment(env)
		if err != nil {
			return nil, "", err
		}
		if code, err = e.MakeCode(); err != nil {
			return nil, "", err
		}
		hash = challengeHash(c.ID, code)
	}
	return c, code, tx.Add(tableChallenges, Row{Text("id", c.ID), Text("environment", env), Text("factor", id), Text("hash", hash), Number("wrong", 0),
		Time("used", time.Time{}), Time("expires", c.Expires), Time("created", c.Created), Time("updated", c.Updated)})
}

// challengeHash is how a code that was handed out is stored.
func challengeHash(id ChallengeID, code string) string {
	sum := sha256.Sum256([]byte("lentil challenge\x00" + string(id) + "\x00" + code))
	return hex.EncodeToString(sum[:])
}

// The refusals of challenges, in the words of the imitated service.
var (
	errChallengeExpired = apierr.New(apierr.BadRequest, "one_time_code_expired", "The one-time code has expired.")
	errChallengeUsed    = apierr.New(apierr.BadRequest, "one_time_code_previously_used", "The one-time code was already used.")
	errChallengeGuessed = apierr.New(apierr.BadRequest, "one_time_code_too_many_attempts", "The one-time code was entered wrongly too often.")
)

// VerifyChallenge answers a challenge. A wrong code is no error but valid false, and
// is counted: the transaction is to be committed either way.
func (tx *Tx) VerifyChallenge(env EnvironmentID, id ChallengeID, code string) (c *Challenge, valid bool, err error) {
	row, err := tx.First(tableChallenges, "on_id", string(id))
	if err != nil {
		return nil, false, err
	}
	if row == nil || row.Text("environment") != string(env) {
		return nil, false, notFound("Authentication Challenge", string(id))
	}
	c = readChallenge(row.Record)
	wrong := int(row.Number("wrong"))
	switch {
	case !row.Time("used").IsZero():
		return c, false, errChallengeUsed
	case !tx.now.Before(c.Expires):
		return c, false, errChallengeExpired
	case wrong >= maxChallengeGuesses:
		return c, false, errChallengeGuessed
	}
	if hash := row.Text("hash"); hash != "" {
		valid = subtle.ConstantTimeCompare([]byte(hash), []byte(challengeHash(id, code))) == 1
	} else if valid, err = tx.VerifyFactor(env, c.Factor, code); err != nil {
		return nil, false, err
	}
	c.Updated = tx.later(c.Updated)
	if !valid {
		return c, false, tx.Patch(row, Row{Number("wrong", wrong+1), Time("updated", c.Updated)})
	}
	return c, true, tx.Patch(row, Row{Time("used", tx.now), Time("updated", c.Updated)})
}

// VerifyFactor reports whether code is what the TOTP app of a factor shows. A code
// is accepted once, and none that is older than the last one accepted (RFC 6238
// §5.2): the transaction is to be committed.
func (tx *Tx) VerifyFactor(env EnvironmentID, id FactorID, code string) (bool, error) {
	row, f, err := tx.factorBy(env, id)
	if err != nil || f.Type != FactorTOTP {
		return false, err
	}
	key, err := tx.s.Sealer.Open(purposeFactor, f.sealed)
	if err != nil {
		return false, fmt.Errorf("identity: unseal secret of factor %s: %w (was the house's master key replaced?)", id, err)
	}
	step, ok := totpStep(key, code, tx.now)
	if !ok || step <= f.step {
		return false, nil
	}
	return true, tx.Patch(row, Row{Number("step", step), Time("updated", tx.later(f.Updated))})
}

// VerifyAnyFactor is VerifyFactor for whichever of a user's factors the code is of.
func (tx *Tx) VerifyAnyFactor(env EnvironmentID, user UserID, code string) (bool, error) {
	all, err := tx.Factors(env, user)
	if err != nil {
		return false, err
	}
	for i := range all {
		if ok, err := tx.VerifyFactor(env, all[i].ID, code); err != nil || ok {
			return ok, err
		}
	}
	return false, nil
}

// MarkFactorUsed notes that a code of a factor was accepted elsewhere, so that it
// works no second time.
func (tx *Tx) MarkFactorUsed(env EnvironmentID, id FactorID, step int64) error {
	row, f, err := tx.factorBy(env, id)
	if err != nil || f.step >= step {
		return err
	}
	return tx.Patch(row, Row{Number("step", step)})
}

// factorTables are the tables of this file.
var factorTables = []database.TableDef{
	{Name: tableFactors, Indexes: []database.IndexDef{
		{Name: "on_id", Fields: []string{"id"}},
		{Name: "on_user", Fields: []string{"user", "id"}},
	}},
	{Name: tableChallenges, Indexes: []database.IndexDef{
		{Name: "on_id", Fields: []string{"id"}},
		{Name: "on_expires", Fields: []string{"expires"}},
	}},
	{Name: tableRecovery, Indexes: []database.IndexDef{
		{Name: "on_user", Fields: []string{"user"}},
	}},
}

// The tables' names.
const (
	tableFactors    = "auth_factors"    // secrets sealed
	tableChallenges = "auth_challenges" //
	tableRecovery   = "recovery_codes"  // hashes, one row per user
)

// UserFactors lists a user's factors.
func (s *Service) UserFactors(ctx context.Context, env EnvironmentID, user UserID, p Page) (l *List[Factor], err error) {
	err = s.View(ctx, func(tx *Tx) error {
		if _, err := tx.User(env, user); err != nil {
			return err
		}
		l, err = page(tx, tableFactors, "on_user", []string{string(user)}, p, func(r Record) (Factor, string, bool) {
			f := readFactor(r)
			return *f, string(f.ID), f.Environment == env
		})
		return err
	})
	return l, err
}
