package dashboard

import (
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/identity"
)

// usersPage is how many users a page of the list shows.
const usersPage = 50

// usersView lists users.
type usersView struct {
	*signIn
	List   *identity.List[identity.User]
	Search string
}

func (usersView) template() string { return "workos-users" }
func (usersView) heading() string  { return "Users" }

// showUsers lists them, newest first, or finds the one with an address.
func (s *Site) showUsers(p *signIn) (view, error) {
	q := identity.UserQuery{Page: identity.Page{Limit: usersPage, After: p.Q("after"), Before: p.Q("before")}, Email: strings.TrimSpace(p.Q("email"))}
	l, err := s.Identity.Users(p.ctx, p.Env.ID, q)
	if err != nil {
		return nil, err
	}
	return &usersView{signIn: p, List: l, Search: q.Email}, nil
}

// createUser makes a user without a password: they sign in by a code, or set one.
func (s *Site) createUser(p *signIn) (string, error) {
	u, err := s.Identity.CreateUser(p.ctx, p.Env.ID, identity.NewUser{
		Email: p.PostForm.Get("email"), FirstName: strings.TrimSpace(p.PostForm.Get("first")), LastName: strings.TrimSpace(p.PostForm.Get("last")),
		EmailVerified: p.PostForm.Get("verified") != "",
	})
	if err != nil {
		return "", err
	}
	p.Say("%s is there.", u.Email)
	return p.Base() + "/users/" + string(u.ID), nil
}

// userView is one user.
type userView struct {
	*signIn
	User        *identity.User
	Sessions    []sessionRow
	Memberships []identity.Member
	Factors     []identity.Factor
	Link        string // by which the operator acts as them, shown this once
}

// Impersonating says whether operators may act as the environment's users.
func (v *userView) Impersonating() bool {
	return v.site.Impersonate != nil && !v.Env.Settings.ImpersonationOff
}

// Begun says where whoever acts as the user comes out.
func (v *userView) Begun() string {
	switch st := v.Env.Settings; {
	case st.InitiateLoginURI != "":
		return ""
	case st.HomepageURL != "":
		return st.HomepageURL
	}
	return "the default redirect URI"
}

// sessionRow is a session with its state.
type sessionRow struct {
	identity.Session
	State identity.SessionStatus
}

func (userView) template() string  { return "workos-user" }
func (v userView) heading() string { return v.User.Email }

// showUser shows a user with what is theirs.
func (s *Site) showUser(p *signIn) (view, error) {
	u, err := s.Identity.User(p.ctx, p.Env.ID, identity.UserID(p.PathValue("user")))
	if err != nil {
		return nil, err
	}
	out := &userView{signIn: p, User: u}
	sessions, err := s.Identity.Sessions(p.ctx, p.Env.ID, u.ID, identity.Page{Limit: usersPage})
	if err != nil {
		return nil, err
	}
	for _, x := range sessions.Data {
		out.Sessions = append(out.Sessions, sessionRow{x, x.Status(identity.Now(p.ctx))})
	}
	members, err := s.Identity.Members(p.ctx, p.Env.ID, identity.MembershipQuery{Page: identity.Page{Limit: usersPage}, User: u.ID})
	if err != nil {
		return nil, err
	}
	out.Memberships = members.Data
	factors, err := s.Identity.UserFactors(p.ctx, p.Env.ID, u.ID, identity.Page{Limit: usersPage})
	if err != nil {
		return nil, err
	}
	out.Factors = factors.Data
	return out, nil
}

// editUser changes the profile.
func (s *Site) editUser(p *signIn) (string, error) {
	field := func(name string) *string {
		text := strings.TrimSpace(p.PostForm.Get(name))
		return &text
	}
	verified := p.PostForm.Get("verified") != ""
	_, err := s.Identity.EditUser(p.ctx, p.Env.ID, identity.UserID(p.PathValue("user")), identity.UserChange{
		FirstName: field("first"), LastName: field("last"), ExternalID: field("external"), EmailVerified: &verified,
	})
	if err != nil {
		return "", err
	}
	p.Say("Saved.")
	return "", nil
}

// endSession signs a user out in one place.
func (s *Site) endSession(p *signIn) (string, error) {
	id := identity.SessionID(p.PostForm.Get("id"))
	x, err := s.Identity.Session(p.ctx, p.Env.ID, id)
	if err != nil {
		return "", err
	}
	if string(x.User) != p.PathValue("user") {
		return "", apierr.New(apierr.NotFound, "SessionNotFound", "The user has no such session.")
	}
	if err := s.Identity.RevokeSession(p.ctx, p.Env.ID, id); err != nil {
		return "", err
	}
	p.Say("The session is over. Access tokens that are out live until they expire.")
	return "", nil
}

// endSessions signs a user out everywhere.
func (s *Site) endSessions(p *signIn) (string, error) {
	n, err := s.Identity.RevokeSessionsOf(p.ctx, p.Env.ID, identity.UserID(p.PathValue("user")))
	if err != nil {
		return "", err
	}
	p.Say("%s ended.", plural(n, "session"))
	return "", nil
}

// impersonate makes the address by which the operator acts as the user, and shows it
// this once.
func (s *Site) impersonate(p *signIn) (string, error) {
	if s.Impersonate == nil {
		return "", errNoAction
	}
	link, err := s.Impersonate(p.ctx, p.Env, authflow.NewImpersonation{User: identity.UserID(p.PathValue("user")),
		Organization: identity.OrganizationID(p.PostForm.Get("organization")), Email: p.Operator.Email, Reason: p.PostForm.Get("reason")})
	if err != nil {
		return "", err
	}
	shown, err := s.showUser(p)
	if err != nil {
		return "", err
	}
	shown.(*userView).Link = link
	return "", s.shown(p.Visit, shown)
}

// deleteUser removes a user with all that is theirs.
func (s *Site) deleteUser(p *signIn) (string, error) {
	u, err := s.Identity.User(p.ctx, p.Env.ID, identity.UserID(p.PathValue("user")))
	if err != nil {
		return "", err
	}
	if err := confirm(p.Visit, u.Email); err != nil {
		return "", err
	}
	if err := s.Identity.DeleteUser(p.ctx, p.Env.ID, u.ID); err != nil {
		return "", err
	}
	p.Say("%s is gone.", u.Email)
	return p.Base() + "/users", nil
}
