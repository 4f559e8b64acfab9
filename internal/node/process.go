package node

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

// process is one Node.js process.
type process struct {
	pool  *Pool
	cmd   *exec.Cmd
	in    *os.File // what we tell it
	sync  *os.File // answers to synchronous calls
	said  *tail    // the end of its standard error
	ready chan struct{}
	gone  chan struct{} // closed when it has ended and everything it sent was read

	group *group    // nil until it gets a program
	since time.Time // idle since, under Pool.mu
	runs  int

	wmu sync.Mutex // one writer at a time

	mu     sync.Mutex
	task   *task // what runs
	killed bool
	cause  error // why we killed it; nil when nobody needs to know
}

// readyTime is how long Node.js may take to start.
const readyTime = 20 * time.Second

// recycleAfter is how many actions a process serves before a new one takes its
// place, against slow leaks.
const recycleAfter = 5000

// spawn starts a process and waits until it listens. Where namespaces can be made
// but Node.js does not start in them, it does without.
func (p *Pool) spawn(ctx context.Context) (*process, error) {
	pr, err := p.start(ctx)
	if err == nil || ctx.Err() != nil || errors.Is(err, errClosed) || p.plain.Load() {
		return pr, err
	}
	p.plain.Store(true)
	plain, again := p.start(ctx)
	if again != nil {
		p.plain.Store(false) // that was not it
		return nil, err
	}
	p.opt.Log.Info("Node.js does not start in a process namespace here", "err", err)
	return plain, nil
}

// start starts a process and waits until it listens.
func (p *Pool) start(ctx context.Context) (*process, error) {
	version, err := p.Version(ctx)
	if err != nil {
		return nil, err
	}
	inR, inW, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("node: %w", err)
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, inR.Close(), inW.Close())
	}
	syncR, syncW, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, inR.Close(), inW.Close(), outR.Close(), outW.Close())
	}
	pr := &process{pool: p, in: inW, sync: syncW, said: &tail{}, ready: make(chan struct{}), gone: make(chan struct{})}
	cmd := p.command(version.binary, "--max-old-space-size="+strconv.FormatInt(max(16, p.opt.Memory>>20), 10), "--no-deprecation", p.child)
	cmd.Dir = p.dir
	cmd.Env = []string{"TZ=UTC", "LANG=C.UTF-8"} // nothing of ours: /proc/self/environ shows it for good
	cmd.ExtraFiles = []*os.File{inR, outW, syncR}
	cmd.Stderr = pr.said
	cmd.WaitDelay = time.Second // for grandchildren that keep standard error open
	pr.cmd = cmd
	err = p.nursery.start(cmd)
	inR.Close()
	outW.Close()
	syncR.Close()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("node: start %s: %w", version.binary, err), inW.Close(), outR.Close(), syncW.Close())
	}
	p.mu.Lock()
	p.alive[pr] = struct{}{}
	p.running.Add(1)
	closed := p.closed
	p.mu.Unlock()
	if closed {
		pr.kill(nil)
	}
	lowerPriority(cmd.Process.Pid)
	go pr.listen(outR)
	timeout := time.NewTimer(readyTime)
	defer timeout.Stop()
	select {
	case <-pr.ready:
		return pr, nil
	case <-pr.gone:
		if closed {
			return nil, errClosed
		}
		return nil, fmt.Errorf("node: %s ended while it started: %s", version.binary, pr.said)
	case <-timeout.C:
		pr.kill(nil)
		return nil, fmt.Errorf("node: %s did not start within %v", version.binary, readyTime)
	case <-ctx.Done():
		pr.kill(nil)
		return nil, ctx.Err()
	}
}

// listen reads what the process sends until it ends, and then buries it.
func (pr *process) listen(out *os.File) {
	defer pr.pool.running.Done()
	r := bufio.NewReaderSize(out, 64<<10)
	ready := false
	for {
		h, body, err := readFrame(r)
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, os.ErrClosed) {
				pr.kill(err)
			}
			break
		}
		if h.T == "ready" {
			if !ready {
				ready = true
				close(pr.ready)
			}
			continue
		}
		if t := pr.current(); t != nil {
			t.take(h, body)
		}
	}
	// The pipe has ended: so has the process, or it has closed it to be rid of us.
	pr.kill(nil)
	_ = pr.cmd.Wait() // how it ended does not matter: what it said last does
	out.Close()
	pr.wmu.Lock()
	pr.in.Close()
	pr.sync.Close()
	pr.wmu.Unlock()
	pr.pool.mu.Lock()
	delete(pr.pool.alive, pr)
	if pr.pool.spare == pr {
		pr.pool.spare = nil
	}
	pr.pool.mu.Unlock()
	close(pr.gone)
}

// current is what the process works on; nil for nothing.
func (pr *process) current() *task {
	pr.mu.Lock()
	defer pr.mu.Unlock()
	return pr.task
}

// work makes t what the process works on.
func (pr *process) work(t *task) {
	pr.mu.Lock()
	pr.task = t
	pr.mu.Unlock()
}

// dead tells whether the process is ending or has ended.
func (pr *process) dead() bool {
	pr.mu.Lock()
	defer pr.mu.Unlock()
	return pr.killed
}

// kill ends the process and whatever it started; the first cause counts.
func (pr *process) kill(cause error) {
	pr.mu.Lock()
	defer pr.mu.Unlock()
	if pr.cause == nil {
		pr.cause = cause
	}
	if !pr.killed {
		pr.killed = true
		killAll(pr.cmd.Process.Pid)
	}
}

// why is the cause of the process's end that we know.
func (pr *process) why() error {
	pr.mu.Lock()
	defer pr.mu.Unlock()
	return pr.cause
}

// send writes a frame to the process. It blocks while the process does not read.
func (pr *process) send(h any, body []byte) error {
	pr.wmu.Lock()
	defer pr.wmu.Unlock()
	return writeFrame(pr.in, h, body)
}

// assign gives the process its program.
func (pr *process) assign(g *group) error {
	pr.group = g
	h, err := g.head()
	if err != nil {
		return err
	}
	return pr.send(h, nil)
}

// tail keeps the end of what is written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

// maxTail is how much a tail keeps.
const maxTail = 8 << 10

// Write adds to the tail.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, b...)
	if over := len(t.b) - maxTail; over > 0 {
		t.b = append(t.b[:0], t.b[over:]...)
	}
	return len(b), nil
}

// String gives the tail as text.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.ToValidUTF8(strings.TrimSpace(string(t.b)), "")
}
