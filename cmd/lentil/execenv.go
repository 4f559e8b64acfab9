package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed" // the file that Node.js loads
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/lentil-dev/lentil/internal/forward"
	"github.com/lentil-dev/lentil/internal/projectfile"
	"github.com/lentil-dev/lentil/internal/server"
)

// nodeShim is loaded into Node.js processes below a command: what Node.js itself does
// about proxies depends on its version.
//
//go:embed shim/node.cjs
var nodeShim []byte

// systemRoots are the files in which systems keep the certificates that they trust,
// those of crypto/x509 on Unix.
var systemRoots = []string{
	"/etc/ssl/certs/ca-certificates.crt",                // Debian, Ubuntu, Arch
	"/etc/pki/tls/certs/ca-bundle.crt",                  // Fedora, RHEL
	"/etc/ssl/ca-bundle.pem",                            // OpenSUSE
	"/etc/pki/tls/cacert.pem",                           // OpenELEC
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // CentOS, RHEL 7
	"/etc/ssl/cert.pem",                                 // Alpine, macOS, BSD
}

// variables are the environment of a command whose proxy is at proxyURL.
func (l *lodging) variables(proxyURL string, getenv func(string) string) ([]variable, error) {
	r := l.house()
	vendor, err := os.ReadFile(r.VendorCA)
	if err != nil {
		return nil, fmt.Errorf("read the certificate of the house's authority: %w", err)
	}
	keep := func(name string, parts ...[]byte) (string, error) { return l.keep(name, parts) }
	extra, err := keep("node-ca.pem", vendor, readCertificates(getenv("NODE_EXTRA_CA_CERTS")))
	if err != nil {
		return nil, err
	}
	shim, err := keep("node.cjs", nodeShim)
	if err != nil {
		return nil, err
	}
	bypass := noProxy(cmp.Or(getenv("NO_PROXY"), getenv("no_proxy")))
	vars := []variable{
		{name: "HTTPS_PROXY", value: proxyURL, secret: true}, {name: "https_proxy", value: proxyURL, secret: true},
		{name: "HTTP_PROXY", value: proxyURL, secret: true}, {name: "http_proxy", value: proxyURL, secret: true},
		{name: "NO_PROXY", value: bypass}, {name: "no_proxy", value: bypass},
		{name: "NODE_EXTRA_CA_CERTS", value: extra},
		{name: "NODE_USE_ENV_PROXY", value: "1"},
		{name: "NODE_OPTIONS", value: withShim(getenv("NODE_OPTIONS"), shim)},
		{name: "DENO_CERT", value: extra},
	}
	// These replace what a program trusts, so they get everything that it did trust.
	for _, v := range []struct{ name, before string }{
		{"SSL_CERT_FILE", ""}, {"REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"}, {"CURL_CA_BUNDLE", "SSL_CERT_FILE"},
	} {
		roots := readCertificates(cmp.Or(getenv(v.name), getenv(v.before)))
		for _, file := range systemRoots {
			if roots == nil {
				roots = readCertificates(file)
			}
		}
		if roots == nil {
			continue // such as where a program asks the system's own service
		}
		file, err := keep("ca.pem", roots, vendor)
		if err != nil {
			return nil, err
		}
		vars = append(vars, variable{name: v.name, value: file})
	}
	masters, err := server.MasterKeys(getenv)
	if err != nil {
		return nil, err
	}
	token, err := server.HouseToken(l.state, masters)
	if err != nil {
		return nil, err
	}
	vars = append(vars,
		variable{name: "CONVEX_PROVISION_HOST", value: r.ControlURL},
		variable{name: "CONVEX_VERSION_API_ORIGIN", value: r.ControlURL})
	if !withProjectKey(".", getenv) {
		vars = append(vars, variable{name: "CONVEX_OVERRIDE_ACCESS_TOKEN", value: token, secret: true})
	}
	if !asksBack(os.Stdin) && l.dir != "" && !chosen(getenv) {
		// Without a terminal and without a deployment the official CLI would download a
		// backend of its own. At a terminal it asks, as it does everywhere.
		vars = append(vars, variable{name: "CONVEX_DEPLOYMENT", value: "dev:" + r.Deployment})
	}
	for _, h := range hostSettings(r.AuthKitURL) {
		vars = append(vars, h, variable{name: "VITE_" + h.name, value: h.value})
	}
	return append(vars, variable{name: "LENTIL_HOUSE_URL", value: r.URL}), nil
}

// withProjectKey says whether the official CLI, run in dir, has a project's key. It
// insists on being nobody else then.
func withProjectKey(dir string, getenv func(string) string) bool {
	key := getenv("CONVEX_DEPLOY_KEY")
	for _, name := range []string{".env.local", ".env"} {
		if key != "" {
			break
		}
		b, _ := os.ReadFile(filepath.Join(dir, name))
		key, _ = projectfile.ParseDotenv(b).Get("CONVEX_DEPLOY_KEY")
	}
	return strings.HasPrefix(key, "project:")
}

// asksBack says whether a person can answer questions there; /dev/null is a device
// like a terminal, but has no size.
func asksBack(f *os.File) bool {
	_, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	return err == nil
}

// chosen says whether the official CLI, run here, knows its deployment.
func chosen(getenv func(string) string) bool {
	return len(cloudSettings(".", getenv)) > 0 || len(whereSet(".", getenv, "CONVEX_SELF_HOSTED_URL")) > 0
}

// keep writes a file for commands under a name that tells its content, so that
// commands with the same need share it and none changes another's.
func (l *lodging) keep(name string, parts [][]byte) (string, error) {
	var all []byte
	for _, p := range parts {
		if bytes.Contains(all, p) {
			continue // exec below exec
		}
		all = append(all, p...)
		if len(all) > 0 && all[len(all)-1] != '\n' {
			all = append(all, '\n')
		}
	}
	sum := sha256.Sum256(all)
	state, err := filepath.Abs(l.state)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(state, "exec")
	path := filepath.Join(dir, hex.EncodeToString(sum[:6])+"-"+name)
	if old, err := os.ReadFile(path); err == nil && sha256.Sum256(old) == sum {
		return path, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	return path, writeFile(path, all)
}

// readCertificates reads a file of certificates; nil if there is none.
func readCertificates(path string) []byte {
	if path == "" {
		return nil
	}
	b, err := os.ReadFile(path)
	if err != nil || len(b) > 4<<20 {
		return nil
	}
	return b
}

// noProxy is what a command reaches without its proxy: this machine, and what the
// user had set, but for what would keep the vendors' names from us.
func noProxy(before string) string {
	list := []string{"localhost", ".localhost", "127.0.0.1", "::1"}
	for _, entry := range strings.FieldsFunc(before, func(r rune) bool { return r == ',' || r == ' ' }) {
		host := entry
		if h, _, err := net.SplitHostPort(entry); err == nil {
			host = h
		}
		host = strings.ToLower(strings.TrimLeft(host, "*."))
		covers := host == ""
		for _, vendor := range forward.Hosts {
			covers = covers || vendor == host || strings.HasSuffix(vendor, "."+host)
		}
		if !covers {
			list = append(list, entry)
		}
	}
	return strings.Join(list, ",")
}

// withShim adds our file to what Node.js loads, once where exec runs below exec.
func withShim(options, shim string) string {
	quoted := quoteNodeOption(shim)
	if strings.Contains(options, quoted) {
		return options
	}
	return strings.TrimSpace(options + " --require " + quoted)
}

// quoteNodeOption quotes a path as NODE_OPTIONS wants it:
// https://nodejs.org/api/cli.html#node_optionsoptions
func quoteNodeOption(path string) string {
	if !strings.ContainsAny(path, ` "\`) {
		return path
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(path) + `"`
}

// printed writes variables for a shell, or as JSON.
func printed(e *env, vars []variable, asJSON bool) error {
	if asJSON {
		object := map[string]string{}
		for _, v := range vars {
			object[v.name] = v.value
		}
		enc := json.NewEncoder(e.stdout)
		enc.SetEscapeHTML(false)
		return enc.Encode(object)
	}
	var errs error
	for _, v := range vars {
		_, err := fmt.Fprintf(e.stdout, "export %s=%s\n", v.name, quoteShell(v.value))
		errs = errors.Join(errs, err)
	}
	return errs
}

// quoteShell quotes a value for a POSIX shell.
func quoteShell(value string) string { return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'" }
