package convex

import (
	"encoding/json"
	"testing"
)

// FuzzTake feeds a client what a deployment might say.
func FuzzTake(f *testing.F) {
	for _, seed := range []string{
		`{"type":"Transition","startVersion":{"querySet":0,"identity":0,"ts":"AAAAAAAAAAA="},"endVersion":{"querySet":1,"identity":0,"ts":"AQAAAAAAAAA="},"modifications":[{"type":"QueryUpdated","queryId":0,"value":{"$integer":"AQAAAAAAAAA="},"logLines":[],"journal":null}]}`,
		`{"type":"MutationResponse","requestId":0,"success":true,"result":1,"ts":"AQAAAAAAAAA=","logLines":[]}`,
		`{"type":"ActionResponse","requestId":1,"success":false,"result":"no","logLines":[],"errorData":{"a":1}}`,
		`{"type":"TransitionChunk","chunk":"{}","partNumber":0,"totalParts":1}`,
		`{"type":"FatalError","error":"x"}`, `{"type":"AuthError","error":"x","baseVersion":1}`, `{}`, `{"modifications":[null]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := New("http://127.0.0.1", Options{})
		if err != nil {
			t.Fatal(err)
		}
		sub := &Subscription{c: c, news: make(chan struct{}, 1)}
		sub.q = c.addSubscription("a:b", json.RawMessage("{}"), sub)
		for _, kind := range []requestKind{kindMutation, kindAction} {
			if _, err := c.addRequest(kind, "a:b", json.RawMessage("{}"), func() {}); err != nil {
				t.Fatal(err)
			}
		}
		c.opening(message{Type: "Connect"}, nil)
		var a answer
		if json.Unmarshal(b, &a) != nil {
			return
		}
		var parts chunks
		if a.Type == "TransitionChunk" {
			_, _ = parts.add(&a)
			return
		}
		_ = c.take(&a)
		if q := c.queries[0]; q.number > 0 && q.err == nil {
			_, _ = plain(q.value)
		}
		if list := len(c.requests); list > 2 || a.Type == "Transition" && a.Start != (version{}) && c.at != (version{}) {
			t.Errorf("%d requests, at %+v after %s", list, c.at, b)
		}
	})
}
