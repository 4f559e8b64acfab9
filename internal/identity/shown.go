package identity

import (
	"encoding/json"
	"fmt"
)

// Shown is what templates see of a session: its user, organization and membership
// as the API shows them, as JSON decodes to. organization and membership may be nil.
func Shown(u *User, o *Organization, m *Membership) (map[string]any, error) {
	all := map[string]any{"user": userData(u)}
	if o != nil {
		all["organization"] = organizationData(o)
	}
	if m != nil {
		data := membershipData(m)
		if data["custom_attributes"] == nil {
			data["custom_attributes"] = map[string]any{}
		}
		all["organization_membership"] = data
	}
	b, err := json.Marshal(all)
	if err != nil {
		return nil, fmt.Errorf("identity: encode %s: %w", u.ID, err)
	}
	var out map[string]any
	if err := json.Unmarshal(b, &out); err != nil {
		return nil, fmt.Errorf("identity: encode %s: %w", u.ID, err)
	}
	return out, nil
}
