package deploy

import (
	"testing"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/value"
)

// TestPushOfAnotherVersion: a push that another version left behind does not stand in the way.
func TestPushOfAnotherVersion(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var old value.ID
	if _, err := h.DB.Update(t.Context(), func(tx *database.Tx) (err error) {
		old, err = tx.Insert(t.Context(), pushTable, value.ObjectOf(
			value.Field{Name: "state", Value: value.String(started)}, value.Field{Name: "push", Value: value.String(`{"modules":[]}`)}))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	_, err := h.finish(&StartPushResponse{SchemaChange: SchemaChange{SchemaIDs: map[string]string{"": old.String()}}})
	h.refused(err, "RaceDetected", "overwritten")
	h.push(bundleOf(module("messages.js", messages)))
	if got := h.run("messages:list", "{}"); got != "[]" {
		t.Errorf("%s", got)
	}
	if err := h.DB.View(t.Context(), func(tx *database.Tx) error {
		d, err := tx.Get(t.Context(), old)
		if d != nil {
			t.Error("the old push is still there")
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}
