package identity

import (
	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
)

// tableOrgPolicies says what organizations ask of their members' sign-ins, one row
// for each that asks for anything.
const tableOrgPolicies = "organization_policies"

// orgPolicyTables are the tables of this file.
var orgPolicyTables = []database.TableDef{
	{Name: tableOrgPolicies, Indexes: []database.IndexDef{
		{Name: "on_organization", Fields: []string{"environment", "organization"}},
	}},
}

// OrganizationMFA is when an organization asks its members for a second factor,
// beyond what the environment asks of everybody: MFAOptional or MFARequired.
func (tx *Tx) OrganizationMFA(env EnvironmentID, org OrganizationID) (MFAPolicy, error) {
	row, err := tx.First(tableOrgPolicies, "on_organization", string(env), string(org))
	if err != nil || row == nil {
		return MFAOptional, err
	}
	return MFAPolicy(row.Text("mfa")), nil
}

// SetOrganizationMFA changes that. An organization cannot ask for less than its
// environment, so MFAOff is refused.
func (tx *Tx) SetOrganizationMFA(env EnvironmentID, org OrganizationID, p MFAPolicy) error {
	if p != MFAOptional && p != MFARequired {
		return apierr.New(apierr.BadRequest, "invalid_settings", "An organization's policy for second factors is optional or required.")
	}
	if _, err := tx.Organization(env, org); err != nil {
		return err
	}
	row, err := tx.First(tableOrgPolicies, "on_organization", string(env), string(org))
	if err != nil {
		return err
	}
	if row != nil {
		return tx.Patch(row, Row{Text("mfa", p)})
	}
	return tx.Add(tableOrgPolicies, Row{Text("environment", env), Text("organization", org), Text("mfa", p)})
}

// removeOrganizationPolicy forgets what a deleted organization asked for.
func (tx *Tx) removeOrganizationPolicy(o *Organization) error {
	row, err := tx.First(tableOrgPolicies, "on_organization", string(o.Environment), string(o.ID))
	if err != nil || row == nil {
		return err
	}
	return tx.Remove(row)
}
