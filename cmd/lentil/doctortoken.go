package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/lentil-dev/lentil/internal/doctor"
)

// maxTokenInput bounds what is read of standard input; tokens have a few kB.
const maxTokenInput = 64 << 10

// tokenCommand says why a token is accepted or refused.
func tokenCommand(e *env) *cobra.Command {
	var d doctorFlags
	var dir string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "token [JWT]", Short: "Say why a token is accepted or refused", Args: atMost(1),
		Long: `Take an access token apart, given as an argument or on standard input, and say for
each auth provider why it would take it or not. The providers are those that are
live in the project's deployment, or those of convex/auth.config.ts if none runs.
The exit code is 1 if the token is refused.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			jwt := ""
			if len(args) == 1 && args[0] != "-" {
				jwt = args[0]
			} else {
				if isTerminal(os.Stdin) {
					newTalk(e).notice("paste the token, then press Ctrl-D")
				}
				b, err := io.ReadAll(io.LimitReader(os.Stdin, maxTokenInput))
				if err != nil {
					return err
				}
				jwt = string(b)
			}
			p, err := doctor.Look(cmd.Context(), d.options(e, dir))
			if err != nil {
				return err
			}
			found, err := p.Token(cmd.Context(), jwt)
			if err != nil {
				return hinted{err, "an access token has three parts joined by dots; useAccessToken() and getAccessToken() give it"}
			}
			if asJSON {
				enc := json.NewEncoder(e.stdout)
				enc.SetIndent("", "  ")
				enc.SetEscapeHTML(false)
				err = enc.Encode(found)
			} else {
				found.Print(e.stdout, time.Now(), stdoutStyle(e))
			}
			return errors.Join(err, refusedCode(found))
		},
	}
	d.register(cmd)
	cmd.Flags().StringVar(&dir, "dir", ".", "folder of the project")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// refusedCode is the exit code for a token.
func refusedCode(d *doctor.Diagnosis) error {
	if d.Accepted {
		return nil
	}
	return ended{code: 1}
}
