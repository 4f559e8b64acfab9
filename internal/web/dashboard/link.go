package dashboard

import (
	"context"
	"net/http"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/platform"
	"github.com/lentil-dev/lentil/internal/wire"
)

// NewLinkPath is where programs ask for a link that signs their operator in once.
const NewLinkPath = "/-/link"

// newLink makes a link for whoever holds the house token or an operator's token.
func (s *Site) newLink(w http.ResponseWriter, r *http.Request) error {
	text, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return apierr.New(apierr.Unauthenticated, "TokenMissing", "Send an access token of this house as Authorization: Bearer.")
	}
	a, err := s.Platform.Authenticate(r.Context(), text)
	if err != nil {
		return err
	}
	if !a.Person() || a.Operator == nil {
		return apierr.New(apierr.Forbidden, "NotAllowed", "A key of a project or deployment signs nobody in; use an operator's access token.")
	}
	link, err := s.link(r.Context(), a.Operator.ID)
	if err != nil {
		return err
	}
	return wire.WriteJSON(w, map[string]string{"url": link})
}

// link makes a link that signs an operator in once.
func (s *Site) link(ctx context.Context, id platform.OperatorID) (string, error) {
	_, text, err := s.Platform.CreateCredential(ctx, platform.NewCredential{Kind: platform.LinkToken, Name: "Link to the dashboard", Operator: id})
	return s.BaseURL + LinkPath + text, err
}

// FirstLink makes a link for the owner of a house to whose dashboard the owner has
// not signed in; "" for others.
func (s *Site) FirstLink(ctx context.Context) (string, error) {
	o, err := s.Platform.Owner(ctx)
	if err != nil {
		return "", err
	}
	list, err := s.Platform.Credentials(ctx, o.ID)
	if err != nil {
		return "", err
	}
	for _, c := range list {
		if c.Kind == platform.SessionToken {
			return "", nil
		}
	}
	return s.link(ctx, o.ID)
}
