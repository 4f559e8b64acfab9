package apierr_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/lentil-dev/lentil/internal/apierr"
)

func TestErrorKeepsCauseFromTheMessage(t *testing.T) {
	t.Parallel()
	e := apierr.New(apierr.NotFound, "UnknownThing", "There is no thing %q.", "x").Wrap(io.EOF)
	wrapped := fmt.Errorf("room: find thing: %w", e)
	got, ok := apierr.As(wrapped)
	if !ok || got.Message != `There is no thing "x".` || got.Code != "UnknownThing" {
		t.Fatalf("As = %+v, %v", got, ok)
	}
	if !errors.Is(wrapped, io.EOF) {
		t.Error("the cause is lost")
	}
	if k := apierr.KindOf(wrapped); k != apierr.NotFound {
		t.Errorf("KindOf = %v", k)
	}
	if k := apierr.KindOf(io.EOF); k != apierr.Internal {
		t.Errorf("KindOf of a foreign error = %v", k)
	}
}

func TestNewTakesPercentSignsAsTheyAreWithoutArguments(t *testing.T) {
	t.Parallel()
	if m := apierr.New(apierr.BadRequest, "X", "100%").Message; m != "100%" {
		t.Errorf("message = %q", m)
	}
}
