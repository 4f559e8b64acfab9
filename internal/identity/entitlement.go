package identity

import (
	"context"
	"slices"

	"github.com/lentil-dev/lentil/internal/database"
)

// maxEntitlements bounds what an organization is entitled to: all of it stands in
// every token of its members.
const maxEntitlements = 50

// tableEntitlements holds what organizations have paid for, one row each.
const tableEntitlements = "entitlements"

// entitlementTable is its definition.
var entitlementTable = database.TableDef{Name: tableEntitlements, Indexes: []database.IndexDef{
	{Name: "on_organization", Fields: []string{"environment", "organization"}},
}}

// Entitlements lists what an organization is entitled to, sorted.
func (tx *Tx) Entitlements(id EnvironmentID, org OrganizationID) ([]string, error) {
	f, err := tx.First(tableEntitlements, "on_organization", string(id), string(org))
	if err != nil || f == nil {
		return nil, err
	}
	return f.Texts("entitlements"), nil
}

// SetEntitlements replaces them. The tokens that members get from then on tell.
func (tx *Tx) SetEntitlements(id EnvironmentID, org OrganizationID, entitlements []string) error {
	if _, err := tx.Organization(id, org); err != nil {
		return err
	}
	if len(entitlements) > maxEntitlements {
		return InvalidField("entitlements", "too_many", "An organization has at most %d entitlements.", maxEntitlements)
	}
	for _, e := range entitlements {
		if err := checkText("entitlements", e, 64, true); err != nil {
			return err
		}
	}
	entitlements = slices.Compact(slices.Sorted(slices.Values(entitlements)))
	f, err := tx.First(tableEntitlements, "on_organization", string(id), string(org))
	if err != nil {
		return err
	}
	row := Row{Text("environment", id), Text("organization", org), Texts("entitlements", entitlements), Time("updated", tx.now)}
	switch {
	case f != nil && len(entitlements) == 0:
		return tx.Remove(f)
	case f != nil:
		return tx.Put(f.Doc, row)
	case len(entitlements) == 0:
		return nil
	}
	return tx.Add(tableEntitlements, row)
}

// SetEntitlements replaces what an organization is entitled to.
func (s *Service) SetEntitlements(ctx context.Context, id EnvironmentID, org OrganizationID, entitlements []string) (now []string, err error) {
	err = s.Update(ctx, func(tx *Tx) error {
		if err := tx.SetEntitlements(id, org, entitlements); err != nil {
			return err
		}
		now, err = tx.Entitlements(id, org)
		return err
	})
	return now, err
}
