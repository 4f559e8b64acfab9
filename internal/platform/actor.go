package platform

import (
	"context"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// Actor is on whose behalf a call of the control plane happens, and how far their
// credential reaches.
type Actor struct {
	// Operator is who it is; for keys, who made them, and nil if they are gone.
	Operator *Operator
	// Credential is what they came with; nil for the house token.
	Credential *Credential
	// AdminOf is the deployment whose derived admin key they came with; "" otherwise.
	AdminOf string
}

// Errors of callers who may not.
var (
	errUnknownToken = apierr.New(apierr.Unauthenticated, "InvalidAccessToken",
		"The access token or deploy key is not known to this house, or was revoked. Sign in again with: npx convex login")
	errNotAllowed = apierr.New(apierr.Forbidden, "NotAllowed", "Your role in this team does not allow that. Ask one of its administrators.")
)

// Authenticate finds out who a token or key belongs to: the house token, an
// operator's token, a project's, preview's or deployment's key, or a deployment's
// own admin key.
func (s *Service) Authenticate(ctx context.Context, text string) (*Actor, error) {
	if s.isHouseToken(text) {
		o, err := s.Owner(ctx)
		if err != nil {
			return nil, err
		}
		return &Actor{Operator: o}, nil
	}
	c, err := s.lookUp(ctx, text)
	if err != nil {
		return nil, err
	}
	if c == nil || c.Kind == LinkToken {
		return s.byAdminKey(ctx, text)
	}
	a := &Actor{Credential: c}
	o, err := s.Operator(ctx, c.Operator)
	switch {
	case err == nil:
		a.Operator = o
	case apierr.KindOf(err) != apierr.NotFound:
		return nil, err
	case c.Kind == PersonalToken || c.Kind == SessionToken:
		return nil, errUnknownToken
	}
	return a, nil
}

// byAdminKey accepts a deployment's derived admin key, with or without a prefix.
func (s *Service) byAdminKey(ctx context.Context, text string) (*Actor, error) {
	key := strings.TrimPrefix(strings.TrimPrefix(text, "dev:"), "prod:")
	name, _, ok := strings.Cut(key, "|")
	if !ok || !ValidName(name) || s.Fleet == nil {
		return nil, errUnknownToken
	}
	if _, err := s.Deployment(ctx, name); err != nil {
		if apierr.KindOf(err) == apierr.NotFound {
			return nil, errUnknownToken
		}
		return nil, err
	}
	if err := s.Fleet.CheckAdminKey(name, key); err != nil {
		return nil, errUnknownToken
	}
	return &Actor{AdminOf: name}, nil
}

// deployment is the one deployment that the actor's credential is limited to.
func (a *Actor) deployment() string {
	if a.AdminOf != "" {
		return a.AdminOf
	}
	if a.Credential != nil && a.Credential.Kind == DeployKey {
		return a.Credential.Deployment
	}
	return ""
}

// project is the one project that the actor's credential is limited to; 0 for none.
func (a *Actor) project() int64 {
	if a.Credential != nil && (a.Credential.Kind == ProjectKey || a.Credential.Kind == PreviewKey) {
		return a.Credential.Project
	}
	return 0
}

// Person says whether the actor is an operator rather than a key.
func (a *Actor) Person() bool { return a.deployment() == "" && a.project() == 0 }

// MayTeam refuses an actor who has not the role in the team. Keys are nobody there.
func (s *Service) MayTeam(ctx context.Context, a *Actor, team int64, need Role) error {
	if !a.Person() {
		return errNotAllowed
	}
	have, err := s.RoleIn(ctx, team, a.Operator)
	if err != nil {
		return err
	}
	if !have.Includes(need) {
		if have == "" {
			return notFound("TeamNotFound", "There is no team %d, or you are not in it.", team)
		}
		return errNotAllowed
	}
	return nil
}

// previews says whether the actor's key is for making previews and nothing else.
func (a *Actor) previews() bool { return a.Credential != nil && a.Credential.Kind == PreviewKey }

// MayProject refuses an actor who has not the role in the project's team, or whose
// key is another project's. A project's key is a developer's; one for previews sees
// the project, and may what MayPreview and MayDeployment let it.
func (s *Service) MayProject(ctx context.Context, a *Actor, p *Project, need Role) error {
	if own := a.project(); own != 0 {
		reach := Developer
		if a.previews() {
			reach = Viewer
		}
		if own != p.ID || !reach.Includes(need) {
			return errNotAllowed
		}
		return nil
	}
	if name := a.deployment(); name != "" {
		d, err := s.Deployment(ctx, name)
		if err != nil {
			return err
		}
		if d.Project != p.ID || !Viewer.Includes(need) {
			return errNotAllowed
		}
		return nil
	}
	return s.MayTeam(ctx, a, p.Team, need)
}

// MayPreview refuses an actor who may not make previews of a project.
func (s *Service) MayPreview(ctx context.Context, a *Actor, p *Project) error {
	need := Developer
	if a.previews() {
		need = Viewer
	}
	return s.MayProject(ctx, a, p, need)
}

// MayDeployment refuses an actor who has not the role for a deployment. A
// deployment's own key may everything there; a preview key, previews alone.
func (s *Service) MayDeployment(ctx context.Context, a *Actor, d *Deployment, need Role) error {
	if name := a.deployment(); name != "" {
		if name != d.Name {
			return errNotAllowed
		}
		return nil
	}
	p, err := s.Project(ctx, d.Project)
	if err != nil {
		return err
	}
	if a.previews() {
		if d.Kind != Preview || d.Project != a.project() || !Developer.Includes(need) {
			return errNotAllowed
		}
		return nil
	}
	return s.MayProject(ctx, a, p, need)
}

// TeamsOf lists the teams that an actor may see.
func (s *Service) TeamsOf(ctx context.Context, a *Actor) ([]Team, error) {
	all, err := s.Teams(ctx)
	if err != nil {
		return nil, err
	}
	var only int64
	if name := a.deployment(); name != "" {
		d, err := s.Deployment(ctx, name)
		if err != nil {
			return nil, err
		}
		only = d.Project
	} else {
		only = a.project()
	}
	if only != 0 {
		p, err := s.Project(ctx, only)
		if err != nil {
			return nil, err
		}
		only = p.Team
	}
	var list []Team
	for _, t := range all {
		if !a.Person() {
			if t.ID == only {
				list = append(list, t)
			}
			continue
		}
		if role, err := s.RoleIn(ctx, t.ID, a.Operator); err != nil {
			return nil, err
		} else if role != "" {
			list = append(list, t)
		}
	}
	return list, nil
}
