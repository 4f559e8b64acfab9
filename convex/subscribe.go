package convex

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
)

// Subscription is a query that stays live.
type Subscription struct {
	c    *Client
	q    *query
	seen uint64        // the number of the result that Next gave last
	news chan struct{} // has room for one word
}

// Subscribe begins to watch a query. Equal subscriptions of a client share one query.
func (c *Client) Subscribe(path string, args any) (*Subscription, error) {
	raw, err := encodeArgs(args)
	if err != nil {
		return nil, err
	}
	if raw, err = sorted(raw); err != nil {
		return nil, err
	}
	c.start()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended != nil {
		return nil, c.ended
	}
	s := &Subscription{c: c, news: make(chan struct{}, 1)}
	s.q = c.addSubscription(canonical(path), raw, s)
	return s, nil
}

// sorted writes an object with its members in order, so that equal arguments are
// equal texts.
func sorted(raw json.RawMessage) (json.RawMessage, error) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("convex: arguments: %w", err)
	}
	return json.Marshal(m)
}

// Next waits for a result that it has not given yet, and decodes it into out, a
// pointer or nil. Whoever is slow gets the newest result and misses those between.
// An error of the function is a *FunctionError; Next may be called again after it, and after
// an *AuthError, for a later result may be a good one.
func (s *Subscription) Next(ctx context.Context, out any) error {
	for {
		s.c.mu.Lock()
		q := s.q
		if q == nil {
			s.c.mu.Unlock()
			return ErrClosed
		}
		if err := s.c.ended; err != nil {
			s.c.mu.Unlock()
			return err
		}
		if q.number > s.seen {
			s.seen = q.number
			value, err := q.value, q.err
			s.c.mu.Unlock()
			if err != nil {
				return err
			}
			return decodeResult(value, out)
		}
		s.c.mu.Unlock()
		select {
		case <-s.news:
		case <-ctx.Done():
			return fmt.Errorf("convex: %s: %w", q.path, ctx.Err())
		}
	}
}

// Close ends the subscription; a Next that is waiting returns ErrClosed.
func (s *Subscription) Close() {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.q != nil {
		s.c.removeSubscription(s)
	}
	s.tell()
}

// tell wakes Next.
func (s *Subscription) tell() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// Watch ranges over the results of a live query, the newest when the loop is slow,
// until ctx ends or the loop is left. Errors of the function and refused tokens are
// given and the loop goes on; it ends after ctx's or the client's end.
func Watch[T any](ctx context.Context, c *Client, path string, args any) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		s, err := c.Subscribe(path, args)
		if err != nil {
			yield(zero, err)
			return
		}
		defer s.Close()
		for {
			var v T
			err := s.Next(ctx, &v)
			if ctx.Err() != nil {
				return
			}
			if !yield(v, err) || errors.Is(err, ErrClosed) {
				return
			}
			var fatal *FatalError
			if errors.As(err, &fatal) {
				return
			}
		}
	}
}
