package convex

import (
	"encoding/json"
	"testing"
)

// TestAPlaceIsKeptUntilTheDeploymentHasAnswered: it ends the session of a client that has
// more mutations under way than it takes, whether or not somebody waits for them.
func TestAPlaceIsKeptUntilTheDeploymentHasAnswered(t *testing.T) {
	t.Parallel()
	var s state
	s.init()
	free := map[string]bool{}
	add := func(name string, kind requestKind) *request {
		t.Helper()
		r, err := s.addRequest(kind, "a:b", json.RawMessage("{}"), func() { free[name] = true })
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	unsent := add("unsent", kindMutation)
	s.abandon(unsent)
	if !free["unsent"] {
		t.Error("a mutation that was never sent has a place")
	}
	s.opening(message{Type: "Connect"}, nil)
	sent, action := add("sent", kindMutation), add("action", kindAction)
	s.abandon(sent)
	s.abandon(action)
	if free["sent"] || !free["action"] {
		t.Errorf("whose callers have gone: %v", free)
	}
	s.lost()
	s.opening(message{Type: "Connect"}, nil)
	ts := timestamp(7)
	s.respond(&answer{Type: "MutationResponse", RequestID: sent.id, Success: true, TS: &ts})
	s.transition(&answer{Type: "Transition", End: version{QuerySet: 1, TS: 7}})
	if !free["sent"] {
		t.Error("an answered mutation keeps its place")
	}
}
