package workos

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/wire"
)

// A client that got no answer sends its POST again with the same Idempotency-Key
// (workos-api.md §1.5), and must not thereby do twice what was done already. So a
// successful answer is kept for a day and given again; a request that was refused
// did nothing and is simply tried again. An answer is kept after its work is done:
// if the house dies between the two, the repetition finds the work done, as with
// any unique name.

// Bounds of what is kept, and how long a repetition waits for the first request.
const (
	maxIdempotencyKey = 255
	maxKeptAnswer     = 256 << 10
	waitForFirst      = 30 * time.Second
)

// running are the requests with a key that are being worked on.
type running struct {
	mu   sync.Mutex // leaf
	keys map[string]chan struct{}
}

// begin takes a key, or gives a channel that closes when whoever has it is done.
func (r *running) begin(key string) (done func(), busy <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c, ok := r.keys[key]; ok {
		return nil, c
	}
	if r.keys == nil {
		r.keys = map[string]chan struct{}{}
	}
	c := make(chan struct{})
	r.keys[key] = c
	return func() {
		r.mu.Lock()
		delete(r.keys, key)
		r.mu.Unlock()
		close(c)
	}, nil
}

// enter takes a key, waiting for whoever has it.
func (r *running) enter(ctx context.Context, key string) (done func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, waitForFirst)
	defer cancel()
	for {
		done, busy := r.begin(key)
		if done != nil {
			return done, nil
		}
		select {
		case <-busy:
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return nil, apierr.New(apierr.Conflict, "idempotency_key_in_use", "A request with this Idempotency-Key is still being worked on. Try again later.")
			}
			return nil, ctx.Err()
		}
	}
}

// once answers a POST, or repeats the answer that its Idempotency-Key got before.
// Keys of different environments and paths have nothing to do with each other.
func (a *API) once(w http.ResponseWriter, r *http.Request, env identity.EnvironmentID, h wire.Handler) error {
	key := r.Header.Get("Idempotency-Key")
	switch {
	case key == "":
		return h(w, r)
	case len(key) > maxIdempotencyKey:
		return invalid("The Idempotency-Key is longer than %d characters.", maxIdempotencyKey)
	case r.ContentLength > maxKeptAnswer: // nobody sends so much twice by accident
		return h(w, r)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxKeptAnswer+1))
	if err != nil {
		return apierr.New(apierr.BadRequest, "invalid_request_parameters", "The body could not be read.").Wrap(err)
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), r.Body), r.Body}
	if len(body) > maxKeptAnswer {
		return h(w, r)
	}
	sum := sha256.New()
	for _, part := range []string{r.URL.RequestURI(), r.Header.Get("Authorization"), r.Header.Get("Content-Type"), r.Header.Get("Content-Encoding"), string(body)} {
		sum.Write([]byte(part))
		sum.Write([]byte{0})
	}
	request := hex.EncodeToString(sum.Sum(nil))
	key = string(env) + "\x00" + r.URL.Path + "\x00" + key
	done, err := a.running.enter(r.Context(), key)
	if err != nil {
		return err
	}
	defer done()
	kept, err := a.Identity.KeptAnswer(r.Context(), env, key)
	if err != nil {
		return err
	}
	if kept != nil {
		return repeat(w, kept, request)
	}
	rec := &keptWriter{ResponseWriter: w, status: http.StatusOK}
	if err := h(rec, r); err != nil {
		return err
	}
	switch {
	case rec.spilled:
		return nil
	case rec.status < 300:
		// The work is done, so its answer is kept even if the client has gone.
		k := identity.Kept{Request: request, Status: rec.status, ContentType: w.Header().Get("Content-Type"), Body: rec.body.Bytes()}
		if err := a.Identity.KeepAnswer(context.WithoutCancel(r.Context()), env, key, k); err != nil && a.Log != nil {
			a.Log.Warn("answer not kept for a repetition of its request", "path", r.URL.Path, "err", err)
		}
	}
	return rec.finish()
}

// repeat gives an answer again.
func repeat(w http.ResponseWriter, k *identity.Kept, request string) error {
	if k.Request != request {
		return apierr.New(apierr.BadRequest, "idempotency_key_reused",
			"This Idempotency-Key came with another request before. Use a new key for a new request.").
			With(atStatus{status: http.StatusUnprocessableEntity})
	}
	h := w.Header()
	h.Set("Idempotent-Replayed", "true")
	if k.ContentType != "" {
		h.Set("Content-Type", k.ContentType)
	}
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(k.Status)
	if _, err := w.Write(k.Body); err != nil {
		return wire.ErrAborted
	}
	return nil
}

// keptWriter holds an answer back until it is kept. One that is too long for that
// goes out as it comes.
type keptWriter struct {
	http.ResponseWriter
	status  int
	body    bytes.Buffer
	spilled bool
}

// WriteHeader notes the status.
func (w *keptWriter) WriteHeader(status int) { w.status = status }

// Write holds bytes back.
func (w *keptWriter) Write(b []byte) (int, error) {
	if !w.spilled && w.body.Len()+len(b) <= maxKeptAnswer {
		return w.body.Write(b)
	}
	if !w.spilled {
		w.spilled = true
		w.ResponseWriter.WriteHeader(w.status)
		if _, err := w.ResponseWriter.Write(w.body.Bytes()); err != nil {
			return 0, err
		}
		w.body.Reset()
	}
	return w.ResponseWriter.Write(b)
}

// finish lets the answer go.
func (w *keptWriter) finish() error {
	w.ResponseWriter.WriteHeader(w.status)
	if w.body.Len() == 0 {
		return nil
	}
	if _, err := w.ResponseWriter.Write(w.body.Bytes()); err != nil {
		return wire.ErrAborted
	}
	return nil
}
