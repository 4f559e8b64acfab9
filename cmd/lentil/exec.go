package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/lentil-dev/lentil/internal/forward"
	"github.com/lentil-dev/lentil/internal/server"
)

// The exit codes of exec beside the command's own, which are those of env(1) and of
// every shell.
const (
	codeOurs          = 125 // exec itself could not do it
	codeNotExecutable = 126
	codeNotFound      = 127
	codeSignal        = 128 // and the signal's number
)

// ended is how a command that ran in our place ended: the exit code is ours, too.
type ended struct {
	code  int
	cause error // what to say about it; nil if the command has said it
}

// Error says what is to be said.
func (e ended) Error() string {
	if e.cause == nil {
		return fmt.Sprintf("the command ended with code %d", e.code)
	}
	return e.cause.Error()
}

// Unwrap is the cause.
func (e ended) Unwrap() error { return e.cause }

// execFlags are what exec can be told.
type execFlags struct {
	house              houseFlags
	dir, data, browser string
	print, quiet       bool
}

// execCommand runs a command that finds the house where it looks for the vendors.
func execCommand(e *env) *cobra.Command {
	var f execFlags
	cmd := &cobra.Command{
		Use:   "exec [flags] -- COMMAND [ARGUMENT…]",
		Short: "Run a command that finds this house in place of api.convex.dev and api.workos.com",
		Long: `Run a command that finds this house in place of api.convex.dev and api.workos.com:
  lentil exec -- npx convex dev
  lentil exec -- next dev

The house is the one that runs for the project here or above. If none does, one is
started; it lives until the last command that was started like this has ended. What
the command gets are environment variables and a proxy of its own; no file of the
project and no setting of the machine is changed.

The exit code is the command's; 125 if Lentil could not do its part, 126 and 127 if
the command cannot be run or is not there.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case f.print && (f.browser != "" || len(args) > 0):
				return misused{errors.New("--print takes no command: it prints what a command would get")}
			case f.browser == "" && !f.print && len(args) == 0:
				return misused{hinted{errors.New("say which command to run"), "lentil exec -- npx convex dev"}}
			case f.dir != "" && f.data != "":
				return misused{errors.New("say either --dir or --data")}
			}
			err := f.run(cmd, e, args)
			switch end := (ended{}); {
			case err == nil, errors.As(err, &end), errors.As(err, &misused{}):
				return err
			case cmd.Context().Err() != nil:
				return ended{code: codeSignal + int(syscall.SIGINT)} // before there was a command
			}
			return ended{codeOurs, err}
		},
	}
	cmd.Flags().SetInterspersed(false)
	f.house.register(cmd.Flags())
	for _, r := range f.house.rows {
		if flag := cmd.Flags().Lookup(r.Flag); flag != nil {
			flag.Hidden = true // they are dev's, for a house that is started
		}
	}
	cmd.Flags().Lookup("validate-config").Hidden = true
	cmd.Flags().StringVar(&f.dir, "dir", "", "the project (default: looked for from here upwards)")
	cmd.Flags().StringVar(&f.data, "data", "", "data directory of a house that was started with serve")
	cmd.Flags().BoolVar(&f.print, "print", false, `print the variables, for eval "$(lentil exec --print)"; they hold as long as this terminal`)
	cmd.Flags().StringVar(&f.browser, "browser", "", "open this URL in Chromium or Chrome, with a profile of the project's own, so that an app without apiHostname works; arguments are further switches")
	cmd.Flags().BoolVarP(&f.quiet, "quiet", "q", false, "say nothing but errors")
	cmd.Flags().Lookup("json").Usage = "print the addresses, or the variables, as JSON"
	return cmd
}

// run finds or starts the house and runs the command.
func (f *execFlags) run(cmd *cobra.Command, e *env, args []string) error {
	if f.print {
		return f.printVariables(cmd, e)
	}
	out := newTalk(e)
	l, err := f.lodge(cmd, e, out)
	if err != nil {
		return err
	}
	defer l.leave()
	if f.browser != "" {
		if args, err = browserCommand(l, f.browser, args, e.getenv); err != nil {
			return err
		}
	}
	program, err := lookProgram(args[0])
	if err != nil {
		return err
	}
	x, err := f.open(cmd.Context(), e, l)
	if err != nil {
		return err
	}
	defer x.close()
	if f.house.json {
		json.NewEncoder(e.stderr).Encode(l.house().withoutKeys())
	} else if l.started && !f.quiet {
		out.started(l.house().Addresses)
		if f.browser == "" && l.dir != "" && develops(args) {
			notePage(cmd.Context(), out, l.dir)
		}
	}
	if f.browser != "" {
		// Its switches take it to the house. Chromium takes no credentials from the
		// environment, so that a proxy there would only be in its way.
		return runInPlace(e, program, args, nil)
	}
	return runInPlace(e, program, args, x.variables)
}

// lookProgram finds a program as a shell does.
func lookProgram(name string) (string, error) {
	path, err := exec.LookPath(name)
	switch {
	case err == nil, errors.Is(err, exec.ErrDot):
		return path, nil
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, os.ErrNotExist):
		hint := "check its name; programs of the project's packages are run as npx " + name
		if strings.ContainsRune(name, filepath.Separator) {
			hint = "check the path"
		}
		return "", ended{codeNotFound, hinted{fmt.Errorf("%s: command not found", name), hint}}
	default:
		return "", ended{codeNotExecutable, hinted{fmt.Errorf("%s cannot be run: %w", name, rootCause(err)), "give it the right to be executed: chmod +x " + name}}
	}
}

// rootCause is the innermost error.
func rootCause(err error) error {
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next
	}
	return err
}

// execution is the proxy of one command, and what its environment says about it.
type execution struct {
	variables []variable
	cancel    context.CancelFunc
	served    chan error
}

// open starts the proxy and watches over the house.
func (f *execFlags) open(ctx context.Context, e *env, l *lodging) (*execution, error) {
	// The command decides when it ends, not the first signal.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	x := &execution{cancel: cancel, served: make(chan error, 1)}
	p := &forward.Proxy{House: l.dial, Upstream: http.ProxyFromEnvironment, Log: newLog(e, f.house.verbose)}
	listener, err := p.Open(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	go func() { x.served <- p.Serve(ctx, listener) }()
	go l.watch(ctx)
	if x.variables, err = l.variables(p.URL(), e.getenv); err != nil {
		x.close()
		return nil, err
	}
	return x, nil
}

// close ends the proxy.
func (x *execution) close() {
	x.cancel()
	<-x.served
}

// withoutKeys are a house's addresses for other eyes.
func (r running) withoutKeys() server.Addresses {
	a := r.Addresses
	a.AdminKey, a.APIKey, a.DashboardLink = "", "", ""
	return a
}
