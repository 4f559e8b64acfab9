package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/lentil-dev/lentil/internal/server"
)

// lodgeName is the command by which exec starts a house for its commands.
const lodgeName = "lodge"

// lodgeCommand runs a house for a project as long as somebody lodges in it.
func lodgeCommand(e *env) *cobra.Command {
	var h houseFlags
	var dir string
	cmd := &cobra.Command{
		Use: lodgeName, Short: "Run a house for as long as commands of lentil exec need it", Hidden: true, Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := newTalk(e)
			cfg, err := h.config(e, cmd.Flags(), out)
			if err != nil {
				return err
			}
			if err := h.checkSeed(); err != nil {
				return err
			}
			d, err := newDev(e, out, dir, "")
			if err != nil {
				return err
			}
			d.fill(&cfg)
			if err := prepareState(d.state); err != nil {
				return err
			}
			lodgers, err := os.OpenFile(filepath.Join(d.state, lodgersName), os.O_RDWR|os.O_CREATE, 0o600)
			if err != nil {
				return server.Explain(d.state, err)
			}
			defer lodgers.Close() // after the house is closed: nobody enters before
			return runHouse(cmd.Context(), cfg, func(ctx context.Context, a server.Addresses) error {
				if err := h.sow(ctx, out, a); err != nil {
					return err
				}
				if err := writeRunningAs(d.state, running{Addresses: a, Lodge: true}); err != nil {
					return err
				}
				_, err := os.Stdout.WriteString("ready\n")
				return errors.Join(err, os.Stdout.Close())
			}, func(ctx context.Context) error { return awaitEmpty(ctx, lodgers) })
		},
	}
	h.register(cmd.Flags())
	cmd.Flags().StringVar(&dir, "dir", ".", "the project")
	return cmd
}

// awaitEmpty waits until nobody lodges here for a while, and then lets nobody in.
func awaitEmpty(ctx context.Context, lodgers *os.File) error {
	tick := time.NewTicker(lodgePoll)
	defer tick.Stop()
	empty := time.Time{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := syscall.Flock(int(lodgers.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case errors.Is(err, syscall.EWOULDBLOCK):
			empty = time.Time{}
			continue
		case err != nil:
			return err
		case empty.IsZero():
			empty = time.Now()
		case time.Since(empty) >= lodgeLinger:
			return nil // with the lock
		}
		if err := syscall.Flock(int(lodgers.Fd()), syscall.LOCK_UN); err != nil {
			return err
		}
	}
}
