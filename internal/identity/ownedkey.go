package identity

import (
	"crypto/rand"
	"slices"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
)

// Bounds of keys that organizations and users own.
const (
	ownedKeyPrefix   = "api_key_"
	ownedValuePrefix = "sk_"
	maxOwnedKeyName  = 255
	maxPermissions   = 100
	lastUseStep      = time.Minute // a use is written down once in so long
)

// tableOwnedKeys holds the API keys that applications give to their customers. They
// open nothing of this house.
const tableOwnedKeys = "owned_api_keys"

// ownedKeyTables are the tables of such keys. holder is the organization of its own
// keys and the user of a user's.
var ownedKeyTables = []database.TableDef{
	{Name: tableOwnedKeys, Indexes: []database.IndexDef{
		{Name: "on_id", Fields: []string{"environment", "id"}},
		{Name: "on_hash", Fields: []string{"hash"}},
		{Name: "on_holder", Fields: []string{"environment", "holder", "id"}},
		{Name: "on_member", Fields: []string{"environment", "holder", "organization", "id"}},
	}},
}

// OwnedKey is an API key of an organization or, with User, of one of its members.
// Of its text only a hash is kept.
type OwnedKey struct {
	ID           APIKeyID
	Environment  EnvironmentID
	Organization OrganizationID
	User         UserID // "" for the organization's own
	Name         string
	Obfuscated   string // "sk_...wxyz"
	Permissions  []string
	LastUsed     time.Time // zero if never; kept to the minute
	Expires      time.Time // zero if never
	Created      time.Time
	Updated      time.Time

	hash string
}

// NewOwnedKey is what a caller says of a key to be made.
type NewOwnedKey struct {
	Organization OrganizationID
	User         UserID
	Name         string
	Permissions  []string
	Expires      time.Time
}

// holder is who the key belongs to.
func (k *OwnedKey) holder() string {
	if k.User != "" {
		return string(k.User)
	}
	return string(k.Organization)
}

// Expired reports whether the key no longer counts.
func (k *OwnedKey) Expired(now time.Time) bool { return !k.Expires.IsZero() && !now.Before(k.Expires) }

// ownedKeyRow writes a key.
func ownedKeyRow(k *OwnedKey) Row {
	return Row{
		Text("id", k.ID), Text("environment", k.Environment), Text("holder", k.holder()), Text("organization", k.Organization), Text("user", k.User),
		Text("name", k.Name), Text("obfuscated", k.Obfuscated), Texts("permissions", k.Permissions), Text("hash", k.hash), Time("last_used", k.LastUsed),
		Time("expires", k.Expires), Time("created", k.Created), Time("updated", k.Updated),
	}
}

// readOwnedKey is the reverse of ownedKeyRow.
func readOwnedKey(r Record) *OwnedKey {
	return &OwnedKey{
		ID: APIKeyID(r.Text("id")), Environment: EnvironmentID(r.Text("environment")), Organization: OrganizationID(r.Text("organization")),
		User: UserID(r.Text("user")), Name: r.Text("name"), Obfuscated: r.Text("obfuscated"), Permissions: r.Texts("permissions"), hash: r.Text("hash"),
		LastUsed: r.Time("last_used"), Expires: r.Time("expires"), Created: r.Time("created"), Updated: r.Time("updated"),
	}
}

// ownedKeyData is a key as events show it, which is as the API does.
func ownedKeyData(k *OwnedKey) map[string]any {
	owner := map[string]any{"type": "organization", "id": k.Organization}
	if k.User != "" {
		owner = map[string]any{"type": "user", "id": k.User, "organization_id": k.Organization}
	}
	permissions := k.Permissions
	if permissions == nil {
		permissions = []string{}
	}
	shown := func(t time.Time) *string {
		if t.IsZero() {
			return nil
		}
		return nullable(FormatTime(t))
	}
	return map[string]any{
		"object": "api_key", "id": k.ID, "owner": owner, "name": k.Name, "obfuscated_value": k.Obfuscated, "permissions": permissions,
		"last_used_at": shown(k.LastUsed), "expires_at": shown(k.Expires), "created_at": FormatTime(k.Created), "updated_at": FormatTime(k.Updated),
	}
}

// ShowOwnedKey is a key as the API and events show it.
func ShowOwnedKey(k *OwnedKey) map[string]any { return ownedKeyData(k) }

// CreateOwnedKey makes a key and gives its text, which is shown this once.
func (tx *Tx) CreateOwnedKey(id EnvironmentID, n NewOwnedKey) (*OwnedKey, string, error) {
	if n.User != "" {
		if _, err := tx.User(id, n.User); err != nil {
			return nil, "", err
		}
	}
	if _, err := tx.Organization(id, n.Organization); err != nil {
		return nil, "", err
	}
	if n.User != "" {
		m, err := tx.Membership(id, n.User, n.Organization)
		if err != nil {
			return nil, "", err
		}
		if m == nil || m.Status != MembershipActive {
			return nil, "", InvalidField("organization_id", "organization_membership_not_found", "The user is not an active member of this organization.")
		}
	}
	n.Name = strings.TrimSpace(n.Name)
	if err := checkText("name", n.Name, maxOwnedKeyName, true); err != nil {
		return nil, "", err
	}
	if len(n.Permissions) > maxPermissions {
		return nil, "", InvalidField("permissions", "too_many_permissions", "A key has at most %d permissions.", maxPermissions)
	}
	for _, slug := range n.Permissions {
		if _, err := tx.Permission(id, slug); apierr.KindOf(err) == apierr.NotFound {
			return nil, "", InvalidField("permissions", "permission_not_found", "There is no permission %.100q.", slug)
		} else if err != nil {
			return nil, "", err
		}
	}
	if !n.Expires.IsZero() && !n.Expires.After(tx.now) {
		return nil, "", InvalidField("expires_at", "expires_at_in_the_past", "expires_at must lie in the future.")
	}
	secret := ownedValuePrefix + rand.Text() + rand.Text()
	k := &OwnedKey{
		ID: APIKeyID(tx.NewID(ownedKeyPrefix)), Environment: id, Organization: n.Organization, User: n.User, Name: n.Name,
		Obfuscated: "sk_..." + secret[len(secret)-4:], Permissions: slices.Compact(slices.Sorted(slices.Values(n.Permissions))), hash: keyHash(secret),
		Expires: n.Expires, Created: tx.now, Updated: tx.now,
	}
	if err := tx.Add(tableOwnedKeys, ownedKeyRow(k)); err != nil {
		return nil, "", err
	}
	return k, secret, tx.Record(id, "api_key.created", ownedKeyData(k))
}

// OwnedKeys lists the keys of an organization, without those of its members; or, with
// a user, the user's: in all organizations if none is named.
func (tx *Tx) OwnedKeys(id EnvironmentID, org OrganizationID, user UserID, p Page) (*List[OwnedKey], error) {
	read := func(r Record) (OwnedKey, string, bool) {
		k := readOwnedKey(r)
		return *k, string(k.ID), true
	}
	if user == "" {
		if _, err := tx.Organization(id, org); err != nil {
			return nil, err
		}
		return page(tx, tableOwnedKeys, "on_holder", []string{string(id), string(org)}, p, read)
	}
	if _, err := tx.User(id, user); err != nil {
		return nil, err
	}
	if org == "" {
		return page(tx, tableOwnedKeys, "on_holder", []string{string(id), string(user)}, p, read)
	}
	return page(tx, tableOwnedKeys, "on_member", []string{string(id), string(user), string(org)}, p, read)
}

// ownedKey finds a key of an environment and its row.
func (tx *Tx) ownedKey(id EnvironmentID, key APIKeyID) (*Found, *OwnedKey, error) {
	f, err := tx.First(tableOwnedKeys, "on_id", string(id), string(key))
	if err != nil {
		return nil, nil, err
	}
	if f == nil {
		return nil, nil, notFound("API key", string(key))
	}
	return f, readOwnedKey(f.Record), nil
}

// ExpireOwnedKey ends a key at a time, which is now if it is zero.
func (tx *Tx) ExpireOwnedKey(id EnvironmentID, key APIKeyID, at time.Time) (*OwnedKey, error) {
	f, k, err := tx.ownedKey(id, key)
	if err != nil {
		return nil, err
	}
	switch {
	case k.Expired(tx.now):
		return nil, apierr.New(apierr.Conflict, "api_key_already_expired", "The API key has expired already.")
	case at.IsZero():
		at = tx.now
	case at.Before(tx.now):
		return nil, InvalidField("expires_at", "expires_at_in_the_past", "expires_at must not lie in the past.")
	}
	before := ownedKeyData(k)["expires_at"]
	k.Expires, k.Updated = at, tx.later(k.Updated)
	if err := tx.Put(f.Doc, ownedKeyRow(k)); err != nil {
		return nil, err
	}
	data := ownedKeyData(k)
	data["previous_attributes"] = map[string]any{"expires_at": before}
	return k, tx.Record(id, "api_key.updated", data)
}

// DeleteOwnedKey ends a key for good.
func (tx *Tx) DeleteOwnedKey(id EnvironmentID, key APIKeyID) error {
	f, k, err := tx.ownedKey(id, key)
	if err != nil {
		return err
	}
	return tx.revokeOwnedKey(f, k)
}

// revokeOwnedKey removes a key.
func (tx *Tx) revokeOwnedKey(f *Found, k *OwnedKey) error {
	if err := tx.Remove(f); err != nil {
		return err
	}
	return tx.Record(k.Environment, "api_key.revoked", ownedKeyData(k))
}

// endOwnedKeys revokes the keys of what is about to be deleted.
func (tx *Tx) endOwnedKeys(what Gone) error {
	index, prefix := "on_holder", []string{string(what.Environment), string(what.Organization)}
	switch {
	case what.Group != "":
		return nil
	case what.Membership != "":
		index, prefix = "on_member", []string{string(what.Environment), string(what.User), string(what.Organization)}
	case what.Organization == "":
		prefix[1] = string(what.User)
	}
	rows, err := tx.All(tableOwnedKeys, index, prefix...)
	if err != nil {
		return err
	}
	for i := range rows {
		if err := tx.revokeOwnedKey(&rows[i], readOwnedKey(rows[i].Record)); err != nil {
			return err
		}
	}
	return nil
}

// ValidateOwnedKey finds the key of a text; nil if there is none that counts here: it
// is another environment's, has expired, or its user is no active member any more.
// The text is found by its hash, so that the time it takes says nothing of others.
// Its use is written down.
func (tx *Tx) ValidateOwnedKey(id EnvironmentID, secret string) (*OwnedKey, error) {
	if len(secret) > maxKeyLength || !strings.HasPrefix(secret, ownedValuePrefix) {
		return nil, nil
	}
	f, err := tx.First(tableOwnedKeys, "on_hash", keyHash(secret))
	if err != nil || f == nil {
		return nil, err
	}
	k := readOwnedKey(f.Record)
	if k.Environment != id || k.Expired(tx.now) {
		return nil, nil
	}
	if k.User != "" {
		m, err := tx.Membership(id, k.User, k.Organization)
		if err != nil || m == nil || m.Status != MembershipActive {
			return nil, err
		}
	}
	if tx.now.Sub(k.LastUsed) < lastUseStep || tx.rec == nil {
		return k, nil
	}
	k.LastUsed = tx.now
	return k, tx.Patch(f, Row{Time("last_used", k.LastUsed)})
}
