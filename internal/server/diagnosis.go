package server

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/deployment"
	"github.com/lentil-dev/lentil/internal/diagnosis"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/udf"
)

// maxTold bounds the addresses of an environment that the doctor is told.
const maxTold = 100

// diagnose gathers what the doctor wants to know about a deployment; problems are those
// of the house that its admins may see.
func (s *Server) diagnose(ctx context.Context, d *deployment.Deployment, problems []string) (*diagnosis.Facts, error) {
	f := &diagnosis.Facts{
		Now: time.Now(), Version: s.cfg.Version, Deployment: d.Name, URL: d.CloudURL, SiteURL: d.SiteURL, AuthKitURL: s.authKitURL(),
		Siblings: []diagnosis.Sibling{}, Problems: problems,
	}
	client := ""
	err := d.DB.View(ctx, func(tx *database.Tx) error {
		env, err := udf.Environment(ctx, tx)
		if err != nil {
			return err
		}
		client = env["WORKOS_CLIENT_ID"]
		modules, err := udf.LiveModules(ctx, tx)
		for _, m := range modules {
			f.Functions += len(m.Functions)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	providers, err := d.Providers(ctx)
	if err != nil {
		return nil, err
	}
	if f.Providers, err = json.Marshal(providers); err != nil {
		return nil, err
	}
	if f.Environment, err = s.toldEnvironment(ctx, d.Name, identity.ClientID(client)); err != nil {
		return nil, err
	}
	if err := s.tellProject(ctx, f); err != nil {
		return nil, err
	}
	scopes := []string{d.Name, ""}
	if f.Environment != nil {
		scopes = append(scopes, f.Environment.ID)
	}
	f.Refusals = s.refusals.List(scopes...)
	return f, nil
}

// toldEnvironment is what the doctor is told about the environment of a client id;
// nil if it is not one of this house, or another team's.
func (s *Server) toldEnvironment(ctx context.Context, deployment string, client identity.ClientID) (*diagnosis.Environment, error) {
	if client == "" {
		return nil, nil
	}
	e, err := s.identity.EnvironmentByClient(ctx, client)
	if apierr.KindOf(err) == apierr.NotFound || apierr.KindOf(err) == apierr.BadRequest {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if sees, err := s.platform.SeesEnvironment(ctx, deployment, e); err != nil || !sees {
		return nil, err
	}
	told := &diagnosis.Environment{ID: string(e.ID), ClientID: string(e.ClientID), Kind: string(e.Kind), Issuer: e.Issuer(),
		Audience: e.TokenAudience(), Homepage: e.Settings.HomepageURL, RedirectURIs: []string{}, CORSOrigins: []string{}}
	template, err := s.identity.JWTTemplate(ctx, e.ID)
	switch {
	case err == nil && template != nil:
		told.TemplateBytes = len(template.Content)
		if told.Audience == "" && strings.Contains(template.Content, `"aud"`) {
			told.Audience = "template"
		}
	case err != nil && apierr.KindOf(err) != apierr.NotFound:
		return nil, err
	}
	redirects, err := s.identity.RedirectURIs(ctx, e.ID, identity.Page{Limit: maxTold})
	if err != nil {
		return nil, err
	}
	for _, u := range redirects.Data {
		told.RedirectURIs = append(told.RedirectURIs, u.URI)
	}
	origins, err := s.identity.CORSOrigins(ctx, e.ID, identity.Page{Limit: maxTold})
	if err != nil {
		return nil, err
	}
	for _, o := range origins.Data {
		told.CORSOrigins = append(told.CORSOrigins, o.Origin)
	}
	return told, nil
}

// tellProject adds what the control plane knows: kind, siblings, the team's
// workspace. A deployment that it does not know has none of it.
func (s *Server) tellProject(ctx context.Context, f *diagnosis.Facts) error {
	row, err := s.platform.Deployment(ctx, f.Deployment)
	if apierr.KindOf(err) == apierr.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	f.Kind = string(row.Kind)
	all, err := s.platform.DeploymentsOf(ctx, row.Project)
	if err != nil {
		return err
	}
	for _, d := range all {
		if d.Name != row.Name {
			f.Siblings = append(f.Siblings, diagnosis.Sibling{Name: d.Name, Kind: string(d.Kind), ClientID: string(d.Client)})
		}
	}
	project, err := s.platform.Project(ctx, row.Project)
	if err != nil {
		return err
	}
	w, err := s.platform.Workspace(ctx, project.Team)
	if err != nil && apierr.KindOf(err) != apierr.NotFound {
		return err
	}
	if w != nil {
		f.Workspace = diagnosis.Workspace{Linked: true, Authorized: w.Authorized, Name: w.Name}
	}
	return nil
}
