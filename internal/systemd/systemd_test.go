package systemd_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/systemd"
)

// manager is a socket that hears what is said, and the environment that names it.
func manager(t *testing.T, more map[string]string) (hear func() string, getenv func(string) string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "n") // short: the names of sockets are
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	name := filepath.Join(dir, "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	hear = func() string {
		_ = c.SetReadDeadline(time.Now().Add(time.Minute))
		b := make([]byte, 4096)
		n, err := c.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
	return hear, func(k string) string {
		if k == "NOTIFY_SOCKET" {
			return name
		}
		return more[k]
	}
}

func TestManagerHears(t *testing.T) {
	t.Parallel()
	hear, env := manager(t, nil)
	m := systemd.Find(env)
	m.Ready("answers at\nhttps://app.example.com")
	if got := hear(); got != "READY=1\nSTATUS=answers at https://app.example.com" {
		t.Errorf("%q", got)
	}
	m.Reloading()
	if got := hear(); !strings.HasPrefix(got, "RELOADING=1\nMONOTONIC_USEC=") || strings.HasSuffix(got, "=0") {
		t.Errorf("%q", got)
	}
	m.Stopping("lets requests finish")
	if got := hear(); got != "STOPPING=1\nSTATUS=lets requests finish" {
		t.Errorf("%q", got)
	}
	m.Extend(90 * time.Second)
	if got := hear(); got != "EXTEND_TIMEOUT_USEC=90000000" {
		t.Errorf("%q", got)
	}
}

func TestWatchdogHearsWhileAlive(t *testing.T) {
	t.Parallel()
	hear, env := manager(t, map[string]string{"WATCHDOG_USEC": "2000"})
	var asked int
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		systemd.Find(env).Watch(ctx, func(context.Context) error {
			if asked++; asked > 2 {
				return errors.New("hangs")
			}
			return nil
		})
	}()
	for _, want := range []string{"WATCHDOG=1", "WATCHDOG=1", "STATUS=not alive: hangs"} {
		if got := hear(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	cancel()
	<-done
}

func TestNobodyIsNoTrouble(t *testing.T) {
	t.Parallel()
	none := func(string) string { return "" }
	m := systemd.Find(none)
	m.Ready("")
	m.Stopping("")
	m.Watch(t.Context(), nil) // returns at once
	if l, err := systemd.Sockets(none); l != nil || err != nil {
		t.Errorf("%v, %v", l, err)
	}
	gone := systemd.Find(func(k string) string { return map[string]string{"NOTIFY_SOCKET": "/nowhere/at/all"}[k] })
	gone.Ready("")
	for _, bad := range []string{"many", "-1", "1000000"} {
		env := func(k string) string {
			return map[string]string{"LISTEN_PID": fmt.Sprint(os.Getpid()), "LISTEN_FDS": bad}[k]
		}
		if _, err := systemd.Sockets(env); err == nil {
			t.Errorf("LISTEN_FDS=%s was believed", bad)
		}
	}
}

// TestMain lets the test's binary be the process that is started with sockets.
func TestMain(m *testing.M) {
	if os.Getenv("LISTEN_FDS") == "" {
		os.Exit(m.Run())
	}
	all, err := systemd.Sockets(os.Getenv)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for _, l := range all {
		c, err := l.Accept()
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Fprintf(c, "taken over at %s", l.Addr())
		c.Close()
	}
	os.Exit(0)
}

func TestSocketsAreTakenOver(t *testing.T) {
	t.Parallel()
	var files []*os.File
	var calls []net.Conn
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		// Who calls before the process is there waits.
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		files, calls = append(files, f), append(calls, c)
	}
	// Only the shell knows the id of the process that it becomes.
	cmd := exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ exec "$0"`, os.Args[0])
	cmd.Env, cmd.ExtraFiles = append(os.Environ(), "LISTEN_FDS=2"), files
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, c := range calls {
		b, err := io.ReadAll(c)
		if err != nil || string(b) != "taken over at "+c.RemoteAddr().String() {
			t.Errorf("%q, %v", b, err)
		}
	}
	pipe, _, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ exec "$0"`, os.Args[0])
	cmd.Env, cmd.ExtraFiles = append(os.Environ(), "LISTEN_FDS=1"), []*os.File{pipe}
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "is no listening socket") {
		t.Errorf("%v: %s", err, out)
	}
}
