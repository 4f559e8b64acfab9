package passkey

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// ID is "passkey_…".
type ID string

// idPrefix begins ids.
const idPrefix = "passkey_"

// Passkey is a user's key on some authenticator, of which only the public half is
// known here.
type Passkey struct {
	ID          ID
	Environment identity.EnvironmentID
	User        identity.UserID
	Name        string
	RP          string // the relying party, a host, that it was made for
	Credential  []byte // its id on the authenticator
	PublicKey   []byte // COSE
	SignCount   uint32
	Transports  []string
	Model       string // AAGUID; zeros if the authenticator keeps it to itself
	BackedUp    bool   // it is synchronised between devices
	Created     time.Time
	Updated     time.Time
	LastUsed    time.Time // zero if never
}

// credentialText is how an authenticator's id is stored and found.
func credentialText(id []byte) string { return base64.RawURLEncoding.EncodeToString(id) }

// row writes a passkey.
func (p *Passkey) row() identity.Row {
	return identity.Row{
		identity.Text("id", p.ID), identity.Text("environment", p.Environment), identity.Text("user", p.User), identity.Text("name", p.Name), identity.Text("rp", p.RP),
		identity.Text("credential", credentialText(p.Credential)), identity.Bytes("public_key", p.PublicKey), identity.Number("sign_count", p.SignCount),
		identity.Texts("transports", p.Transports), identity.Text("model", p.Model), identity.Flag("backed_up", p.BackedUp),
		identity.Time("created", p.Created), identity.Time("updated", p.Updated), identity.Time("last_used", p.LastUsed),
	}
}

// read is the reverse of row.
func read(r identity.Record) *Passkey {
	credential, _ := base64.RawURLEncoding.DecodeString(r.Text("credential")) // row wrote it
	return &Passkey{ID: ID(r.Text("id")), Environment: identity.EnvironmentID(r.Text("environment")), User: identity.UserID(r.Text("user")), Name: r.Text("name"), RP: r.Text("rp"),
		Credential: credential, PublicKey: r.Bytes("public_key"), SignCount: uint32(r.Number("sign_count")), Transports: r.Texts("transports"), Model: r.Text("model"),
		BackedUp: r.Flag("backed_up"), Created: r.Time("created"), Updated: r.Time("updated"), LastUsed: r.Time("last_used")}
}

// List lists a user's passkeys, oldest first; there are few.
func (s *Service) List(tx *identity.Tx, env identity.EnvironmentID, user identity.UserID) ([]Passkey, error) {
	rows, err := tx.All(tablePasskeys, "on_user", string(user))
	var out []Passkey
	for _, r := range rows {
		if p := read(r.Record); p.Environment == env && user != "" {
			out = append(out, *p)
		}
	}
	return out, err
}

// find finds a user's passkey.
func find(tx *identity.Tx, env identity.EnvironmentID, user identity.UserID, id ID) (*identity.Found, error) {
	f, err := tx.First(tablePasskeys, "on_user", string(user), string(id))
	if err != nil {
		return nil, err
	}
	if f == nil || user == "" || f.Text("environment") != string(env) {
		return nil, identity.NotFound("Passkey", string(id))
	}
	return f, nil
}

// byCredential finds the passkey of an authenticator's id; nil if there is none.
func byCredential(tx *identity.Tx, env identity.EnvironmentID, credential []byte) (*identity.Found, error) {
	return tx.First(tablePasskeys, "on_credential", string(env), credentialText(credential))
}

// Add keeps a passkey that a ceremony has made. An authenticator's key belongs to one
// user alone.
func (s *Service) Add(tx *identity.Tx, env identity.EnvironmentID, user identity.UserID, n Made) (*Passkey, error) {
	have, err := s.List(tx, env, user)
	if err != nil {
		return nil, err
	}
	if len(have) >= maxPasskeys {
		return nil, errTooMany
	}
	taken, err := byCredential(tx, env, n.Credential)
	if err != nil {
		return nil, err
	}
	if taken != nil {
		return nil, apierr.New(apierr.Conflict, "passkey_exists", "This passkey is known already.")
	}
	p := &Passkey{ID: ID(identity.NewID(idPrefix)), Environment: env, User: user, Name: nameOf(n.Model, have), RP: n.RP, Credential: n.Credential, PublicKey: n.PublicKey,
		SignCount: n.SignCount, Transports: n.Transports, Model: n.Model, BackedUp: n.BackedUp, Created: tx.Now(), Updated: tx.Now()}
	return p, tx.Add(tablePasskeys, p.row())
}

// Rename gives a passkey the name by which its owner knows it.
func (s *Service) Rename(tx *identity.Tx, env identity.EnvironmentID, user identity.UserID, id ID, name string) error {
	name = strings.Join(strings.Fields(name), " ")
	if name == "" || !utf8.ValidString(name) || utf8.RuneCountInString(name) > maxName {
		return apierr.New(apierr.BadRequest, "invalid_name", "A name has 1 to %d characters.", maxName)
	}
	f, err := find(tx, env, user, id)
	if err != nil {
		return err
	}
	return tx.Patch(f, identity.Row{identity.Text("name", name), identity.Time("updated", tx.Now())})
}

// Remove forgets a passkey.
func (s *Service) Remove(tx *identity.Tx, env identity.EnvironmentID, user identity.UserID, id ID) error {
	f, err := find(tx, env, user, id)
	if err != nil {
		return err
	}
	return tx.Remove(f)
}

// Use notes that a passkey was shown. ok is false if it is gone or its counter has
// moved on since the ceremony was looked at.
func (s *Service) Use(tx *identity.Tx, sh Shown) (ok bool, err error) {
	f, err := tx.First(tablePasskeys, "on_user", string(sh.User), string(sh.Passkey))
	if err != nil || f == nil {
		return false, err
	}
	if !grows(uint32(f.Number("sign_count")), sh.SignCount) {
		return false, nil
	}
	return true, tx.Patch(f, identity.Row{identity.Number("sign_count", sh.SignCount), identity.Flag("backed_up", sh.BackedUp), identity.Time("last_used", tx.Now())})
}

// grows reports whether a signature counter is what must follow the one stored.
// Authenticators without a counter always say zero.
func grows(stored, shown uint32) bool { return stored == 0 && shown == 0 || shown > stored }

// models are the names of authenticators that many people have, by AAGUID
// (https://github.com/passkeydeveloper/passkey-authenticator-aaguids).
var models = map[string]string{
	"ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4": "Google Password Manager",
	"fbfc3007-154e-4ecc-8c0b-6e020557d7bd": "Apple Passwords",
	"adce0002-35bc-c60a-648b-0b25f1f05503": "Chrome on Mac",
	"08987058-cadc-4b81-b6e1-30de50dcbe96": "Windows Hello",
	"9ddd1817-af5a-4672-a2b9-3e3dd95000a9": "Windows Hello",
	"6028b017-b1d4-4c02-b4b3-afcdafc96bb2": "Windows Hello",
	"bada5566-a7aa-401f-bd96-45619a55120d": "1Password",
	"d548826e-79b4-db40-a3d8-11116f7e8349": "Bitwarden",
	"531126d6-e717-415c-9320-3d9aa6981239": "Dashlane",
}

// nameOf chooses a first name that the user's others do not have.
func nameOf(model string, have []Passkey) string {
	base := models[model]
	if base == "" {
		base = "Passkey"
	}
	for n := 1; ; n++ {
		name := base
		if n > 1 {
			name += " " + strconv.Itoa(n)
		}
		taken := false
		for _, p := range have {
			taken = taken || p.Name == name
		}
		if !taken {
			return name
		}
	}
}
