package logstream

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Bounds of sending.
const (
	maxQueue   = 10_000           // events of one stream that wait; when full the oldest go
	maxBatch   = 500              // events of one request
	tries      = 5                // of one batch
	firstWait  = time.Second      // before the second try; it doubles
	deadline   = 15 * time.Second // of one try
	readWait   = 30 * time.Second
	restAfter  = 5 * time.Second // a fault of ours
	maxMessage = 200             // of what a receiver answered
)

// Run sends events until ctx ends. While no stream is set up it only watches for one.
func (s *Service) Run(ctx context.Context) error {
	since := time.Now().UnixMilli()
	queues := map[string]*queue{} // by stream; what waits there outlives a change of any stream
	for ctx.Err() == nil {
		tx, err := s.DB.Begin(ctx)
		var all []*Stream
		if err == nil {
			all, err = list(ctx, tx)
		}
		if err != nil {
			s.Log.Error("log streams not read", "err", err)
			select {
			case <-ctx.Done():
			case <-time.After(restAfter):
			}
			continue
		}
		sub := s.DB.Subscribe(tx.Reads(), tx.Snapshot())
		if len(all) == 0 {
			clear(queues)
			select {
			case <-ctx.Done():
			case <-sub.Done():
			}
		} else {
			since = s.send(ctx, all, queues, beginning(all, since), sub.Done())
		}
		sub.Close()
	}
	return nil
}

// beginning is the time after which events are sent to streams: since, or later if none
// of them was there then. What happens right after a stream was made is for it, however
// long it takes to see that it is there.
func beginning(all []*Stream, since int64) int64 {
	first := time.Now().UnixMilli()
	for _, st := range all {
		first = min(first, int64(st.created)-1) // events of the same millisecond came after it
	}
	return max(since, first)
}

// send sends events after a time to streams as they are set up now, until changed; it
// returns the time through which they were taken into the queues.
func (s *Service) send(ctx context.Context, all []*Stream, queues map[string]*queue, since int64, changed <-chan struct{}) int64 {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case <-changed:
			stop()
		case <-ctx.Done():
		}
	}()
	maps.DeleteFunc(queues, func(id string, _ *queue) bool {
		return !slices.ContainsFunc(all, func(st *Stream) bool { return st.ID == id })
	})
	g, each := errgroup.WithContext(ctx)
	for _, st := range all {
		q := queues[st.ID]
		if q == nil {
			q = &queue{wake: make(chan struct{}, 1)}
			queues[st.ID] = q
		}
		if st.State == "pending" {
			q.verify(makeEvent(topicVerify, verification{topicVerify, time.Now().UnixMilli(), deployment{s.Name}, "Log streaming was set up."}))
		}
		g.Go(func() error { return s.serve(each, st, q) })
	}
	g.Go(func() error {
		for each.Err() == nil {
			wait, done := context.WithTimeout(each, readWait)
			entries, next, err := s.Logs.Since(wait, since)
			done()
			if err != nil {
				return err
			}
			since = max(since, next)
			for i := range entries {
				events := s.eventsOf(&entries[i])
				for _, st := range all {
					queues[st.ID].add(events, st.Topics)
				}
			}
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		s.Log.Error("log streams broke off", "err", err)
	}
	return since
}

// queue holds the events of one stream.
type queue struct {
	wake chan struct{}

	mu   sync.Mutex // a leaf
	list []event
	lost int
}

// add puts events of some topics into the queue; nil is all.
func (q *queue) add(events []event, topics []string) {
	q.mu.Lock()
	for _, e := range events {
		if topics == nil || e.topic == topicVerify || slices.Contains(topics, e.topic) {
			q.list = append(q.list, e)
		}
	}
	q.trim()
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// trim lets the oldest go that are too many. Call it with mu held.
func (q *queue) trim() {
	if n := len(q.list) - maxQueue; n > 0 {
		q.list = append([]event(nil), q.list[n:]...)
		q.lost += n
	}
}

// verify puts the first event of a stream before all others, unless it waits already.
func (q *queue) verify(e event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !slices.ContainsFunc(q.list, func(e event) bool { return e.topic == topicVerify }) {
		q.list = append([]event{e}, q.list...)
	}
}

// untake puts a batch back that was not sent because the streams changed meanwhile.
func (q *queue) untake(batch []event, lost int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.list = append(batch, q.list...)
	q.lost += lost
	q.trim()
}

// take is the next batch, and how many events were lost before it.
func (q *queue) take() (batch []event, lost int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.list), maxBatch)
	batch, q.list = q.list[:n:n], q.list[n:]
	lost, q.lost = q.lost, 0
	return batch, lost
}

// serve sends the events of one stream.
func (s *Service) serve(ctx context.Context, st *Stream, q *queue) error {
	for {
		batch, lost := q.take()
		if len(batch) == 0 {
			select {
			case <-ctx.Done():
				return nil
			case <-q.wake:
			}
			continue
		}
		if lost > 0 && ctx.Err() == nil {
			s.Log.Warn("log events lost, the receiver is too slow", "stream", st.ID, "count", lost)
			lost = 0
		}
		body := encode(st.Format, batch)
		err := s.post(ctx, st, body)
		for try, wait := 1, firstWait; err != nil && try < tries; try++ {
			select {
			case <-ctx.Done():
				q.untake(batch, lost)
				return nil
			case <-time.After(wait):
			}
			wait *= 2
			err = s.post(ctx, st, body)
		}
		if err != nil && ctx.Err() != nil {
			q.untake(batch, lost)
			return nil
		}
		state, reason := "active", ""
		if err != nil {
			state, reason = "failed", err.Error()
			s.Log.Warn("log events not delivered", "stream", st.ID, "count", len(batch), "err", err)
		}
		if err := s.note(ctx, st, state, reason); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// note keeps how a stream does. It changes a row that Run watches, so only when it is
// another than before.
func (s *Service) note(ctx context.Context, st *Stream, state, reason string) error {
	if st.State == state {
		return nil
	}
	_, err := s.edit(ctx, st.ID, func(now *Stream) (bool, error) {
		if now.URL == st.URL && now.Secret == st.Secret {
			now.State, now.Reason = state, reason
		}
		return true, nil
	})
	st.State = state
	return err
}

// encode is the body of a batch.
func encode(format string, batch []event) []byte {
	var b bytes.Buffer
	for i, e := range batch {
		switch {
		case format == formatJSONL && i > 0:
			b.WriteByte('\n')
		case format == formatJSON && i == 0:
			b.WriteByte('[')
		case format == formatJSON:
			b.WriteByte(',')
		}
		b.Write(e.body)
	}
	if format == formatJSON {
		b.WriteByte(']')
	}
	return b.Bytes()
}

// Sign is the value of the header x-webhook-signature of a body.
func Sign(secret string, body []byte) string {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write(body)
	return "sha256=" + hex.EncodeToString(h.Sum(nil))
}

// post makes one try.
func (s *Service) post(ctx context.Context, st *Stream, body []byte) error {
	ctx, done := context.WithTimeout(ctx, deadline)
	defer done()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, st.URL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	if st.Format == formatJSONL {
		r.Header.Set("Content-Type", "application/jsonl")
	}
	r.Header.Set("x-webhook-signature", Sign(st.Secret, body))
	res, err := s.Client.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(res.Body, maxMessage))
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return fmt.Errorf("the receiver answered %s: %s", res.Status, text)
	}
	return nil
}
