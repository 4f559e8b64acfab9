package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"runtime/debug"
	"sync"

	"github.com/spf13/cobra"

	"github.com/lentil-dev/lentil/internal/server"
	"github.com/lentil-dev/lentil/internal/systemd"
)

// serveCommand runs a house without a project.
func serveCommand(e *env) *cobra.Command {
	h := houseFlags{serve: true}
	var printConfig, check bool
	cmd := &cobra.Command{
		Use:   "serve --data DIR | --config FILE",
		Short: "Run a house from a data directory",
		Long: `Run a house from a data directory.

Everything can be said as a flag, as an environment variable or in a file (--config
or LENTIL_CONFIG); a flag is stronger than a variable, a variable stronger than the
file. --print-config shows what holds and where it was said, --check looks for
mistakes and starts nothing. docs/PRODUCTION.md tells the rest.`,
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := newTalk(e)
			cfg, err := h.config(e, cmd.Flags(), out)
			if printConfig && h.effective != nil {
				return errors.Join(h.printConfig(e), err)
			}
			if err != nil {
				return err
			}
			if cfg.Data == "" {
				return misused{errors.New("--data is missing: name the directory that holds, or shall hold, the house")}
			}
			if err := h.checkSeed(); err != nil || h.validate {
				return err
			}
			if check {
				if err := server.Check(cfg); err != nil {
					return err
				}
				for _, doubt := range server.Doubts(cfg) {
					out.notice("%s", doubt)
				}
				out.notice("the configuration is good; nothing was started")
				return nil
			}
			if cfg.Listeners, err = systemd.Sockets(e.getenv); err != nil {
				return err
			}
			ctx, cancel := context.WithCancel(cmd.Context())
			defer cancel()
			v := &supervision{manager: systemd.Find(e.getenv), out: out, cfg: &cfg, hangUp: cancel}
			defer v.listen()()
			return runHouse(ctx, cfg, func(ctx context.Context, a server.Addresses) error {
				if err := writeRunning(cfg.Data, a); err != nil {
					return err
				}
				if err := h.sow(ctx, out, a); err != nil {
					return err
				}
				if h.logFormat == "json" && !h.json {
					h.logAddresses(cfg.Log, a)
					return nil
				}
				return announce(e, out, h.json, a, "", "")
			}, nil, v.watch)
		},
	}
	f := cmd.Flags()
	h.register(f)
	f.StringVar(&h.file, "config", "", "file of settings, in YAML (LENTIL_CONFIG)")
	f.BoolVar(&printConfig, "print-config", false, "print what holds and where it was said, secrets masked, and start nothing")
	f.BoolVar(&check, "check", false, "look for mistakes in the configuration and start nothing")
	return cmd
}

// runHouse opens a house, calls ready once everything answers, runs beside it
// what beside is, and closes the house when ctx or beside ends.
// Watchers run from when it answers until it has closed.
func runHouse(ctx context.Context, cfg server.Config, ready func(context.Context, server.Addresses) error, beside func(context.Context) error, watchers ...func(context.Context, *server.Server)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	settled := unhurried()
	defer settled()
	s, err := server.Open(ctx, cfg)
	if err != nil {
		return err
	}
	ran := make(chan error, 1)
	go func() {
		ran <- s.Run(ctx)
		cancel() // what runs beside a house that failed ends with it
	}()
	err = s.Ready(ctx)
	if err == nil {
		err = ready(ctx, s.Addresses())
	}
	settled()
	var watching sync.WaitGroup
	defer watching.Wait()
	if err == nil {
		for _, watch := range watchers {
			watching.Go(func() { watch(ctx, s) })
		}
	}
	if err == nil {
		if beside != nil {
			err = beside(ctx)
		} else {
			<-ctx.Done()
		}
	}
	cancel()
	if rerr := <-ran; rerr != nil {
		return rerr // the house's own trouble explains all others
	}
	if errors.Is(err, context.Canceled) {
		return nil // stopped while starting: that is what was asked for
	}
	return err
}

// startPercent is how much a house may allocate while it starts, in percent of what is in
// use, before its garbage is collected: most of what is made then stays, and looking
// through it three times takes a fifth of the start.
const startPercent = 400

// unhurried lets the collector wait. What it gives ends that.
func unhurried() (end func()) {
	percent := debug.SetGCPercent(startPercent)
	if percent < 0 || percent > startPercent { // somebody has said so in GOGC
		debug.SetGCPercent(percent)
	}
	return sync.OnceFunc(func() { debug.SetGCPercent(percent) })
}

// announce tells where the house answers: programs one line of JSON, people a table.
func announce(e *env, out *talk, asJSON bool, a server.Addresses, note, app string) error {
	if asJSON {
		return json.NewEncoder(e.stdout).Encode(a)
	}
	out.addresses(a, note, app)
	return nil
}

// isTerminal says whether w is one, so that colour may be used.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}
