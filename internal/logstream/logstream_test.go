package logstream

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/isolate"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/udf"
)

// newService opens one over memory.
func newService(t *testing.T) *Service {
	t.Helper()
	db, err := database.Open(t.Context(), database.Options{Store: persistence.NewMemory()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	log := slog.New(slog.DiscardHandler)
	r := &udf.Runner{DB: db, Engine: new(isolate.Engine), Sealer: token.NewSealer([]byte("0123456789abcdef")), Log: log}
	if err := r.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	s := &Service{Name: "soup", DB: db, Logs: r.Logs(), Log: log}
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// received is a request that a receiver got.
type received struct{ body, signature string }

// TestWebhookGetsSignedEvents sets a stream up, whose receiver fails at first.
func TestWebhookGetsSignedEvents(t *testing.T) {
	t.Parallel()
	s := newService(t)
	got := make(chan received, 10)
	failed := false
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if !failed {
			failed = true
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		got <- received{string(b), r.Header.Get("x-webhook-signature")}
	}))
	defer receiver.Close()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	format := formatJSON
	st, err := s.Create(ctx, Options{URL: &receiver.URL, Format: &format})
	if err != nil {
		t.Fatal(err)
	}
	r := <-got
	var list []struct{ Topic, Message string }
	if err := json.Unmarshal([]byte(r.body), &list); err != nil || len(list) != 1 || list[0].Topic != "verification" {
		t.Errorf("first came %s", r.body)
	}
	if r.signature != Sign(st.Secret, []byte(r.body)) || !strings.HasPrefix(r.signature, "sha256=") {
		t.Errorf("signature %s", r.signature)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestWhatWaitsOutlivesAChange has streams change while a batch is on its way: another one
// is set up, or this one is seen to work for the first time.
func TestWhatWaitsOutlivesAChange(t *testing.T) {
	t.Parallel()
	s := newService(t)
	changed, got := make(chan struct{}), make(chan string, 10)
	first := true
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if first {
			first = false
			close(changed)
			<-r.Context().Done()
			return
		}
		got <- string(b)
	}))
	defer receiver.Close()
	format := formatJSONL
	st, err := s.Create(t.Context(), Options{URL: &receiver.URL, Format: &format})
	if err != nil {
		t.Fatal(err)
	}
	st.State = "active"
	q := &queue{wake: make(chan struct{}, 1)}
	q.add([]event{{topicConsole, json.RawMessage("1")}, {topicConsole, json.RawMessage("2")}}, nil)
	queues := map[string]*queue{st.ID: q, "deleted": {}}
	since := s.send(t.Context(), []*Stream{st}, queues, 7, changed)
	q.add([]event{{topicConsole, json.RawMessage("3")}}, nil)
	if since != 7 || len(queues) != 1 {
		t.Errorf("since %d, %d queues", since, len(queues))
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.send(ctx, []*Stream{st}, queues, since, nil) }()
	if body := <-got; body != "1\n2\n3" {
		t.Errorf("then came %q", body)
	}
	stop()
	<-done
}

func TestVerificationComesFirstAndOnce(t *testing.T) {
	t.Parallel()
	q := &queue{wake: make(chan struct{}, 1)}
	q.add([]event{{topicConsole, nil}}, nil)
	for range 2 {
		q.verify(event{topicVerify, nil})
	}
	batch, _ := q.take()
	q.untake(batch, 0)
	q.verify(event{topicVerify, nil})
	if len(q.list) != 2 || q.list[0].topic != topicVerify {
		t.Errorf("%+v", q.list)
	}
}

// TestBeginning: what happens after a stream was made is for it, however late that is seen.
func TestBeginning(t *testing.T) {
	t.Parallel()
	ahead := float64(time.Now().Add(time.Hour).UnixMilli()) // the clock was set back since
	for _, tt := range []struct{ since, created, want float64 }{{10, 1000.5, 999}, {5000, 1000.5, 5000}, {10, ahead, -1}} {
		before := time.Now().UnixMilli()
		got := beginning([]*Stream{{created: ahead}, {created: tt.created}}, int64(tt.since))
		if tt.want >= 0 && got != int64(tt.want) || tt.want < 0 && (got < before || got > time.Now().UnixMilli()) {
			t.Errorf("%+v: %d", tt, got)
		}
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	s := &Service{Name: "soup"}
	failure, path := "it broke", "mail"
	e := &udf.LogEntry{
		Kind: "Completion", UDFType: "Mutation", Identifier: "a:b", ComponentPath: &path, Timestamp: 2.5, RequestID: "r", ExecutionID: "x",
		LogLines:   []udf.LogLine{{Messages: []string{"'one'", "2"}, Level: "WARN", Timestamp: 2400}},
		Completion: &udf.Completion{ExecutionTime: 0.25, Error: &failure, OCCInfo: &udf.OCCInfo{TableName: "t", RetryCount: 2}, UsageStats: udf.UsageStats{DatabaseReadBytes: 7}},
	}
	list := s.eventsOf(e)
	if len(list) != 2 || list[0].topic != topicConsole || list[1].topic != topicExecution {
		t.Fatalf("%d events", len(list))
	}
	want := `{"topic":"console","timestamp":2400,"convex":{"deployment_name":"soup"},"function":{"type":"mutation","path":"a:b","component_path":"mail","request_id":"r"},"log_level":"WARN","message":"'one' 2","is_truncated":false}`
	if got := string(list[0].body); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	for _, part := range []string{`"execution_time_ms":250`, `"status":"failure"`, `"error_message":"it broke"`, `"occ_info":{"table_name":"t","retry_count":2}`, `"database_read_bytes":7`, `"timestamp":2500`} {
		if !strings.Contains(string(list[1].body), part) {
			t.Errorf("%s lacks %s", list[1].body, part)
		}
	}
	if got := string(encode(formatJSONL, list)); strings.Count(got, "\n") != 1 {
		t.Errorf("lines %s", got)
	}
}

func TestQueueLosesTheOldest(t *testing.T) {
	t.Parallel()
	q := &queue{wake: make(chan struct{}, 1)}
	for range maxQueue + 5 {
		q.add([]event{{topic: topicConsole}, {topic: "other"}}, []string{topicConsole})
	}
	if batch, lost := q.take(); len(batch) != maxBatch || lost != 5 {
		t.Errorf("%d events, %d lost", len(batch), lost)
	}
}

func TestStreamsAreChecked(t *testing.T) {
	t.Parallel()
	s := newService(t)
	good, format := "http://example.test/x", formatJSONL
	for _, c := range []struct {
		url, format string
		topics      []string
		code        string
	}{
		{"ftp://x", formatJSON, nil, "InvalidWebhookUrl"}, {"x", formatJSON, nil, "InvalidWebhookUrl"}, {good, "xml", nil, "InvalidWebhookFormat"}, {good, formatJSON, []string{"x"}, "InvalidLogTopic"},
	} {
		_, err := s.Create(t.Context(), Options{URL: &c.url, Format: &c.format, Topics: &c.topics})
		if e, ok := apierr.As(err); !ok || e.Code != c.code {
			t.Errorf("%+v: %v", c, err)
		}
	}
	st, err := s.Create(t.Context(), Options{URL: &good, Format: &format})
	if err != nil {
		t.Fatal(err)
	}
	turned, err := s.Rotate(t.Context(), st.ID)
	if err != nil || turned.Secret == st.Secret {
		t.Errorf("rotated to %+v, %v", turned, err)
	}
	only := []string{topicConsole}
	if err := s.Update(t.Context(), st.ID, Options{Topics: &only}); err != nil {
		t.Error(err)
	}
	if now, err := s.Get(t.Context(), st.ID); err != nil || len(now.Topics) != 1 || now.URL != good || now.Secret != turned.Secret {
		t.Errorf("stream %+v, %v", now, err)
	}
	if err := s.Delete(t.Context(), st.ID); err != nil {
		t.Error(err)
	}
	if err := s.Delete(t.Context(), st.ID); apierr.KindOf(err) != apierr.NotFound {
		t.Errorf("deleted twice: %v", err)
	}
}
