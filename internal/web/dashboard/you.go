package dashboard

import (
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/platform"
)

// youView is the operator's own page: sessions and personal access tokens.
type youView struct {
	*Visit
	Sessions, Tokens []platform.Credential
	// Fresh is the text of a token that was made just now; it is never shown again.
	Fresh string
}

func (youView) template() string { return "you" }
func (youView) heading() string  { return "Sessions and tokens" }

// showYou lists what the operator is signed in with.
func (s *Site) showYou(v *Visit) (view, error) {
	list, err := s.Platform.Credentials(v.Context(), v.Operator.ID)
	if err != nil {
		return nil, err
	}
	out := &youView{Visit: v}
	for _, c := range list {
		switch c.Kind {
		case platform.SessionToken:
			out.Sessions = append(out.Sessions, c)
		case platform.PersonalToken:
			out.Tokens = append(out.Tokens, c)
		}
	}
	return out, nil
}

// Mine says whether a credential is the one of this session.
func (v youView) Mine(id string) bool { return v.Actor.Credential.ID == id }

// maxTokenName bounds the names of tokens, in bytes.
const maxTokenName = 100

// createToken makes a personal access token and shows its text once, in the answer to
// the form itself: it is kept nowhere.
func (s *Site) createToken(v *Visit) (string, error) {
	name := strings.TrimSpace(v.PostForm.Get("name"))
	if name == "" || len(name) > maxTokenName {
		return "", apierr.New(apierr.BadRequest, "InvalidName", "The name of a token has 1 to %d bytes; say what it is for.", maxTokenName)
	}
	_, text, err := s.Platform.CreateCredential(v.Context(), platform.NewCredential{Kind: platform.PersonalToken, Name: name, Operator: v.Operator.ID})
	if err != nil {
		return "", err
	}
	shown, err := s.showYou(v)
	if err != nil {
		return "", err
	}
	shown.(*youView).Fresh = text
	if err := s.printPage(v, shown, 200); err != nil {
		return "", err
	}
	return "", errDone
}

// revokeMine ends one of the operator's own sessions or tokens.
func (s *Site) revokeMine(v *Visit) (string, error) {
	id := v.PostForm.Get("id")
	c, err := s.Platform.Credential(v.Context(), id)
	if err != nil {
		return "", err
	}
	if c.Operator != v.Operator.ID || c.Kind != platform.SessionToken && c.Kind != platform.PersonalToken {
		return "", apierr.New(apierr.NotFound, "CredentialNotFound", "There is no such token or key.")
	}
	if err := s.Platform.RevokeCredential(v.Context(), id); err != nil {
		return "", err
	}
	v.Say("%s is revoked.", c.Name)
	return "", nil
}
