package dashboard

import (
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// apiKeysView lists the environment's keys.
type apiKeysView struct {
	*signIn
	Keys  []identity.APIKey
	Fresh string // the text of one that was made just now, shown this once
}

func (apiKeysView) template() string { return "workos-api-keys" }
func (apiKeysView) heading() string  { return "API keys" }

// showAPIKeys lists the keys.
func (s *Site) showAPIKeys(p *signIn) (view, error) {
	keys, err := s.Identity.APIKeys(p.ctx, p.Env.ID)
	return &apiKeysView{signIn: p, Keys: keys}, err
}

// createAPIKey makes a key and shows it this once.
func (s *Site) createAPIKey(p *signIn) (string, error) {
	name := strings.TrimSpace(p.PostForm.Get("name"))
	if name == "" {
		name = "Made in the dashboard"
	}
	_, text, err := s.Identity.CreateAPIKey(p.ctx, p.Env.ID, name, "")
	if err != nil {
		return "", err
	}
	shown, err := s.showAPIKeys(p)
	if err != nil {
		return "", err
	}
	shown.(*apiKeysView).Fresh = text
	return "", s.shown(p.Visit, shown)
}

// revokeAPIKey ends a key.
func (s *Site) revokeAPIKey(p *signIn) (string, error) {
	if err := s.Identity.DeleteAPIKey(p.ctx, p.Env.ID, identity.APIKeyID(p.PostForm.Get("id"))); err != nil {
		return "", err
	}
	p.Say("Revoked: programs that use it are refused from now on.")
	return "", nil
}

// templateView edits what access tokens say.
type templateView struct {
	*signIn
	Template *identity.JWTTemplate
	Issuer   string
	Audience string
}

func (templateView) template() string { return "workos-template" }
func (templateView) heading() string  { return "JWT template" }

// showTemplate shows the template, the issuer and the audience.
func (s *Site) showTemplate(p *signIn) (view, error) {
	t, err := s.Identity.JWTTemplate(p.ctx, p.Env.ID)
	if apierr.KindOf(err) == apierr.NotFound {
		t, err = &identity.JWTTemplate{}, nil
	}
	if err != nil {
		return nil, err
	}
	return &templateView{signIn: p, Template: t, Issuer: p.Env.Issuer(), Audience: p.Env.TokenAudience()}, nil
}

// setTemplate stores the template; the room checks it.
func (s *Site) setTemplate(p *signIn) (string, error) {
	if _, err := s.Identity.SetJWTTemplate(p.ctx, p.Env.ID, strings.TrimSpace(p.PostForm.Get("content"))); err != nil {
		return "", err
	}
	p.Say("Saved. Tokens that are made from now on follow it.")
	return "", nil
}

// setClaims changes issuer and audience.
func (s *Site) setClaims(p *signIn) (string, error) {
	_, err := s.Identity.ChangeSettings(p.ctx, p.Env.ID, func(st *identity.Settings) {
		st.IssuerTemplate, st.Audience = strings.TrimSpace(p.PostForm.Get("issuer")), identity.AudienceSetting(p.PostForm.Get("audience"))
	})
	if err != nil {
		return "", err
	}
	p.Say("Saved. Tokens that are made from now on follow it.")
	return "", nil
}
