package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/pflag"

	"github.com/lentil-dev/lentil/internal/server"
	"github.com/lentil-dev/lentil/internal/setting"
)

// houseFlags are the settings that dev, serve and emulate share, and those of serve
// alone.
type houseFlags struct {
	cfg                 server.Config
	serve               bool // the settings of serve are there, too
	json, verbose       bool
	seed                string
	seedText            []byte
	validate            bool
	logLevel, logFormat string
	file                string // of settings
	rows                []*setting.Row
	effective           []setting.Effective
}

// register adds the flags to a command's set.
func (h *houseFlags) register(f *pflag.FlagSet) {
	h.rows = append(h.cfg.Settings(), h.ownSettings()...)
	for _, r := range h.rows {
		if r.Flag == "" || r.Serve && !h.serve {
			continue
		}
		usage := r.Help
		if r.Default != "" {
			usage = fmt.Sprintf("%s (default: %s)", r.Help, r.Default)
		}
		flag := f.VarPF(r, r.Flag, r.Short, usage)
		if r.Type() == "bool" {
			flag.NoOptDefVal = "true"
		}
	}
	f.BoolVar(&h.validate, "validate-config", false, "check the seed file and do nothing else")
	f.BoolVar(&h.json, "json", false, "print the addresses as one line of JSON when ready")
	f.BoolVarP(&h.verbose, "verbose", "v", false, "log more: the same as --log-level debug")
}

// ownSettings are those of the command, not of the house.
func (h *houseFlags) ownSettings() []*setting.Row {
	format := logForPeople // somebody develops, and sits before it
	if h.serve {
		format = logText
	}
	return []*setting.Row{
		{Key: "seed", Flag: "seed", Short: "s", Variable: "LENTIL_SEED", Into: &h.seed, Help: "seed file of the official WorkOS emulator for the sign-in service"},
		{Key: "log.level", Flag: "log-level", Variable: "LENTIL_LOG_LEVEL", Into: &h.logLevel, Default: "warn", Help: "what is logged: debug, info, warn or error"},
		{Key: "log.format", Flag: "log-format", Variable: "LENTIL_LOG_FORMAT", Into: &h.logFormat, Default: format, Help: "people, for reading; text, key=value; or json, one object a line"},
	}
}

// config is the configuration that flags, environment and file describe.
func (h *houseFlags) config(e *env, f *pflag.FlagSet, out *talk) (server.Config, error) {
	var file *setting.File
	if h.serve {
		if h.file = cmp.Or(h.file, e.getenv("LENTIL_CONFIG")); h.file != "" {
			var err error
			if file, err = setting.Open(h.file, h.rows, e.getenv); err != nil {
				return h.cfg, misused{err}
			}
		}
	}
	var err error
	if h.effective, err = setting.Resolve(h.rows, f.Changed, e.getenv, file); err != nil {
		return h.cfg, misused{err}
	}
	cfg := h.cfg
	cfg.Version = version()
	if path, err := os.Executable(); err == nil { // else the house hashes by itself
		cfg.Hashes = []string{path, hashesName}
	}
	cfg.Notice = out.notice
	if cfg.Log, err = h.newLog(e); err != nil {
		return cfg, misused{err}
	}
	if h.logFormat == "json" { // whoever reads that reads nothing else
		cfg.Notice = func(format string, args ...any) { cfg.Log.Warn(fmt.Sprintf(format, args...)) }
	}
	return cfg, nil
}

// logAddresses tells where the house answers in the log. The link that signs the owner
// in to the dashboard does not belong there.
func (h *houseFlags) logAddresses(log *slog.Logger, a server.Addresses) {
	log.Info("house answers", "deployment", a.Deployment, "url", a.URL, "site", a.SiteURL, "sign_in", a.AuthKitURL, "dashboard", a.ControlURL, "client", a.ClientID)
}

// printConfig prints what holds and where it was said.
func (h *houseFlags) printConfig(e *env) error {
	if h.json {
		enc := json.NewEncoder(e.stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(h.effective)
	}
	return setting.Write(e.stdout, h.effective)
}

// The forms of a log.
const (
	logForPeople = "people"
	logText      = "text"
	logJSON      = "json"
)

// newLog makes the log that the settings ask for.
func (h *houseFlags) newLog(e *env) (*slog.Logger, error) {
	level := slog.LevelWarn
	if h.logLevel != "" {
		if err := level.UnmarshalText([]byte(h.logLevel)); err != nil {
			return nil, fmt.Errorf("log-level is debug, info, warn or error, not %q", h.logLevel)
		}
	}
	if h.verbose {
		level = slog.LevelDebug
	}
	format := h.logFormat
	switch {
	case format == "" && h.serve:
		format = logText
	case format == "":
		format = logForPeople
	}
	switch format {
	case logForPeople:
		return newPersonLog(e.stderr, level), nil
	case logText:
		return textLog(e, level), nil
	case logJSON:
		return slog.New(slog.NewJSONHandler(e.stderr, &slog.HandlerOptions{Level: level})), nil
	}
	return nil, fmt.Errorf("log-format is people, text or json, not %q", h.logFormat)
}

// newLog makes a log for people: warnings and errors, or everything.
func newLog(e *env, verbose bool) *slog.Logger {
	if verbose {
		return textLog(e, slog.LevelDebug)
	}
	return textLog(e, slog.LevelWarn)
}

// textLog makes a log for people.
func textLog(e *env, level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(e.stderr, &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.String(slog.TimeKey, a.Value.Time().Format(time.TimeOnly+".000"))
		}
		return a
	}}))
}
