package deploy

import (
	"testing"

	"github.com/lentil-dev/lentil/internal/apierr"
)

func TestStartPushRefusesAnEmptyBody(t *testing.T) {
	t.Parallel()
	_, err := newHouse(t).StartPush(t.Context(), &StartPushRequest{})
	e, ok := apierr.As(err)
	if !ok || e.Kind != apierr.BadRequest || e.Code != "InvalidPush" {
		t.Errorf("got %v", err)
	}
}
