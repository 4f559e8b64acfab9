package dashboard

import (
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// organizationsView lists organizations.
type organizationsView struct {
	*signIn
	List   *identity.List[identity.Organization]
	Search string
}

func (organizationsView) template() string { return "workos-organizations" }
func (organizationsView) heading() string  { return "Organizations" }

// showOrganizations lists them, newest first, or finds some by words.
func (s *Site) showOrganizations(p *signIn) (view, error) {
	q := identity.OrganizationQuery{Page: identity.Page{Limit: usersPage, After: p.Q("after"), Before: p.Q("before")}, Search: strings.TrimSpace(p.Q("search"))}
	l, err := s.Identity.Organizations(p.ctx, p.Env.ID, q)
	return &organizationsView{signIn: p, List: l, Search: q.Search}, err
}

// createOrganization makes one.
func (s *Site) createOrganization(p *signIn) (string, error) {
	o, err := s.Identity.CreateOrganization(p.ctx, p.Env.ID, identity.NewOrganization{Name: strings.TrimSpace(p.PostForm.Get("name"))})
	if err != nil {
		return "", err
	}
	p.Say("%s is there.", o.Name)
	return p.Base() + "/organizations/" + string(o.ID), nil
}

// organizationView is one organization.
type organizationView struct {
	*signIn
	Organization *identity.Organization
	Members      []identity.Member
	Roles        []identity.Role
}

func (organizationView) template() string  { return "workos-organization" }
func (v organizationView) heading() string { return v.Organization.Name }

// organization is the one of the address.
func (p *signIn) organization() identity.OrganizationID {
	return identity.OrganizationID(p.PathValue("organization"))
}

// showOrganization shows an organization with its domains and members.
func (s *Site) showOrganization(p *signIn) (view, error) {
	o, err := s.Identity.Organization(p.ctx, p.Env.ID, p.organization())
	if err != nil {
		return nil, err
	}
	out := &organizationView{signIn: p, Organization: o}
	l, err := s.Identity.Members(p.ctx, p.Env.ID, identity.MembershipQuery{Page: identity.Page{Limit: listed}, Organization: o.ID,
		Statuses: []identity.MembershipStatus{identity.MembershipActive, identity.MembershipPending, identity.MembershipInactive}})
	if err != nil {
		return nil, err
	}
	out.Members = l.Data
	err = s.Identity.View(p.ctx, func(tx *identity.Tx) error {
		out.Roles, err = tx.Roles(p.Env.ID, o.ID)
		return err
	})
	return out, err
}

// addDomain claims a domain, proven by an operator's word if they say so.
func (s *Site) addDomain(p *signIn) (string, error) {
	n := identity.NewDomain{Name: strings.TrimSpace(p.PostForm.Get("domain")), State: identity.DomainPending}
	if p.PostForm.Get("verified") != "" {
		n.State = identity.DomainVerified
	}
	d, err := s.Identity.CreateDomain(p.ctx, p.Env.ID, p.organization(), n)
	if err != nil {
		return "", err
	}
	p.Say("%s belongs to the organization.", d.Name)
	return "", nil
}

// deleteDomain gives a domain up.
func (s *Site) deleteDomain(p *signIn) (string, error) {
	id := identity.DomainID(p.PostForm.Get("id"))
	d, err := s.Identity.Domain(p.ctx, p.Env.ID, id)
	if err == nil && d.Organization != p.organization() {
		err = apierr.New(apierr.NotFound, "DomainNotFound", "The organization has no such domain.")
	}
	if err == nil {
		err = s.Identity.DeleteDomain(p.ctx, p.Env.ID, id)
	}
	if err != nil {
		return "", err
	}
	p.Say("Removed.")
	return "", nil
}

// addMember puts a user into the organization.
func (s *Site) addMember(p *signIn) (string, error) {
	u, err := s.Identity.UserByEmail(p.ctx, p.Env.ID, strings.TrimSpace(p.PostForm.Get("email")))
	if err == nil && u == nil || apierr.KindOf(err) == apierr.NotFound {
		return "", apierr.New(apierr.BadRequest, "UserNotFound", "Nobody has that address. Invite them instead.")
	}
	if err != nil {
		return "", err
	}
	var roles []string
	if r := p.PostForm.Get("role"); r != "" {
		roles = []string{r}
	}
	if _, err := s.Identity.AddMembership(p.ctx, p.Env.ID, identity.NewMembership{User: u.ID, Organization: p.organization(), Roles: roles}); err != nil {
		return "", err
	}
	p.Say("%s is a member.", u.Email)
	return "", nil
}

// membership finds the membership that a form is about, in this organization.
func (s *Site) membership(p *signIn) (*identity.Member, error) {
	m, err := s.Identity.Member(p.ctx, p.Env.ID, identity.MembershipID(p.PostForm.Get("id")))
	if err == nil && m.Organization != p.organization() {
		err = apierr.New(apierr.NotFound, "MembershipNotFound", "The organization has no such member.")
	}
	return m, err
}

// setMemberRole gives a member one role.
func (s *Site) setMemberRole(p *signIn) (string, error) {
	m, err := s.membership(p)
	if err != nil {
		return "", err
	}
	if _, err := s.Identity.UpdateMembership(p.ctx, p.Env.ID, m.ID, identity.MembershipChange{Roles: []string{p.PostForm.Get("role")}}); err != nil {
		return "", err
	}
	p.Say("%s is %s now; tokens say so from the next renewal on.", m.UserData.Email, p.PostForm.Get("role"))
	return "", nil
}

// removeMembership takes a user out of the organization.
func (s *Site) removeMembership(p *signIn) (string, error) {
	m, err := s.membership(p)
	if err != nil {
		return "", err
	}
	if err := s.Identity.RemoveMembership(p.ctx, p.Env.ID, m.ID); err != nil {
		return "", err
	}
	p.Say("%s is not a member any more.", m.UserData.Email)
	return "", nil
}

// deleteOrganization removes an organization.
func (s *Site) deleteOrganization(p *signIn) (string, error) {
	o, err := s.Identity.Organization(p.ctx, p.Env.ID, p.organization())
	if err != nil {
		return "", err
	}
	if err := confirm(p.Visit, o.Name); err != nil {
		return "", err
	}
	if err := s.Identity.DeleteOrganization(p.ctx, p.Env.ID, o.ID); err != nil {
		return "", err
	}
	p.Say("%s is gone.", o.Name)
	return p.Base() + "/organizations", nil
}

// invitationsView lists invitations.
type invitationsView struct {
	*signIn
	Rows          []invitationRow
	After         string
	Organizations []identity.Organization
}

// invitationRow is an invitation with its state.
type invitationRow struct {
	identity.Invitation
	State identity.InvitationState
	Into  string
}

func (invitationsView) template() string { return "workos-invitations" }
func (invitationsView) heading() string  { return "Invitations" }

// showInvitations lists them, newest first.
func (s *Site) showInvitations(p *signIn) (view, error) {
	l, err := s.Identity.Invitations(p.ctx, p.Env.ID, identity.InvitationQuery{Page: identity.Page{Limit: usersPage, After: p.Q("after")}})
	if err != nil {
		return nil, err
	}
	orgs, err := s.Identity.Organizations(p.ctx, p.Env.ID, identity.OrganizationQuery{Page: identity.Page{Limit: listed}})
	if err != nil {
		return nil, err
	}
	names := map[identity.OrganizationID]string{}
	for _, o := range orgs.Data {
		names[o.ID] = o.Name
	}
	out := &invitationsView{signIn: p, After: l.After, Organizations: orgs.Data}
	for _, i := range l.Data {
		i.Token = "" // whoever has it may accept
		into := names[i.Organization]
		if into == "" {
			into = string(i.Organization)
		}
		out.Rows = append(out.Rows, invitationRow{i, i.State(identity.Now(p.ctx)), into})
	}
	return out, nil
}

// sendInvitation invites somebody and mails it.
func (s *Site) sendInvitation(p *signIn) (string, error) {
	if s.MailInvitation == nil {
		return "", apierr.New(apierr.Unsupported, "NoMail", "This house sends no mail.")
	}
	var made *identity.Invitation
	var organization string
	err := s.Identity.Update(p.ctx, func(tx *identity.Tx) error {
		i, err := tx.CreateInvitation(p.Env.ID, identity.NewInvitation{Email: strings.TrimSpace(p.PostForm.Get("email")),
			Organization: identity.OrganizationID(p.PostForm.Get("organization")), Role: p.PostForm.Get("role")})
		if err != nil {
			return err
		}
		made, organization = i, ""
		if i.Organization != "" {
			o, err := tx.Organization(p.Env.ID, i.Organization)
			if err != nil {
				return err
			}
			organization = o.Name
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	if err := s.MailInvitation(p.Env, made, organization); err != nil {
		return "", err
	}
	p.Say("%s is invited until %s.", made.Email, made.Expires.Format(time.DateOnly))
	return "", nil
}

// revokeInvitation takes an invitation back.
func (s *Site) revokeInvitation(p *signIn) (string, error) {
	err := s.Identity.Update(p.ctx, func(tx *identity.Tx) error {
		_, err := tx.RevokeInvitation(p.Env.ID, identity.InvitationID(p.PostForm.Get("id")))
		return err
	})
	if err != nil {
		return "", err
	}
	p.Say("Revoked: its link does not work any more.")
	return "", nil
}
