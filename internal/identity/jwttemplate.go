package identity

import (
	"context"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/token"
)

// JWTTemplate is the environment's template of claims; NotFound if there is none.
func (s *Service) JWTTemplate(ctx context.Context, id EnvironmentID) (*JWTTemplate, error) {
	e, err := s.Environment(ctx, id)
	if err != nil {
		return nil, err
	}
	if e.Settings.JWTTemplate.Content == "" {
		return nil, apierr.New(apierr.NotFound, "entity_not_found", "This environment has no JWT template.")
	}
	return &e.Settings.JWTTemplate, nil
}

// SetJWTTemplate replaces the template. Tokens that are signed from then on follow
// it; those that are out stay as they are.
func (s *Service) SetJWTTemplate(ctx context.Context, id EnvironmentID, content string) (t *JWTTemplate, err error) {
	if _, err := token.ParseTemplate(content); err != nil {
		return nil, err
	}
	err = s.Update(ctx, func(tx *Tx) error {
		f, e, err := tx.environmentBy("on_id", string(id))
		if err != nil {
			return err
		}
		t = &e.Settings.JWTTemplate
		if t.Content == "" {
			t.Created = tx.now
		}
		t.Content, t.Updated = content, tx.later(t.Updated)
		return tx.Put(f.Doc, environmentRow(e, e.sealed))
	})
	return t, err
}
