package deploy

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
)

// TestStagedValidatorFollowsTheDocuments: it is checked in the background, becomes
// invalid with the write that does not match, and valid again when that is mended.
func TestStagedValidatorFollowsTheDocuments(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for i := range 2*walkBatch + 7 {
		h.insert("messages", fmt.Sprintf(`{"author":"a%d"}`, i))
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Service.Run(ctx) }()
	defer func() { stop(); <-done }()
	// until waits for the only staged validator to be as wanted.
	until := func(state string) (st udf.Staged) {
		t.Helper()
		for {
			tx, list, err := h.staged(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(list) == 1 && list[0].State == state {
				return list[0]
			}
			sub := h.DB.Subscribe(tx.Reads(), tx.Snapshot())
			<-sub.Done()
			sub.Close()
		}
	}
	staged := func(validator string) *StartPushRequest {
		tables := strings.Replace(table("messages", anything), `"documentType"`, `"stagedDocumentType":`+validator+`,"documentType"`, 1)
		return bundleOf(module("messages.js", messages)).withSchema(tables)
	}
	h.push(staged(withAuthor))
	until(udf.StagedValid)
	h.run("messages:send", `{"author":"ada"}`)
	until(udf.StagedValid)
	if got := h.run("messages:send", `{"autor":"eve"}`); strings.Contains(got, "match") {
		t.Fatalf("a staged validator was enforced: %s", got)
	}
	if st := until(udf.StagedInvalid); st.Document != "" || !strings.Contains(st.Failure, "missing the required field `author`") {
		t.Errorf("%+v", st)
	}
	// Pushed again it is looked at again, and the document found.
	h.push(staged(withAuthor))
	st := until(udf.StagedInvalid)
	if st.Document == "" {
		t.Fatalf("the document was not found: %+v", st)
	}
	h.retryStaged(t.Context(), st)
	if again := until(udf.StagedInvalid); again.Document != st.Document {
		t.Errorf("looked at again: %+v", again)
	}
	if _, err := h.DB.Update(t.Context(), func(tx *database.Tx) error {
		id, err := value.ParseID(st.Document)
		if err != nil {
			return err
		}
		return tx.Delete(t.Context(), id)
	}); err != nil {
		t.Fatal(err)
	}
	h.retryStaged(t.Context(), st)
	until(udf.StagedValid)
	h.push(bundleOf(module("messages.js", messages)).withSchema(table("messages", anything)))
	if _, list, err := h.staged(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("left: %+v, %v", list, err)
	}
}
