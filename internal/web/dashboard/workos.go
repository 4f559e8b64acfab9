package dashboard

import (
	"context"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/diagnosis"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/platform"
)

// signIn is a visit to a page about the deployment's identity environment.
type signIn struct {
	*Visit
	Env *identity.Environment
	ctx context.Context
}

// Production says whether real users depend on the environment.
func (p *signIn) Production() bool { return p.Env.Kind == identity.Production }

// refusedLately lists what of a kind was refused to this deployment's people, the
// newest first.
func (p *signIn) refusedLately(kind diagnosis.Kind) []diagnosis.Entry {
	if p.site.Refusals == nil {
		return nil
	}
	var list []diagnosis.Entry
	for _, e := range p.site.Refusals(p.Row) {
		if e.Kind == kind {
			list = append(list, e)
		}
	}
	return list
}

// enter finds the environment; nil if the deployment has none. What happens in it is
// recorded as the operator's doing.
func (s *Site) enter(v *Visit) (*signIn, error) {
	if v.Row.Environment == "" {
		return nil, nil
	}
	env, err := s.Identity.Environment(v.Context(), v.Row.Environment)
	if err != nil {
		return nil, err
	}
	p := &signIn{Visit: v, Env: env, ctx: identity.At(v.Context(), env)}
	if v.Operator != nil {
		a := identity.Actor{ID: string(v.Operator.ID), Source: "dashboard"}
		if v.Operator.Name != "" {
			a.Name = &v.Operator.Name
		}
		p.ctx = identity.WithActor(p.ctx, a)
	}
	return p, nil
}

// provisionView is shown in place of every page of a deployment that has no
// environment.
type provisionView struct {
	*Visit
	Workspace *platform.Workspace
}

func (provisionView) template() string { return "provision" }
func (provisionView) heading() string  { return "Sign-in" }

// inEnvironment makes a page's function of one that needs an environment.
func (s *Site) inEnvironment(show func(*signIn) (view, error)) func(*Visit) (view, error) {
	return func(v *Visit) (view, error) {
		p, err := s.enter(v)
		if err != nil {
			return nil, err
		}
		if p == nil {
			w, err := s.Platform.Workspace(v.Context(), v.Team.ID)
			return &provisionView{Visit: v, Workspace: w}, err
		}
		return show(p)
	}
}

// errNoEnvironment is the answer to an action that needs an environment.
var errNoEnvironment = apierr.New(apierr.Conflict, "NoEnvironment", "This deployment has no WorkOS environment yet. Provision one first.")

// doIn makes an action's function of one that needs an environment.
func (s *Site) doIn(do func(*signIn) (string, error)) func(*Visit) (string, error) {
	return func(v *Visit) (string, error) {
		p, err := s.enter(v)
		if err == nil && p == nil {
			err = errNoEnvironment
		}
		if err != nil {
			return "", err
		}
		return do(p)
	}
}

// provision gives the deployment its environment, and the variables by which an app
// finds it.
func (s *Site) provision(v *Visit) (string, error) {
	e, err := s.Platform.ProvisionEnvironment(v.Context(), v.Row.Name)
	if err != nil {
		return "", err
	}
	d, err := v.Open()
	if err != nil {
		return "", err
	}
	if err := d.EnsureVariables(v.Context(), e.Variables()); err != nil {
		return "", err
	}
	v.Say("The environment %s is there: WORKOS_CLIENT_ID, WORKOS_API_KEY and WORKOS_ENVIRONMENT_ID are set.", e.Name)
	return "", nil
}

// signInPages are the pages about the deployment's environment, under the headings
// that the vendor's own dashboard has.
func (s *Site) signInPages() []page {
	// What changes an environment takes a developer, in production an administrator.
	change := func(name string, do func(*signIn) (string, error)) action {
		return action{name: name, need: platform.Developer, prod: platform.Administrator, do: s.doIn(do)}
	}
	provision := action{name: "provision", need: platform.Developer, prod: platform.Administrator, do: s.provision}
	row := func(path, nav, group, icon, key string, show func(*signIn) (view, error), actions ...action) page {
		return page{path: "/d/{deployment}" + path, scope: inDeployment, show: s.inEnvironment(show), nav: nav, group: group, icon: icon, key: key, actions: append(actions, provision)}
	}
	return []page{
		{path: "/t/{team}/-/workspace", scope: inTeam, show: s.showWorkspace, actions: []action{
			{name: "provision", need: platform.Administrator, do: s.provisionWorkspace}, {name: "disconnect", need: platform.Administrator, do: s.disconnectWorkspace},
		}},
		row("/users", "Users", "People", "people", "u", s.showUsers, change("create", s.createUser)),
		row("/users/{user}", "", "", "", "", s.showUser, change("edit", s.editUser), change("end", s.endSession), change("endall", s.endSessions), change("impersonate", s.impersonate), change("delete", s.deleteUser)),
		row("/organizations", "Organizations", "People", "building", "o", s.showOrganizations, change("create", s.createOrganization)),
		row("/organizations/{organization}", "", "", "", "", s.showOrganization, change("domain", s.addDomain), change("undomain", s.deleteDomain),
			change("member", s.addMember), change("role", s.setMemberRole), change("unmember", s.removeMembership), change("delete", s.deleteOrganization)),
		row("/invitations", "Invitations", "People", "bell", "n", s.showInvitations, change("invite", s.sendInvitation), change("revoke", s.revokeInvitation)),
		row("/roles", "Roles", "People", "shield", "p", s.showRoles, change("create", s.createRole), change("permit", s.setRole), change("delete", s.deleteRole), change("permission", s.createPermission)),
		row("/methods", "Methods", "Authentication", "shield", "m", s.showMethods, change("methods", s.setMethods)),
		row("/sessions", "Sessions", "Authentication", "globe", "c", s.showSessions, change("origin", s.addOrigin), change("unorigin", s.deleteOrigin), change("times", s.setTimes)),
		row("/redirects", "Redirects", "Authentication", "link", "r", s.showRedirects, change("uri", s.addRedirect), change("unuri", s.deleteRedirect), change("home", s.setHomepage), change("begin", s.setInitiateLogin)),
		row("/jwt-template", "JWT template", "Authentication", "pencil", "j", s.showTemplate, change("template", s.setTemplate), change("claims", s.setClaims)),
		row("/branding", "Branding", "Authentication", "brush", "a", s.showBranding, change("branding", s.setBranding)),
		row("/api-keys", "API keys", "Developer", "key", "k", s.showAPIKeys, change("create", s.createAPIKey), change("revoke", s.revokeAPIKey)),
		row("/mail", "Mail", "Developer", "mail", "x", s.showOutbox),
		row("/events", "Events", "Developer", "logs", "e", s.showEvents),
		row("/webhooks", "Webhooks", "Developer", "flag", "w", s.showWebhooks, change("endpoint", s.addEndpoint), change("switch", s.switchEndpoint),
			change("unendpoint", s.deleteEndpoint), change("test", s.testEndpoint), change("replay", s.replayDelivery)),
	}
}
