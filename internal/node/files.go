package node

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/lentil-dev/lentil/internal/isolate"
)

// FileHost is a Host that takes and gives stored files piece by piece, so that the
// house holds none of them as a whole.
type FileHost interface {
	// StoreFile keeps what r gives and answers with JSON text.
	StoreFile(ctx context.Context, args []byte, r io.Reader) (text []byte, err error)
	OpenFile(ctx context.Context, args []byte) (io.ReadCloser, error)
}

// Bounds of files under way.
const (
	maxStoring = 64        // files that one action stores at once
	piece      = 256 << 10 // of a file on its way to a process
)

// errNoFiles is what a program is told where there is no file storage.
var errNoFiles = &isolate.Throw{Message: "There is no file storage."}

// store begins to take a file. It does not wait in the queue of host calls: the
// pieces that follow come through the same pipe as everything else.
func (t *task) store(id uint32, args []byte) {
	r, w := io.Pipe()
	t.mu.Lock()
	if t.parts == nil {
		t.parts = map[uint32]*io.PipeWriter{}
	}
	full := len(t.parts) >= maxStoring || t.parts[id] != nil
	if !full && t.ctx.Err() == nil {
		t.parts[id] = w
	}
	t.mu.Unlock()
	if full {
		t.pr.kill(errFlooded)
		return
	}
	go func() {
		text, err := t.keep(args, r)
		r.CloseWithError(errors.Join(err, io.ErrClosedPipe)) // whatever still comes is dropped
		if err != nil && t.fails(err) {
			return
		}
		h, body := reply(id, text, nil, err)
		_ = t.pr.send(h, body)
	}()
}

// keep has the host store a file.
func (t *task) keep(args []byte, r io.Reader) (text []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("node: storing a file panicked: %v", p)
		}
	}()
	if h, ok := t.call.Host.(FileHost); ok {
		return h.StoreFile(t.ctx, args, r)
	}
	return nil, errNoFiles
}

// errBroken is what a host is told when a program could not give all of a file.
var errBroken = &isolate.Throw{Message: "The Blob to store could not be read to its end."}

// part passes on a piece of a file, or its end.
func (t *task) part(h *head, body []byte) {
	t.mu.Lock()
	w := t.parts[h.ID]
	if h.T != "part" {
		delete(t.parts, h.ID)
	}
	t.mu.Unlock()
	switch {
	case w == nil:
	case h.T == "part":
		_, _ = w.Write(body) // fails when the host has had enough
	case h.T == "broken":
		w.CloseWithError(errBroken)
	default:
		w.Close()
	}
}

// abandon lets go of files that were not stored to their end.
func (t *task) abandon() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, w := range t.parts {
		w.CloseWithError(context.Canceled)
	}
	t.parts = nil
}

// open sends a file to the process.
func (t *task) open(w wish) (err error) {
	h, ok := t.call.Host.(FileHost)
	if !ok {
		return errNoFiles
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("node: reading a file panicked: %v", p)
		}
	}()
	r, err := h.OpenFile(t.ctx, w.args)
	if err != nil {
		return err
	}
	defer r.Close()
	b := make([]byte, piece)
	for t.ctx.Err() == nil {
		n, err := io.ReadFull(r, b)
		if n > 0 {
			if err := t.pr.send(head{T: "piece", ID: w.id}, b[:n]); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case err != nil:
			return err
		}
	}
	return t.ctx.Err()
}
