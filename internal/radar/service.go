package radar

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
)

// The tables of the room, in the house's own store.
const (
	tableLists    = "radar_lists"
	tableAttempts = "radar_attempts"
)

// tableDefs is what Open asks the database for.
var tableDefs = []database.TableDef{
	{Name: tableLists, Indexes: []database.IndexDef{
		{Name: "on_entry", Fields: []string{"environment", "action", "kind", "entry"}},
	}},
	{Name: tableAttempts, Indexes: []database.IndexDef{
		{Name: "on_environment", Fields: []string{"environment", "id"}},
		{Name: "on_email", Fields: []string{"environment", "email", "created"}},
		{Name: "on_address", Fields: []string{"environment", "address", "created"}},
		{Name: "on_forget", Fields: []string{"forget"}},
	}},
}

// Service judges for one house. The exported fields are filled by whoever assembles
// the house; call Open once, then Run beside all else.
type Service struct {
	Identity *identity.Service
	Log      *slog.Logger
}

// Open makes the tables; it starts nothing.
func (s *Service) Open(ctx context.Context) error {
	if s.Identity == nil {
		return errors.New("radar: Identity must be set")
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	return s.Identity.DB.EnsureTables(ctx, tableDefs)
}

// Run forgets old attempts, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	return identity.RunChores(ctx, s.Log, s.Identity.SweepOf(tableAttempts, "on_forget"))
}

// Kind says what the entries of a list are.
type Kind string

// The kinds of list.
const (
	IPAddress   Kind = "ip_address"
	Domain      Kind = "domain"
	Email       Kind = "email"
	Device      Kind = "device"
	UserAgent   Kind = "user_agent"
	Fingerprint Kind = "device_fingerprint"
	Country     Kind = "country" // refused
)

// kinds are those that entries can be of, in the order in which they are looked at.
var kinds = []Kind{IPAddress, Email, Domain, Device, Fingerprint, UserAgent}

// Action says what becomes of who is on a list.
type Action string

// The actions.
const (
	Allow Action = "allow"
	Block Action = "block"
)

// bad is the refusal of input that breaks a rule.
func bad(format string, args ...any) error {
	return apierr.New(apierr.BadRequest, "bad_request", format, args...)
}

// maxEntry is the length of an entry at most; user agents are the longest.
const maxEntry = 1000

// canonical is an entry as it is stored and compared.
func canonical(k Kind, entry string) (string, error) {
	entry = strings.TrimSpace(entry)
	if entry == "" || len(entry) > maxEntry {
		return "", bad("An entry has 1 to %d characters.", maxEntry)
	}
	switch k {
	case IPAddress:
		if p, err := netip.ParsePrefix(entry); err == nil {
			return p.Masked().String(), nil
		}
		ip, err := netip.ParseAddr(entry)
		if err != nil {
			return "", bad("%.60q is not an IP address, nor a range such as 192.0.2.0/24.", entry)
		}
		return ip.Unmap().WithZone("").String(), nil
	case Email:
		if strings.Count(entry, "@") != 1 || strings.ContainsAny(entry, " \t") {
			return "", bad("%.60q is not an e-mail address.", entry)
		}
		return strings.ToLower(entry), nil
	case Domain:
		if strings.ContainsAny(entry, " @/:") || !strings.Contains(entry, ".") {
			return "", bad("%.60q is not a domain.", entry)
		}
		return strings.ToLower(strings.TrimSuffix(entry, ".")), nil
	case Device, Fingerprint, UserAgent:
		return entry, nil
	case Country:
		return "", bad("Lentil does not know in which country an address lies, so it keeps no list of countries.")
	}
	return "", bad("There is no list of the type %.40q.", k)
}

// check refuses an action that is none.
func (a Action) check() error {
	if a != Allow && a != Block {
		return bad("Lists are of those to allow or to block, not to %.40q.", a)
	}
	return nil
}

// Add puts an entry on a list and says whether it is new.
func (s *Service) Add(ctx context.Context, env identity.EnvironmentID, k Kind, a Action, entry string) (fresh bool, err error) {
	if err := a.check(); err != nil {
		return false, err
	}
	if entry, err = canonical(k, entry); err != nil {
		return false, err
	}
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		old, err := tx.First(tableLists, "on_entry", string(env), string(a), string(k), entry)
		if err != nil {
			return err
		}
		if fresh = old == nil; !fresh {
			return nil
		}
		return tx.Add(tableLists, identity.Row{identity.Text("environment", env), identity.Text("action", a), identity.Text("kind", k),
			identity.Text("entry", entry), identity.Time("created", tx.Now())})
	})
	return fresh, err
}

// Remove takes an entry from a list.
func (s *Service) Remove(ctx context.Context, env identity.EnvironmentID, k Kind, a Action, entry string) error {
	if err := a.check(); err != nil {
		return err
	}
	entry, err := canonical(k, entry)
	if err != nil {
		return err
	}
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		f, err := tx.First(tableLists, "on_entry", string(env), string(a), string(k), entry)
		if err != nil {
			return err
		}
		if f == nil {
			return identity.NotFound("List entry", entry)
		}
		return tx.Remove(f)
	})
}
