package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lentil-dev/lentil/internal/server"
)

// houseFlags are the flags that dev and serve share.
type houseFlags struct {
	cfg                         server.Config
	port, sitePort, authKitPort int
	json, verbose               bool
	seed                        string
	seedText                    []byte
	validate                    bool
}

// register adds the flags to a command's set.
func (h *houseFlags) register(f *pflag.FlagSet) {
	f.IntVar(&h.port, "port", server.DefaultPort, "port of the deployment; 0 takes any free one")
	f.IntVar(&h.sitePort, "site-port", server.DefaultSitePort, "port of the deployment's HTTP actions")
	f.IntVar(&h.authKitPort, "authkit-port", server.DefaultAuthKitPort, "port of sign-in and its API")
	f.StringVar(&h.cfg.Host, "host", "", "address to listen on (default 127.0.0.1)")
	f.StringVar(&h.cfg.URL, "url", "", "public address of the deployment, behind a proxy")
	f.StringVar(&h.cfg.SiteURL, "site-url", "", "public address of the HTTP actions, behind a proxy")
	f.StringVar(&h.cfg.AuthKitURL, "authkit-url", "", "public address of the sign-in service, behind a proxy")
	f.StringVar(&h.cfg.Issuer, "issuer", "", "issuer of access tokens; <clientId> stands for the client id")
	f.DurationVar(&h.cfg.AccessTokenLifetime, "access-token-lifetime", 0, "how long access tokens last (default 5m)")
	f.DurationVar(&h.cfg.RefreshReuseWindow, "refresh-reuse-window", 0, "how long a used refresh token still answers (default 30s)")
	f.StringVar(&h.cfg.SMTP, "smtp", "", "where mail goes: smtp://user:password@host:port (default: the outbox)")
	f.StringVar(&h.cfg.MailFrom, "mail-from", "", "sender of mail that leaves the house")
	f.StringVar(&h.cfg.Breached, "breached-passwords", "", "sorted list of SHA-1 hashes that new passwords must not be in")
	f.StringVar(&h.cfg.Node, "node", "", "Node.js for actions with \"use node\" (default: the one on the PATH)")
	f.IntVar(&h.cfg.Workers, "workers", 0, "JavaScript isolates (default: one for each processor)")
	l := &h.cfg.Limits
	f.IntVar(&l.Sockets, "max-sockets", 0, "open sockets of live queries (default 20,000, or half of the files the process may open)")
	f.IntVar(&l.Connections, "max-connections", 0, "open HTTP connections (default 10,000, or three eighths of the files)")
	f.IntVar(&l.Requests, "max-requests", 0, "HTTP requests answered at once (default 5,000)")
	f.IntVar(&l.Queue, "max-queue", 0, "functions waiting for a worker (default 10,000)")
	f.IntVar(&l.WriteLog, "write-log", 0, "written index keys remembered to find conflicts (default 200,000)")
	f.DurationVar(&l.Retention, "retention", 0, "how long old revisions stay readable (default 4h)")
	f.StringVar(&h.cfg.TrustedProxies, "trusted-proxies", "", "addresses and networks of proxies that tell the client's address")
	f.StringVar(&h.cfg.ClientAddressHeader, "client-address-header", "", "header in which they tell it (default X-Forwarded-For)")
	f.StringVarP(&h.seed, "seed", "s", "", "seed file of the official WorkOS emulator for the sign-in service")
	f.BoolVar(&h.validate, "validate-config", false, "check the seed file and do nothing else")
	f.BoolVar(&h.json, "json", false, "print the addresses as one line of JSON when ready")
	f.BoolVarP(&h.verbose, "verbose", "v", false, "log more")
}

// config is the configuration that the flags and the environment describe.
func (h *houseFlags) config(e *env, f *pflag.FlagSet, out *talk) (server.Config, error) {
	cfg := h.cfg
	cfg.Port = server.Port{Number: h.port, Fixed: f.Changed("port")}
	cfg.SitePort = server.Port{Number: h.sitePort, Fixed: f.Changed("site-port")}
	cfg.AuthKitPort = server.Port{Number: h.authKitPort, Fixed: f.Changed("authkit-port")}
	for _, p := range []*server.Port{&cfg.Port, &cfg.SitePort, &cfg.AuthKitPort} {
		if !p.Fixed {
			p.Number = 0 // the default: last time's port, then the usual one
		}
	}
	cfg.Version = version()
	if path, err := os.Executable(); err == nil { // else the house hashes by itself
		cfg.Hashes = []string{path, hashesName}
	}
	cfg.Notice = out.notice
	cfg.Log = newLog(e, h.verbose)
	if err := cfg.FromEnv(e.getenv); err != nil {
		return cfg, misused{err}
	}
	return cfg, nil
}

// newLog makes the log: warnings and errors, or everything.
func newLog(e *env, verbose bool) *slog.Logger {
	level := slog.LevelWarn
	if verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(e.stderr, &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.String(slog.TimeKey, a.Value.Time().Format(time.TimeOnly+".000"))
		}
		return a
	}}))
}

// serveCommand runs a house without a project.
func serveCommand(e *env) *cobra.Command {
	var h houseFlags
	cmd := &cobra.Command{
		Use:   "serve --data DIR",
		Short: "Run a house from a data directory",
		Args:  atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if h.cfg.Data == "" {
				return misused{errors.New("--data is missing: name the directory that holds, or shall hold, the house")}
			}
			out := newTalk(e)
			cfg, err := h.config(e, cmd.Flags(), out)
			if err != nil {
				return err
			}
			if err := h.checkSeed(); err != nil || h.validate {
				return err
			}
			return runHouse(cmd.Context(), cfg, func(ctx context.Context, a server.Addresses) error {
				if err := writeRunning(cfg.Data, a); err != nil {
					return err
				}
				if err := h.sow(ctx, out, a); err != nil {
					return err
				}
				return announce(e, out, h.json, a, "", "")
			}, nil)
		},
	}
	cmd.Flags().StringVar(&h.cfg.Data, "data", e.getenv("LENTIL_DATA"), "directory that holds everything durable")
	cmd.Flags().StringVar(&h.cfg.Deployment, "deployment", "", "name of the deployment in a new house (default: chosen)")
	h.register(cmd.Flags())
	return cmd
}

// runHouse opens a house, calls ready once everything answers, runs beside it
// what beside is, and closes the house when ctx or beside ends.
func runHouse(ctx context.Context, cfg server.Config, ready func(context.Context, server.Addresses) error, beside func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
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
