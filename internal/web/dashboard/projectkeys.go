package dashboard

import (
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/platform"
)

// createProjectKey makes a key for a whole project, or for making its previews, and
// shows its text, this once.
func (s *Site) createProjectKey(v *Visit) (string, error) {
	name, kind := strings.TrimSpace(v.PostForm.Get("name")), platform.CredentialKind(v.PostForm.Get("kind"))
	if name == "" || len(name) > maxTokenName {
		return "", apierr.New(apierr.BadRequest, "InvalidName", "The name of a key has 1 to %d bytes; say what it is for.", maxTokenName)
	}
	if kind != platform.ProjectKey && kind != platform.PreviewKey {
		return "", apierr.New(apierr.BadRequest, "InvalidCredentialKind", "A key of a project is for the whole project, or for previews.")
	}
	_, text, err := s.Platform.CreateCredential(v.Context(), platform.NewCredential{Kind: kind, Name: name, Project: v.Project.ID, Operator: v.Operator.ID})
	if err != nil {
		return "", err
	}
	shown, err := s.showProject(v)
	if err != nil {
		return "", err
	}
	shown.(*projectView).Fresh = text
	return "", s.shown(v, shown)
}

// revokeProjectKey ends one.
func (s *Site) revokeProjectKey(v *Visit) (string, error) {
	c, err := s.Platform.Credential(v.Context(), v.PostForm.Get("id"))
	if err != nil {
		return "", err
	}
	if c.Kind != platform.ProjectKey && c.Kind != platform.PreviewKey || c.Project != v.Project.ID {
		return "", apierr.New(apierr.NotFound, "CredentialNotFound", "There is no such token or key.")
	}
	if err := s.Platform.RevokeCredential(v.Context(), c.ID); err != nil {
		return "", err
	}
	v.Say("The key %s is revoked.", c.Name)
	return "", nil
}

// setDefault sets a variable that new deployments of the project begin with, or
// takes it away.
func (s *Site) setDefault(v *Visit) (string, error) {
	name, val := strings.TrimSpace(v.PostForm.Get("name")), v.PostForm.Get("value")
	if v.PostForm.Has("remove") {
		v.Say("New deployments do not get %s any more.", name)
		return "", s.Platform.SetDefaultVariable(v.Context(), v.Project.ID, name, nil, nil)
	}
	if name == "" || len(name) > 40 || strings.ContainsFunc(name, func(r rune) bool {
		return r != '_' && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (r < '0' || r > '9')
	}) || name[0] >= '0' && name[0] <= '9' {
		return "", apierr.New(apierr.BadRequest, "InvalidVariableName", "%q cannot name a variable: use letters, digits and underscores, 40 at most, and begin with a letter.", clipText(name, 60))
	}
	var kinds []platform.Kind
	for _, k := range v.PostForm["kind"] {
		switch kind := platform.Kind(k); kind {
		case platform.Dev, platform.Prod, platform.Preview:
			kinds = append(kinds, kind)
		}
	}
	if len(kinds) == 0 {
		return "", apierr.New(apierr.BadRequest, "NoKinds", "Choose which deployments begin with the variable.")
	}
	if err := s.Platform.SetDefaultVariable(v.Context(), v.Project.ID, name, &val, kinds); err != nil {
		return "", err
	}
	v.Say("New deployments begin with %s.", name)
	return "", nil
}
