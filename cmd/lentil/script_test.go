package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/lentil-dev/lentil/internal/persistence/pebblestore"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"lentil": main, "get": get, "newer": newer})
}

// get prints the body of the URL that is its argument and fails if the status is
// not 200: scripts cannot count on curl.
func get() {
	res, err := http.Get(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer res.Body.Close()
	io.Copy(os.Stdout, res.Body)
	if res.StatusCode != http.StatusOK {
		fmt.Fprintln(os.Stderr, res.Status)
		os.Exit(1)
	}
}

// newer marks the store in a directory as written by a version to come.
func newer() {
	s, err := pebblestore.Open(os.Args[1], pebblestore.Options{})
	if err == nil {
		err = errors.Join(s.SetCell(context.Background(), "pebblestore.format", []byte("999")), s.Close())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// TestScripts drives the command as a person would; each script is a story.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("NO_COLOR", "1")
			e.Setenv("HOME", e.WorkDir)
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond != "root" {
				return false, fmt.Errorf("unknown condition %q", cond)
			}
			return os.Getuid() == 0, nil
		},
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
	})
}
