package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lentil-dev/lentil/internal/server"
)

// The files in a state folder by which commands share a house.
const (
	lodgersName  = "lodgers"  // locked, shared, by everybody who needs the house
	doorName     = "door"     // locked while somebody looks for the house or starts it
	lodgeLogName = "exec.log" // what a house that was started for commands has said
)

// The times of a house that commands share.
const (
	doorTime    = 60 * time.Second // for a house to be found or started
	watchEvery  = 2 * time.Second
	lodgePoll   = 500 * time.Millisecond
	lodgeLinger = 3 * time.Second // that a house waits for somebody new
)

// maxRelay is how much of a house's talk is passed on at once.
const maxRelay = 64 << 10

// running is what a house leaves in running.json.
type running struct {
	server.Addresses
	// Lodge says that commands share this house and that it ends with them.
	Lodge bool `json:"lodge,omitempty"`
}

// readRunning reads what a house has left, dead or alive.
func readRunning(state string) (r running, err error) {
	b, err := os.ReadFile(filepath.Join(state, runningName))
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	return r, err
}

// lodging is a command's part in a house: found running, or started for it.
type lodging struct {
	env     *env
	out     *talk
	dir     string // the project; "" for a house without one
	state   string
	flags   []string // for a house that is started
	quiet   bool
	started bool // here and now

	lock *os.File // on the lodgers' file, shared; held to the end of the process

	mu    sync.Mutex // guards the fields below
	now   running
	heard int64 // of what a house that was started here has said
}

// lodge finds the house, or starts one.
func (f *execFlags) lodge(cmd *cobra.Command, e *env, out *talk) (*lodging, error) {
	// A mistake in the flags is ours to tell, not that of a house that did not start.
	if _, err := f.house.config(e, cmd.Flags(), out); err != nil {
		return nil, err
	}
	l := &lodging{env: e, out: out, quiet: f.quiet, flags: changedFlags(cmd.Flags())}
	ctx := cmd.Context()
	if f.data != "" {
		l.state = f.data
		r, err := readRunning(l.state)
		if err == nil {
			err = answers(ctx, r.Addresses)
		}
		if err != nil {
			return nil, hinted{fmt.Errorf("no house is running from %s", f.data), "start it: lentil serve --data " + f.data}
		}
		l.now = r
		return l, l.usable()
	}
	if err := l.find(ctx, f.dir); err != nil {
		return nil, err
	}
	if err := l.enter(ctx); err != nil {
		return nil, err
	}
	return l, l.usable()
}

// changedFlags are the house's flags as they were given.
func changedFlags(set *pflag.FlagSet) (list []string) {
	set.Visit(func(flag *pflag.Flag) {
		switch flag.Name {
		case "dir", "data", "browser", "print", "quiet", "json", "validate-config":
		default:
			list = append(list, "--"+flag.Name+"="+flag.Value.String())
		}
	})
	return list
}

// find decides which project is meant: that of dir, or the nearest one from here
// upwards whose house runs; else the nearest folder that had a house, else the
// nearest that is a project, else this one.
func (l *lodging) find(ctx context.Context, dir string) error {
	start, err := filepath.Abs(dir) // "" is here
	if err != nil {
		return err
	}
	if st, err := os.Stat(start); err != nil || !st.IsDir() {
		return fmt.Errorf("there is no directory %s", dir)
	}
	l.dir = start
	if dir == "" {
		housed, project := "", ""
		home := l.env.getenv("HOME")
		for at := start; ; at = filepath.Dir(at) {
			if ownFolder(filepath.Join(at, stateName)) {
				if r, err := readRunning(filepath.Join(at, stateName)); err == nil && answers(ctx, r.Addresses) == nil {
					housed = at
					break
				}
				if housed == "" {
					housed = at
				}
			}
			if project == "" && isThere(filepath.Join(at, "package.json")) {
				project = at
			}
			if at == filepath.Dir(at) || at == home || isThere(filepath.Join(at, ".git")) {
				break // beyond lies nothing of this project
			}
		}
		switch {
		case housed != "":
			l.dir = housed
		case project != "":
			l.dir = project
		}
	}
	l.state = filepath.Join(l.dir, stateName)
	return prepareState(l.state)
}

// isThere says whether a file or folder exists.
func isThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// ownFolder says whether a folder is there and this user's: in one of somebody
// else's could be a house that only says that it is ours.
func ownFolder(path string) bool {
	st, err := os.Stat(path)
	if err != nil || !st.IsDir() {
		return false
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	return !ok || int(sys.Uid) == os.Getuid()
}

// enter takes a place in the house, which from then on stays, and starts it if it
// does not run.
func (l *lodging) enter(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, doorTime)
	defer cancel()
	if l.lock == nil {
		f, err := lockFile(ctx, filepath.Join(l.state, lodgersName), syscall.LOCK_SH) // a house on its way out has it alone
		if err != nil {
			return err
		}
		l.lock = f
	}
	if r, err := readRunning(l.state); err == nil && answers(ctx, r.Addresses) == nil {
		l.set(r)
		return nil
	}
	// One at a time, so that commands that begin together share one house.
	door, err := lockFile(ctx, filepath.Join(l.state, doorName), syscall.LOCK_EX)
	if err != nil {
		return err
	}
	defer door.Close()
	if r, err := readRunning(l.state); err == nil && answers(ctx, r.Addresses) == nil {
		l.set(r)
		return nil
	}
	if err := l.start(ctx); err != nil {
		return err
	}
	r, err := readRunning(l.state)
	if err != nil {
		return err
	}
	l.started = true
	l.set(r)
	return nil
}

// lockFile opens and locks a file, waiting until ctx ends. The lock ends with the
// process, however it ends.
func lockFile(ctx context.Context, path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, server.Explain(filepath.Dir(path), err)
	}
	for {
		err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("%s is locked by another process that does not let go", path)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// start starts a house in a session of its own, so that what is typed at this
// terminal does not reach it, and waits until it answers.
func (l *lodging) start(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(l.state, lodgeLogName), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return server.Explain(l.state, err)
	}
	defer log.Close()
	c := exec.Command(self, slices.Concat([]string{lodgeName, "--dir=" + l.dir}, l.flags, l.house().sameAddresses())...)
	c.Stderr = log
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	said, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return fmt.Errorf("start the house: %w", err)
	}
	ready := make(chan bool, 1)
	go func() {
		b, _ := io.ReadAll(io.LimitReader(said, 64)) // it closes its output when it has said so
		ready <- bytes.HasPrefix(b, []byte("ready"))
		c.Wait()
	}()
	select {
	case ok := <-ready:
		text, _ := os.ReadFile(log.Name())
		if !ok {
			return saidBy(text)
		}
		l.mu.Lock()
		l.heard = 0
		l.mu.Unlock()
		l.relay()
		return nil
	case <-ctx.Done():
		c.Process.Kill()
		return hinted{errors.New("the house did not start in time"), "see " + log.Name()}
	}
}

// sameAddresses are flags for a house that shall answer where this one did, because
// programs know it there.
func (r running) sameAddresses() (flags []string) {
	for flag, address := range map[string]string{"port": r.URL, "site-port": r.SiteURL, "authkit-port": r.AuthKitURL, "control-port": r.ControlURL} {
		if u, err := url.Parse(address); err == nil && u.Port() != "" {
			flags = append(flags, "--"+flag+"="+u.Port())
		}
	}
	if r.VendorTLSPort != 0 {
		flags = append(flags, "--vendor-tls-port="+strconv.Itoa(r.VendorTLSPort))
	}
	return flags
}

// relay passes on what a house that was started here has said since the last time:
// notes, and why it refused what a program asked.
func (l *lodging) relay() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.quiet {
		return
	}
	f, err := os.Open(filepath.Join(l.state, lodgeLogName))
	if err != nil {
		return
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || st.Size() < l.heard {
		l.heard = 0 // another command has started it anew
	}
	n, _ := io.Copy(l.env.stderr, io.NewSectionReader(f, l.heard, maxRelay))
	l.heard += n
}

// saidBy makes an error of what a house said that did not start.
func saidBy(text []byte) error {
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if rest, ok := strings.CutPrefix(lines[i], "lentil: "); ok {
			err := errors.New(rest)
			if i+1 < len(lines) {
				if hint, ok := strings.CutPrefix(lines[i+1], "hint: "); ok {
					return hinted{err, hint}
				}
			}
			return hinted{err, "lentil exec starts a house for its commands when none is running; this one could not start"}
		}
	}
	return errors.New("the house ended while it was starting")
}

// usable says whether the house answers at the vendors' names.
func (l *lodging) usable() error {
	if l.house().VendorTLSPort == 0 {
		return hinted{fmt.Errorf("the house at %s does not answer at the vendors' names", l.house().URL),
			"it is one for others; start it with --vendor-tls-port 4443 if programs of this machine shall take it for the vendors"}
	}
	return nil
}

// house is where the house answers now.
func (l *lodging) house() running {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now
}

// set remembers it.
func (l *lodging) set(r running) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now = r
}

// leave gives up the place.
func (l *lodging) leave() {
	if l.started {
		l.relay()
	}
	if l.lock != nil {
		l.lock.Close()
	}
}

// dial connects to the house where it answers for the vendors.
func (l *lodging) dial(ctx context.Context, _ string) (net.Conn, error) {
	d := net.Dialer{Timeout: 5 * time.Second}
	address := func() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(l.house().VendorTLSPort)) }
	c, err := d.DialContext(ctx, "tcp", address())
	if err == nil {
		return c, nil
	}
	if err := l.again(ctx); err != nil {
		return nil, err
	}
	return d.DialContext(ctx, "tcp", address())
}

// errGone says that a house is gone that is not ours to start.
var errGone = errors.New("the house is gone")

// again finds the house where it answers now. One that was started for commands is
// started again, however it ended; one that a person started is theirs.
func (l *lodging) again(ctx context.Context) error {
	if r, err := readRunning(l.state); err == nil && answers(ctx, r.Addresses) == nil {
		l.set(r)
		return nil
	}
	if !l.house().Lodge {
		return errGone
	}
	return l.enter(ctx)
}

// watch looks after the house until ctx ends: programs ask it at its own addresses,
// too, without us between.
func (l *lodging) watch(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	gone := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if l.started {
			l.relay()
		}
		name, err := nameAt(ctx, l.house().URL)
		if slow := net.Error(nil); errors.As(err, &slow) && slow.Timeout() {
			continue // it is there, and busy
		}
		if err == nil && name == l.house().Deployment {
			if gone {
				l.out.notice("the house is back")
			}
			gone = false
			continue
		}
		err = l.again(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil && !gone && l.house().Lodge:
			l.out.notice("the house was gone; it was started again")
		case err == nil: // perhaps sooner than we have seen that it was gone
			l.out.notice("the house is back")
		case errors.Is(err, errGone) && !gone:
			l.out.notice("the house at %s ended; start it again, and what runs here goes on", l.house().URL)
		case !gone:
			l.out.notice("the house at %s ended and does not start again: %v", l.house().URL, err)
		}
		gone = err != nil
	}
}
