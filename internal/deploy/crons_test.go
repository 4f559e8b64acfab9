package deploy

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lentil-dev/lentil/internal/scheduler"
)

// cronsOf is a crons.js that exports this text.
func cronsOf(text string) Module {
	return module(cronsModule, "export default { isCrons: true, export() { return "+strconv.Quote(text)+" } };")
}

func TestPushInstallsCrons(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	functions := module("dir/a.js", `import { make } from "./../_deps/LIB.js";
export const tick = make("Mutation", "Internal", '{"type":"any"}', () => 1);
export const look = make("Query", "Public", '{"type":"any"}', () => 1);`)
	first := `{"one":{"name":"dir/a:tick","args":[{}],"schedule":{"type":"interval","minutes":1}},"two":{"name":"dir/a:tick","args":[{"n":1}],"schedule":{"type":"weekly","dayOfWeek":"monday","hourUTC":7}}}`
	p := h.start(bundleOf(functions, cronsOf(first)))
	if got, want := string(p.Analysis[""].Functions[cronsModule].CronSpecs), `[{"identifier":"one","spec":{"udfPath":"dir/a.js:tick","udfArgs":[{}],"cronSchedule":{"type":"interval","seconds":60}}},`; !strings.HasPrefix(got, want) {
		t.Errorf("specs %s", got)
	}
	for _, c := range []struct {
		text string
		want scheduler.CronDiff
	}{
		{first, scheduler.CronDiff{Added: []string{"one", "two"}, Updated: []string{}, Deleted: []string{}}},
		{first, scheduler.CronDiff{Added: []string{}, Updated: []string{}, Deleted: []string{}}},
		{strings.Replace(first, `"n":1`, `"n":2`, 1), scheduler.CronDiff{Added: []string{}, Updated: []string{"two"}, Deleted: []string{}}},
		{`{}`, scheduler.CronDiff{Added: []string{}, Updated: []string{}, Deleted: []string{"one", "two"}}},
	} {
		d := h.push(bundleOf(functions, cronsOf(c.text)))
		if diff := cmp.Diff(c.want, d.ComponentDiffs[""].CronDiff); diff != "" {
			t.Errorf("%s: %s", c.text, diff)
		}
	}
	_, err := h.StartPush(t.Context(), bundleOf(functions, cronsOf(`{"q":{"name":"dir/a:look","args":[{}],"schedule":{"type":"hourly"}}}`)))
	h.refused(err, "InvalidCron", "Only mutations and actions can run as cron jobs")
}
