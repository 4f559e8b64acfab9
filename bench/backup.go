package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// backupClients write at once while the house is backed up. What they wrote, 1 KB a
// row, is what is restored.
const backupClients = 64

// benchBackup measures what shipping every second costs a house that writes as fast as
// it can, and how fast such a backup is read back.
func benchBackup(ctx context.Context, b *bench) error {
	if _, err := b.open(ctx); err != nil {
		return err
	}
	dir := b.house.dir
	place, err := os.MkdirTemp("", "lentil-bench-backup-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(place)
	write := func(what string) error {
		clients, err := dialAll(ctx, b.house.info.URL, backupClients)
		if err != nil {
			return err
		}
		times, rate, err := b.hammer(ctx, backupClients, func(ctx context.Context, i int) error {
			_, err := clients[i].mutate(ctx, "bench:send", map[string]any{"channel": fmt.Sprint("c", i), "body": body})
			return err
		})
		if err != nil {
			return err
		}
		for _, c := range clients {
			c.close()
		}
		b.report(fmt.Sprintf("durable mutations, %d clients, %s", backupClients, what), "%.0f/s, %v", rate, times)
		return nil
	}
	// Either is played twice, so that both meet the same machine.
	for turn := range 4 {
		b.house.end()
		flags, what := []string{}, "not backed up"
		if turn%2 == 1 {
			flags, what = []string{"--backup", filepath.Join(place, "b"), "--backup-every", "1s"}, "backed up every second"
		}
		if b.house, err = b.start(ctx, dir, flags...); err != nil {
			return err
		}
		if err := write(what); err != nil {
			return err
		}
	}
	run := func(args ...string) (map[string]any, time.Duration, error) {
		began := time.Now()
		cmd := exec.CommandContext(ctx, b.binary, append(args, "--json")...)
		var said strings.Builder
		cmd.Stderr = &said
		out, err := cmd.Output()
		if err != nil {
			return nil, 0, fmt.Errorf("lentil %v: %w\n%s", args, err, said.String())
		}
		var answer map[string]any
		return answer, time.Since(began), json.Unmarshal(out, &answer)
	}
	from := filepath.Join(place, "b")
	if _, took, err := run("backup", dir, "--to", from, "--base"); err != nil {
		return err
	} else {
		b.report("backup of a running house asked for, with a whole copy at its usual rate", "%v", took.Round(time.Millisecond))
	}
	b.house.end()
	list, _, err := run("backup", "list", "--from", from)
	if err != nil {
		return err
	}
	for _, what := range []struct {
		name string
		args []string
	}{
		{"verify", []string{"backup", "verify", "--from", from}},
		{"restore", []string{"restore", "--from", from, "--to", filepath.Join(place, "r"), "--secret-key", filepath.Join(dir, ".lentil", "secret.key")}},
	} {
		answer, took, err := run(what.args...)
		if err != nil {
			return err
		}
		bytes, _ := answer["bytes"].(float64)
		stored, _ := list["bytes"].(float64)
		b.report(what.name+" of a backup in a directory", "%.0f MB/s of documents, %.0f MB in %v, from %.0f MB stored", bytes/1e6/took.Seconds(), bytes/1e6, took.Round(time.Millisecond), stored/1e6)
	}
	return nil
}
