package lentil_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/lentil-dev/lentil/internal/server"
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
