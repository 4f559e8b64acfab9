package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/lentil-dev/lentil/internal/forward"
)

// browsers are the names of Chromium and its like, and where macOS keeps them.
var browsers = []string{
	"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge", "brave-browser",
	"/Applications/Google Chrome.app/Contents/MacOS/Google Chrome", "/Applications/Chromium.app/Contents/MacOS/Chromium",
}

// browserCommand is a browser that finds the house at the vendors' names, with a
// profile of the project's own: the switches must not hold for anything else.
func browserCommand(l *lodging, url string, more []string, getenv func(string) string) ([]string, error) {
	names := browsers
	if own := getenv("CHROMIUM"); own != "" {
		names = []string{own}
	}
	program := ""
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		return nil, ended{codeNotFound, hinted{errors.New("neither Chromium nor Chrome is on the PATH"), "install one of them, or say where it is: CHROMIUM=/path/to/chrome"}}
	}
	state, err := filepath.Abs(l.state)
	if err != nil {
		return nil, err
	}
	r := l.house()
	var rules []string
	for _, host := range forward.Hosts {
		rules = append(rules, fmt.Sprintf("MAP %s:443 127.0.0.1:%d", host, r.VendorTLSPort))
	}
	args := []string{program,
		"--user-data-dir=" + filepath.Join(state, "browser"),
		"--host-resolver-rules=" + strings.Join(rules, ", "),
		"--ignore-certificate-errors-spki-list=" + r.VendorKeyHash,
		"--no-first-run", "--no-default-browser-check",
	}
	if os.Getuid() == 0 {
		args = append(args, "--no-sandbox") // it does not start for root with one
	}
	return append(append(args, more...), url), nil
}
