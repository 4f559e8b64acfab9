package login

import (
	"net/url"

	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/identity"
)

// organizationPage asks with which organization to go on.
type organizationPage struct {
	form
	Organizations []authflow.Choice
}

// notMemberPage says that the person is no member of the organization asked for.
type notMemberPage struct {
	form
	Organization string
}

func (organizationPage) template() string { return "organization.html" }
func (notMemberPage) template() string    { return "not-member.html" }

// organization fills in the page with the choice.
func (p *Pages) organization(s *authflow.AskOrganization) page {
	f := p.form(s.Screen, "Choose an organization")
	f.Email = s.Email
	return organizationPage{f, s.Organizations}
}

// notMember fills in the page for who is none.
func (p *Pages) notMember(s *authflow.TellNotMember) page {
	f := p.form(s.Screen, "Not a member")
	f.Email = s.Email
	return notMemberPage{f, s.Organization}
}

// decodeOrganization reads the choice.
func decodeOrganization(f url.Values) authflow.Answer {
	return authflow.ChooseOrganization{Organization: identity.OrganizationID(text(f, "organization", 64))}
}
