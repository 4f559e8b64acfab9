package dashboard

import (
	"strings"

	"github.com/lentil-dev/lentil/internal/identity"
)

// methodsView says by which methods people sign in.
type methodsView struct{ *signIn }

func (methodsView) template() string { return "workos-methods" }
func (methodsView) heading() string  { return "Methods" }

// showMethods shows the methods.
func (s *Site) showMethods(p *signIn) (view, error) { return &methodsView{p}, nil }

// setMethods changes them; the room refuses what would lock everybody out.
func (s *Site) setMethods(p *signIn) (string, error) {
	on := func(name string) bool { return p.PostForm.Get(name) != "" }
	_, err := s.Identity.ChangeSettings(p.ctx, p.Env.ID, func(st *identity.Settings) {
		st.SignIn.NoPassword, st.SignIn.NoMagicCode, st.SignIn.Passkeys = !on("password"), !on("code"), on("passkeys")
		st.SignUpDisabled, st.MFA = !on("signup"), identity.MFAPolicy(p.PostForm.Get("mfa"))
	})
	if err != nil {
		return "", err
	}
	p.Say("Saved.")
	return "", nil
}

// brandingView is how the hosted pages look.
type brandingView struct {
	*signIn
	Branding *identity.Branding
}

func (brandingView) template() string { return "workos-branding" }
func (brandingView) heading() string  { return "Branding" }

// showBranding shows name and colours.
func (s *Site) showBranding(p *signIn) (view, error) {
	out := &brandingView{signIn: p}
	err := s.Identity.View(p.ctx, func(tx *identity.Tx) (err error) {
		out.Branding, err = tx.Branding(p.Env.ID)
		return err
	})
	return out, err
}

// setBranding changes them.
func (s *Site) setBranding(p *signIn) (string, error) {
	field := func(name string) *string {
		text := strings.TrimSpace(p.PostForm.Get(name))
		return &text
	}
	_, err := s.Identity.ChangeBranding(p.ctx, p.Env.ID, identity.BrandingChange{Name: field("name"), AccentLight: field("light"), AccentDark: field("dark")})
	if err != nil {
		return "", err
	}
	p.Say("Saved. The sign-in pages look so from now on.")
	return "", nil
}

// rolesView lists the environment's roles and permissions.
type rolesView struct {
	*signIn
	Roles       []identity.Role
	Permissions []identity.Permission
}

func (rolesView) template() string { return "workos-roles" }
func (rolesView) heading() string  { return "Roles and permissions" }

// showRoles lists them.
func (s *Site) showRoles(p *signIn) (view, error) {
	out := &rolesView{signIn: p}
	l, err := s.Identity.Permissions(p.ctx, p.Env.ID, identity.Page{Limit: listed, Order: identity.OldestFirst})
	if err != nil {
		return nil, err
	}
	out.Permissions = l.Data
	err = s.Identity.View(p.ctx, func(tx *identity.Tx) (err error) {
		out.Roles, err = tx.Roles(p.Env.ID, "")
		return err
	})
	return out, err
}

// createRole makes a role.
func (s *Site) createRole(p *signIn) (string, error) {
	err := s.Identity.Update(p.ctx, func(tx *identity.Tx) error {
		_, err := tx.CreateRole(p.Env.ID, "", identity.NewRole{Slug: strings.TrimSpace(p.PostForm.Get("slug")), Name: strings.TrimSpace(p.PostForm.Get("name"))})
		return err
	})
	if err != nil {
		return "", err
	}
	p.Say("The role is there.")
	return "", nil
}

// setRole says what a role permits.
func (s *Site) setRole(p *signIn) (string, error) {
	err := s.Identity.Update(p.ctx, func(tx *identity.Tx) error {
		_, err := tx.UpdateRole(p.Env.ID, "", p.PostForm.Get("slug"), func(r *identity.Role) { r.Permissions = p.PostForm["permission"] })
		return err
	})
	if err != nil {
		return "", err
	}
	p.Say("Saved; tokens say so from the next renewal on.")
	return "", nil
}

// deleteRole removes a role.
func (s *Site) deleteRole(p *signIn) (string, error) {
	err := s.Identity.Update(p.ctx, func(tx *identity.Tx) error { return tx.DeleteRole(p.Env.ID, "", p.PostForm.Get("slug")) })
	if err != nil {
		return "", err
	}
	p.Say("Removed.")
	return "", nil
}

// createPermission makes a permission.
func (s *Site) createPermission(p *signIn) (string, error) {
	err := s.Identity.Update(p.ctx, func(tx *identity.Tx) error {
		_, err := tx.CreatePermission(p.Env.ID, identity.NewPermission{Slug: strings.TrimSpace(p.PostForm.Get("slug")), Name: strings.TrimSpace(p.PostForm.Get("name"))})
		return err
	})
	if err != nil {
		return "", err
	}
	p.Say("The permission is there.")
	return "", nil
}
