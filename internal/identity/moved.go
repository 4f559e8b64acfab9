package identity

import (
	"github.com/lentil-dev/lentil/internal/database"
)

// UserNamed is User, but nil for one that is not there.
func (tx *Tx) UserNamed(id EnvironmentID, user UserID) (*User, error) {
	f, err := tx.userRowOf(id, user)
	if err != nil || f == nil {
		return nil, err
	}
	return readUser(f.Record), nil
}

// OrganizationNamed finds the oldest organization of just this name; nil if there is
// none. Names are found by their longest word.
func (tx *Tx) OrganizationNamed(id EnvironmentID, name string) (*Organization, error) {
	longest := ""
	for _, w := range wordsOf(name) {
		if len(w) > len(longest) {
			longest = w
		}
	}
	table, index, in, field := tableTerms, "on_term", prefixOf(string(id), longest), "organization"
	if longest == "" { // a name of nothing but marks
		table, index, in, field = tableOrganizations, "on_environment", prefixOf(string(id)), "id"
	}
	var found *Organization
	err := tx.Each(table, index, in, database.Asc, func(f Found) (bool, error) {
		o, err := tx.Organization(id, OrganizationID(f.Text(field)))
		if err == nil && o.Name == name {
			found = o
		}
		return found == nil, err
	})
	return found, err
}
