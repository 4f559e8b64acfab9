package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/server"
	"github.com/lentil-dev/lentil/internal/systemd"
)

// TestManagerIsToldOfALife follows what a service manager hears of a house.
func TestManagerIsToldOfALife(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "n") // short: the names of sockets are
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	hear := func(want string) {
		t.Helper()
		b := make([]byte, 4096)
		for {
			_ = c.SetReadDeadline(time.Now().Add(time.Minute))
			n, err := c.Read(b)
			if err != nil {
				t.Fatalf("%v while waiting for %s", err, want)
			}
			if strings.HasPrefix(string(b[:n]), want) {
				return
			}
		}
	}
	e := &env{stdout: io.Discard, stderr: io.Discard, getenv: func(k string) string {
		return map[string]string{"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "100000"}[k]
	}}
	free := server.Port{Fixed: true}
	cfg := server.Config{Port: free, SitePort: free, AuthKitPort: free, ControlPort: free, Workers: 1, Log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancel(t.Context())
	v := &supervision{manager: systemd.Find(e.getenv), out: newTalk(e), cfg: &cfg, hangUp: cancel, hup: make(chan os.Signal, 1)}
	done := make(chan error, 1)
	go func() {
		done <- runHouse(ctx, cfg, func(context.Context, server.Addresses) error { return nil }, nil, v.watch)
	}()
	hear("READY=1\nSTATUS=answers at http://127.0.0.1:")
	hear("WATCHDOG=1")
	v.hup <- syscall.SIGHUP // a reload where there is nothing to read again
	hear("RELOADING=1")
	hear("READY=1\nSTATUS=answers at http://127.0.0.1:")
	hear("WATCHDOG=1")
	cancel()
	hear("STOPPING=1\nSTATUS=lets running requests finish")
	hear("EXTEND_TIMEOUT_USEC=")
	if err := <-done; err != nil {
		t.Error(err)
	}
}
