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
	// A signing key takes as long as luck has it, so one first start says little.
	var times spread
	for range 10 {
		dir, err := b.scratch()
		if err != nil {
			return err
		}
		h, err := b.start(ctx, dir)
		if err != nil {
			return err
		}
		times = append(times, h.ready)
		h.end()
		os.RemoveAll(dir)
	}
	b.report("first start of a project, until everything answers", "%v", times)
	h, err := b.open(ctx)
	if err != nil {
		return err
	}
	times = nil
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
	if err := b.reportResident("resident memory, idle", h.cmd.Process.Pid); err != nil {
		return err
	}
	if err := newCaller(h.info.URL, 1).query(ctx, "bench:list", map[string]any{"channel": "none"}); err != nil {
		return err
	}
	time.Sleep(5 * time.Second)
	return b.reportResident("resident memory, idle after the first query", h.cmd.Process.Pid)
}

// reportResident reports a process's resident memory, and how much of it is its own. The
// rest are pages of the program's file, which the kernel maps by the piece that it has in
// its cache, shares with every other house and takes back when it needs the room.
func (b *bench) reportResident(what string, pid int) error {
	rss, err := residentKB(pid)
	if err != nil {
		return err
	}
	own, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil { // not Linux
		b.report(what, "%d MB", rss/1024)
		return nil
	}
	for line := range strings.Lines(string(own)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "RssAnon:" {
			kb, err := strconv.Atoi(f[1])
			if err != nil {
				return err
			}
			b.report(what, "%d MB, %d MB of them its own", rss/1024, kb/1024)
		}
	}
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
