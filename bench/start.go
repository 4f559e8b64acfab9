package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// benchStart measures how soon a house is ready and what it takes while idle.
func benchStart(ctx context.Context, b *bench) error {
	dir, err := b.scratch()
	if err != nil {
		return err
	}
	h, err := b.start(ctx, dir)
	if err != nil {
		return err
	}
	b.report("first start of a project, until everything answers", "%v", h.ready.Round(time.Millisecond))
	h.end()
	os.RemoveAll(dir)
	if h, err = b.open(ctx); err != nil {
		return err
	}
	var times spread
	for range 10 {
		h.end()
		again, err := b.start(ctx, h.dir)
		if err != nil {
			return err
		}
		h, b.house = again, again
		times = append(times, h.ready)
	}
	b.report("start of a project with data and functions", "%v", times)
	time.Sleep(5 * time.Second)
	rss, err := residentKB(h.cmd.Process.Pid)
	if err != nil {
		return err
	}
	b.report("resident memory, idle", "%d MB", rss/1024)
	if err := newCaller(h.info.URL, 1).query(ctx, "bench:list", map[string]any{"channel": "none"}); err != nil {
		return err
	}
	time.Sleep(5 * time.Second)
	if rss, err = residentKB(h.cmd.Process.Pid); err != nil {
		return err
	}
	b.report("resident memory, idle after the first query", "%d MB", rss/1024)
	return nil
}

// residentKB asks ps for a process's resident memory.
func residentKB(pid int) (int, error) {
	out, err := exec.Command("ps", "-o", "rss=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return 0, fmt.Errorf("ps: %w", err)
	}
	return strconv.Atoi(strings.TrimSpace(string(out)))
}
