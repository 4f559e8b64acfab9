package dashboard

import (
	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/platform"
)

// membersView lists who is in a team.
type membersView struct {
	*Visit
	Members []platform.Member
}

func (membersView) template() string  { return "members" }
func (v membersView) heading() string { return "Members of " + v.Team.Name }

// Roles are those that can be given.
func (membersView) Roles() []platform.Role {
	return []platform.Role{platform.Viewer, platform.Developer, platform.Administrator}
}

// showMembers lists a team's members.
func (s *Site) showMembers(v *Visit) (view, error) {
	list, err := s.Platform.Members(v.Context(), v.Team.ID)
	return &membersView{Visit: v, Members: list}, err
}

// invite gives a person a role in the team. They sign in with an account of that
// address, which they make when they come the first time.
func (s *Site) invite(v *Visit) (string, error) {
	o, err := s.Platform.AddOperator(v.Context(), v.PostForm.Get("email"), v.PostForm.Get("name"), v.Team.ID, platform.Role(v.PostForm.Get("role")))
	if err != nil {
		return "", err
	}
	if err := s.inviteAccount(v.Context(), o, v.Operator.Name); err != nil {
		return "", err
	}
	v.Say("%s is in the team.", o.Email)
	return "", nil
}

// member finds the member that a form is about.
func (s *Site) member(v *Visit) (*platform.Member, error) {
	list, err := s.Platform.Members(v.Context(), v.Team.ID)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if string(list[i].Operator.ID) == v.PostForm.Get("id") {
			return &list[i], nil
		}
	}
	return nil, apierr.New(apierr.NotFound, "MemberNotFound", "The operator is not in this team.")
}

// changeRole gives a member another role. Nobody changes their own, so that a team
// is not left without an administrator by a slip.
func (s *Site) changeRole(v *Visit) (string, error) {
	m, err := s.member(v)
	if err != nil {
		return "", err
	}
	if m.Operator.ID == v.Operator.ID {
		return "", apierr.New(apierr.Conflict, "OwnRole", "You cannot change your own role. Ask another administrator.")
	}
	if _, err := s.Platform.AddOperator(v.Context(), m.Operator.Email, m.Operator.Name, v.Team.ID, platform.Role(v.PostForm.Get("role"))); err != nil {
		return "", err
	}
	v.Say("%s is %s now.", m.Operator.Email, v.PostForm.Get("role"))
	return "", nil
}

// removeMember takes somebody out of the team.
func (s *Site) removeMember(v *Visit) (string, error) {
	m, err := s.member(v)
	if err != nil {
		return "", err
	}
	if m.Operator.ID == v.Operator.ID {
		return "", apierr.New(apierr.Conflict, "OwnRole", "You cannot remove yourself. Ask another administrator.")
	}
	if err := s.Platform.RemoveMember(v.Context(), v.Team.ID, m.Operator.ID); err != nil {
		return "", err
	}
	v.Say("%s is not in the team any more.", m.Operator.Email)
	return "", nil
}
