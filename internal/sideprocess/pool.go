package sideprocess

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"sync"
)

// maxFrame bounds a request and an answer.
const maxFrame = 1 << 20

// Pool keeps children and gives them requests. The exported fields are filled
// before the first call.
type Pool struct {
	// Command is the program and its arguments; it must call Serve.
	Command []string
	// Workers is how many children may run at once; 0 means 1.
	Workers int
	// Log receives what a person would want to know tomorrow; nil for nothing.
	Log *slog.Logger

	once  sync.Once
	slots chan struct{} // one token per running call

	mu     sync.Mutex // leaf
	idle   []*child
	closed bool
}

// child is one process.
type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out io.ReadCloser
}

var errClosed = errors.New("sideprocess: pool is closed")

// open fills in what is not set.
func (p *Pool) open() {
	if p.Workers <= 0 {
		p.Workers = 1
	}
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	p.slots = make(chan struct{}, p.Workers)
}

// Call has a child answer a request. A child that has died is replaced and asked
// again, once: the functions are pure. The error is ctx's, or says why no child
// can answer.
func (p *Pool) Call(ctx context.Context, request []byte) ([]byte, error) {
	p.once.Do(p.open)
	if len(request) > maxFrame {
		return nil, fmt.Errorf("sideprocess: a request of %d bytes", len(request))
	}
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-p.slots }()
	for again := true; ; again = false {
		c, err := p.take(again)
		if err != nil {
			return nil, err
		}
		answer, err := c.ask(ctx, request)
		if err == nil {
			p.give(c)
			return answer, nil
		}
		c.end()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if !again {
			return nil, fmt.Errorf("sideprocess: %s: %w", p.Command[0], err)
		}
		p.Log.Warn("a side process ended and is replaced", "err", err)
	}
}

// take gives an idle child if one will do, else a fresh one: where one has died others may
// have, too.
func (p *Pool) take(idle bool) (*child, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, errClosed
	}
	if n := len(p.idle); n > 0 && idle {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return c, nil
	}
	p.mu.Unlock()
	return start(p.Command)
}

// give puts a child back.
func (p *Pool) give(c *child) {
	p.mu.Lock()
	if !p.closed {
		p.idle = append(p.idle, c)
		c = nil
	}
	p.mu.Unlock()
	if c != nil {
		c.end()
	}
}

// Close ends the idle children, and each of the others when it has answered.
func (p *Pool) Close() error {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	for _, c := range idle {
		c.end()
	}
	return nil
}

// start makes a child.
func start(command []string) (*child, error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = []string{"GOMAXPROCS=1"} // nothing of ours is its business
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = apart()
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("sideprocess: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("sideprocess: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("sideprocess: start %s: %w", command[0], err)
	}
	return &child{cmd: cmd, in: in, out: out}, nil
}

// ask sends a request and reads its answer; if ctx ends first, the child is killed.
func (c *child) ask(ctx context.Context, request []byte) ([]byte, error) {
	stop := context.AfterFunc(ctx, func() { c.cmd.Process.Kill() })
	defer stop()
	if err := writeFrame(c.in, request); err != nil {
		return nil, err
	}
	return readFrame(c.out)
}

// end makes sure that the child is gone.
func (c *child) end() {
	c.in.Close()
	c.cmd.Process.Kill()
	c.cmd.Wait()
}

// writeFrame writes length and bytes at once.
func writeFrame(w io.Writer, b []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(b)), uint32(len(b))), b...))
	return err
}

// readFrame reads what writeFrame wrote.
func readFrame(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > maxFrame {
		return nil, fmt.Errorf("sideprocess: a frame of %d bytes", n)
	}
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return b, err
}
