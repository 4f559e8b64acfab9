package lentil_test

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/server"
	"github.com/lentil-dev/lentil/internal/setting"
)

// TestSupportedIsUpToDateInProduction holds the tables of the guide to production to
// those that the code runs on; `go test . -update` rewrites them.
func TestSupportedIsUpToDateInProduction(t *testing.T) {
	const begin, end = "<!-- generated: begin -->\n", "<!-- generated: end -->\n"
	for name, table := range map[string]string{"docs/production/metrics.md": server.MetricsTable(), "docs/production/settings.md": server.SettingsTable()} {
		page, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		before, rest, begun := bytes.Cut(page, []byte(begin))
		_, after, ended := bytes.Cut(rest, []byte(end))
		if !begun || !ended {
			t.Fatalf("%s has no generated part", name)
		}
		want := string(before) + begin + table + end + string(after)
		if want == string(page) {
			continue
		}
		if !*update {
			t.Errorf("%s is out of date; run: go test . -run TestSupportedIsUpToDate -update", name)
			continue
		}
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// read is a file of the tree.
func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// directives are the lines KEY=VALUE of a unit of systemd, by section and key.
func directives(text string) map[string][]string {
	out, section := map[string][]string{}, ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			section = line
		default:
			k, v, _ := strings.Cut(line, "=")
			out[section+k] = append(out[section+k], v)
		}
	}
	return out
}

// serveFlags are the flags of serve that the deployment's files may name.
func serveFlags() []string {
	own := []string{"config", "check", "print-config", "log-format", "log-level", "data", "json"}
	for _, r := range new(server.Config).Settings() {
		own = append(own, r.Flag)
	}
	return own
}

// TestUnitIsWhatServeUnderstands reads the unit for systemd: its flags are flags, and
// what the house says to its manager is what the unit expects.
func TestUnitIsWhatServeUnderstands(t *testing.T) {
	unit := directives(read(t, "deploy/systemd/lentil.service"))
	for key, want := range map[string]string{
		"[Service]Type": "notify", "[Service]ExecReload": "/bin/kill -HUP $MAINPID", "[Service]ProtectSystem": "strict",
		"[Service]NoNewPrivileges": "yes", "[Service]StateDirectory": "lentil", "[Service]CapabilityBoundingSet": "", "[Service]Restart": "on-failure",
	} {
		if got := unit[key]; len(got) != 1 || got[0] != want {
			t.Errorf("%s=%q, want %q", key, got, want)
		}
	}
	// Files of settings and keys cannot be given to a user who is there only while the unit runs.
	if unit["[Service]DynamicUser"] != nil || !slices.Equal(unit["[Service]User"], []string{"lentil"}) {
		t.Error("the unit has no user of its own")
	}
	// V8 asks for memory protection keys; a filter that kills for it kills every start.
	if f := unit["[Service]SystemCallFilter"]; !strings.Contains(strings.Join(f, " "), "@pkey") || unit["[Service]SystemCallErrorNumber"] == nil {
		t.Errorf("V8 does not start under %v", f)
	}
	if unit["[Service]WatchdogSec"] == nil || unit["[Service]MemoryDenyWriteExecute"] != nil {
		t.Error("the watchdog is off, or V8 may not compile")
	}
	for _, line := range slices.Concat(unit["[Service]ExecStart"], unit["[Service]ExecStartPre"]) {
		checkServe(t, line)
	}
	socket := directives(read(t, "deploy/systemd/lentil.socket"))
	if got := socket["[Socket]ListenStream"]; !slices.Equal(got, []string{"443", "80"}) || socket["[Socket]Service"][0] != "lentil.service" {
		t.Errorf("%v", socket)
	}
}

// checkServe holds that a command line of serve names flags that there are.
func checkServe(t *testing.T, line string) {
	t.Helper()
	if !strings.Contains(line, "lentil serve ") {
		t.Errorf("not a call of serve: %s", line)
	}
	for _, m := range regexp.MustCompile(`--([a-z-]+)`).FindAllStringSubmatch(line, -1) {
		if !slices.Contains(serveFlags(), m[1]) {
			t.Errorf("%s: there is no flag --%s", line, m[1])
		}
	}
}

// settingsOf reads a file of settings as serve does, without what is the command's own.
func settingsOf(t *testing.T, name, text string) server.Config {
	t.Helper()
	c := server.Config{Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	rows := c.Settings()
	env := func(k string) string {
		if k == "CREDENTIALS_DIRECTORY" {
			return "/run/credentials"
		}
		return ""
	}
	file, problems := setting.Read(name, []byte(text), rows, env)
	if problems != nil {
		t.Fatalf("%s: %v", name, problems)
	}
	if _, err := setting.Resolve(rows, func(string) bool { return false }, env, file); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return c
}

// TestSettingsOfTheGuideAreGood reads the sample file, and every one in the guide.
func TestSettingsOfTheGuideAreGood(t *testing.T) {
	if err := server.Check(settingsOf(t, "deploy/lentil.yaml", read(t, "deploy/lentil.yaml"))); err != nil {
		t.Error(err)
	}
	pages, err := filepath.Glob("docs/production/*.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	block := regexp.MustCompile("(?s)```yaml\n# lentil.yaml\n(.*?)```")
	for _, page := range append(pages, "docs/PRODUCTION.md") {
		for _, m := range block.FindAllStringSubmatch(read(t, page), -1) {
			n++
			c := settingsOf(t, page, m[1])
			c.TLS.Certificates, c.TLS.Keys = nil, nil // which are not on this machine
			c.TLS.ByProxy = c.Hosts.Deployment != nil && !c.ACME.AcceptTerms
			if err := server.Check(c); err != nil {
				t.Errorf("%s: %v\n%s", page, err, m[1])
			}
		}
	}
	if n < 3 {
		t.Errorf("%d files of settings were found in the guide", n)
	}
}

// TestCommandsOfTheGuideAreCommands holds that calls of serve in the guide name flags
// that there are.
func TestCommandsOfTheGuideAreCommands(t *testing.T) {
	pages, err := filepath.Glob("docs/production/*.md")
	if err != nil {
		t.Fatal(err)
	}
	call := regexp.MustCompile("lentil serve( [^`\n]*)?")
	n := 0
	for _, page := range append(pages, "docs/PRODUCTION.md") {
		for _, m := range call.FindAllString(read(t, page), -1) {
			if strings.Contains(m, "--help") || !strings.Contains(m, "--") {
				continue
			}
			n++
			checkServe(t, m)
		}
	}
	if n < 4 {
		t.Errorf("%d calls of serve were found in the guide", n)
	}
}

// TestContainerKeepsToItself reads the recipe of the image and its compose file.
func TestContainerKeepsToItself(t *testing.T) {
	recipe := read(t, "deploy/container/Containerfile")
	for _, want := range []string{"\nUSER 10001:10001\n", "\nVOLUME /var/lib/lentil\n", "\nHEALTHCHECK ", `ENTRYPOINT ["lentil", "serve"]`, "AS build"} {
		if !strings.Contains(recipe, want) {
			t.Errorf("the recipe lacks %q", want)
		}
	}
	if strings.Count(recipe, "\nFROM ") != 2 {
		t.Error("the recipe does not have two stages")
	}
	known := []string{"LENTIL_LOG_FORMAT", "LENTIL_LOG_LEVEL"}
	for _, r := range new(server.Config).Settings() {
		known = append(known, r.Variable)
	}
	for _, name := range regexp.MustCompile(`LENTIL_[A-Z_]+`).FindAllString(recipe, -1) {
		if !slices.Contains(known, name) {
			t.Errorf("there is no variable %s", name)
		}
	}
	compose := read(t, "deploy/container/compose.yaml")
	for _, want := range []string{"read_only: true", "cap_drop: [ALL]", "no-new-privileges:true", "data:/var/lib/lentil", "stop_grace_period"} {
		if !strings.Contains(compose, want) {
			t.Errorf("the compose file lacks %q", want)
		}
	}
}

// TestProxiesPassOnWhatIsNeeded reads the snippets for proxies: a house needs the name
// that was asked for, sockets, and who asked.
func TestProxiesPassOnWhatIsNeeded(t *testing.T) {
	for name, wants := range map[string][]string{
		"deploy/proxy/nginx.conf":  {"proxy_set_header Host $http_host;", "listen 443 ssl http2;", "proxy_set_header Upgrade $http_upgrade;", "X-Forwarded-For $proxy_add_x_forwarded_for;", "X-Forwarded-Proto $scheme;", "proxy_http_version 1.1;", "proxy_buffering off;", "127.0.0.1:8080"},
		"deploy/proxy/Caddyfile":   {"reverse_proxy 127.0.0.1:8080", "lb_try_duration 30s", "header_up -Forwarded"},
		"deploy/proxy/haproxy.cfg": {"server lentil 127.0.0.1:8080", "option forwardfor", "X-Forwarded-Proto https", "del-header Forwarded", "timeout tunnel 1h", "retry-on conn-failure"},
	} {
		text := read(t, name)
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%s lacks %q", name, want)
			}
		}
		if strings.Count(text, "{") != strings.Count(text, "}") {
			t.Errorf("%s has braces that do not match", name)
		}
		if strings.Contains(text, "health_uri") || strings.Contains(text, "httpchk") {
			t.Errorf("%s looks at the health of the only house there is, and refuses people while it stops", name)
		}
		if !strings.Contains(text, "tls.by-proxy: true, listen.http-port: 8080") || !strings.Contains(text, "proxies.trusted: 127.0.0.1") {
			t.Errorf("%s does not say what the house must be told", name)
		}
	}
}

// TestAlertsAreAboutFiguresThatThereAre reads the rules for Prometheus.
func TestAlertsAreAboutFiguresThatThereAre(t *testing.T) {
	known := server.MetricsTable()
	names := regexp.MustCompile(`(lentil|process)_[a-z_]+`).FindAllString(read(t, "deploy/prometheus/lentil.rules.yml"), -1)
	if len(names) < 8 {
		t.Fatalf("%v", names)
	}
	for _, name := range names {
		if !strings.Contains(known, "`"+name+"`") {
			t.Errorf("there is no figure %s", name)
		}
	}
}

// TestImageIsBuiltFromSourcesAlone holds that what the recipe copies is what git knows,
// not the data directory of whoever builds.
func TestImageIsBuiltFromSourcesAlone(t *testing.T) {
	ignored := strings.Split(read(t, ".dockerignore"), "\n")
	for _, want := range []string{"*", "!go.mod", "!go.sum", "!cmd", "!internal", "!examples", "**/node_modules", "**/.lentil", "**/.env.local"} {
		if !slices.Contains(ignored, want) {
			t.Errorf(".dockerignore lacks %s", want)
		}
	}
}
