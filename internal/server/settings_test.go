package server

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/setting"
)

func TestSettingsHaveNamesOfTheirOwn(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	var c Config
	for _, r := range c.Settings() {
		for _, name := range []string{r.Key, "--" + r.Flag, r.Variable} {
			if name != "--" && name != "" && seen[name] {
				t.Errorf("%s stands for two settings", name)
			}
			seen[name] = true
		}
		if r.Key == "" || r.Help == "" || r.Variable == "" || !strings.HasPrefix(r.Variable, "LENTIL_") {
			t.Errorf("%+v lacks a key, a variable or words about it", r)
		}
		if strings.Count(r.Key, ".") > 1 {
			t.Errorf("%s lies too deep for a file that people write", r.Key)
		}
	}
}

func TestVariablesFillWhatNoFlagSaid(t *testing.T) {
	t.Parallel()
	env := map[string]string{"LENTIL_MAX_SOCKETS": "9", "LENTIL_MAX_REQUESTS": "11", "LENTIL_RETENTION": "2d"}
	getenv := func(k string) string { return env[k] }
	var c Config
	rows := c.Settings()
	for _, r := range rows {
		if r.Flag == "max-sockets" {
			if err := r.Set("7"); err != nil {
				t.Fatal(err)
			}
		}
	}
	flag := func(name string) bool { return name == "max-sockets" }
	if _, err := setting.Resolve(rows, flag, getenv, nil); err != nil || c.Limits.Sockets != 7 || c.Limits.Requests != 11 || c.Limits.Retention.Hours() != 48 {
		t.Errorf("%+v, %v", c.Limits, err)
	}
	env["LENTIL_MAX_QUEUE"], env["LENTIL_NODE_TIMEOUT"] = "many", "soon"
	_, err := setting.Resolve(rows, flag, getenv, nil)
	if err == nil || !strings.Contains(err.Error(), `LENTIL_MAX_QUEUE: "many" is not a whole number`) || !strings.Contains(err.Error(), `LENTIL_NODE_TIMEOUT: "soon" is not a duration`) {
		t.Errorf("err = %v", err)
	}
}

// TestNobodyElseReadsTheEnvironment keeps variables in the one table.
func TestNobodyElseReadsTheEnvironment(t *testing.T) {
	t.Parallel()
	var c Config
	known := map[string]bool{}
	for _, r := range c.Settings() {
		known[r.Variable] = true
	}
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	variable := regexp.MustCompile(`getenv\("(LENTIL_[A-Z_]+)"\)`)
	for _, f := range files {
		text, err := os.ReadFile(f.Name())
		if err != nil || !strings.HasSuffix(f.Name(), ".go") {
			continue
		}
		for _, m := range variable.FindAllStringSubmatch(string(text), -1) {
			if !known[m[1]] {
				t.Errorf("%s reads %s, which has no row in settings.go", f.Name(), m[1])
			}
		}
	}
}
