package identity

import (
	"context"
	"crypto/rsa"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/token"
)

// Service is the identity half of one house. The exported fields are filled by
// whoever assembles the house; call Open once, then Run beside all else.
type Service struct {
	// DB is the house's own store, already open and running.
	DB *database.DB
	// Sealer protects what is secret at rest, under the house's master key.
	Sealer *token.Sealer
	// Log receives what a person would want to know tomorrow.
	Log *slog.Logger
	// Resolver looks at the DNS for domains to be verified; nil means the system's.
	Resolver Resolver
	// Gone are called, within the transaction, before a noun is deleted, by the rooms
	// above that keep rows of it.
	Gone []func(tx *Tx, what Gone) error
	// Covers tells whether resources of type child can lie below those of type
	// parent, so that a role of the one may hold permissions of the other. Nil means
	// that no type lies below another.
	Covers func(tx *Tx, id EnvironmentID, parent, child string) (bool, error)
	// RoleUsed are asked by rooms above whether they use a role that is about to be
	// deleted; they answer with the code of the refusal, or "".
	RoleUsed []func(tx *Tx, id EnvironmentID, org OrganizationID, slug string) (string, error)

	// Keep are tables of rooms above whose rows are settings: a reset of an environment
	// leaves them.
	Keep []string
	// Foreign are tables of rooms above whose rows name an environment and are not its
	// own: neither a reset nor its deletion touches them.
	Foreign []string

	// Doubt tells that the clock may be wrong, so that nothing is deleted for its age;
	// nil if it never is.
	Doubt func() bool
	// Observe is told the name of every event that was committed; nil for nobody.
	Observe func(event string)

	// FirstKey gives the signing key of the first environment that is made, which
	// somebody has begun to make before there was a store; nil: it is made when needed.
	FirstKey func() (*rsa.PrivateKey, error)

	events chronicle
	ids    rising // of nouns whose newest must be the last

	spares spares
	away   absence // before this start

	mu      sync.Mutex // leaf; guards the caches below
	signers map[KeyID]*loadedKey
	sets    map[EnvironmentID]publishedKeys
	used    map[APIKeyID]time.Time // uses not yet written down
	clients map[EnvironmentID]ClientID
}

// Open makes the tables; it starts nothing.
func (s *Service) Open(ctx context.Context) error {
	if s.DB == nil || s.Sealer == nil {
		return errors.New("identity: DB and Sealer must be set")
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	s.spares.open()
	s.away = absence{from: s.DB.OpenedAt().Time(), to: time.Now()}
	s.signers = map[KeyID]*loadedKey{}
	s.sets = map[EnvironmentID]publishedKeys{}
	s.used = map[APIKeyID]time.Time{}
	s.clients = map[EnvironmentID]ClientID{}
	if err := s.DB.EnsureTables(ctx, slices.Concat(tableDefs, factorTables, codeTables, orgPolicyTables, brandingTables, invitationTables,
		ownedKeyTables, waitlistTables, contactTables, termTables)); err != nil {
		return err
	}
	if err := s.seedEvents(ctx); err != nil {
		return err
	}
	if err := s.ensureRoles(ctx); err != nil {
		return err
	}
	return s.ensureTerms(ctx)
}

// Gone says what is about to be deleted: the last of the ids that is set. The
// others say where it belongs.
type Gone struct {
	Environment  EnvironmentID
	User         UserID
	Organization OrganizationID
	Membership   MembershipID
	Group        GroupID
}

// gone tells the rooms above what is about to be deleted.
func (s *Service) gone(tx *Tx, what Gone) error {
	if err := tx.endOwnedKeys(what); err != nil {
		return err
	}
	for _, tell := range s.Gone {
		if err := tell(tx, what); err != nil {
			return err
		}
	}
	return nil
}

// NotFound is the refusal of another room for a noun of its own that is not there.
func NotFound(noun, id string) error { return notFound(noun, id) }

// notFound is the refusal for a noun that is not there, or is another
// environment's.
func notFound(noun, id string) *apierr.Error {
	return apierr.New(apierr.NotFound, "entity_not_found", "%s not found: '%.100s'.", noun, id)
}
