package udf

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/scheduler"
	"github.com/lentil-dev/lentil/internal/schema"
	"github.com/lentil-dev/lentil/internal/value"
)

// later is a function that schedules others: {calls: [path, ...]}; it gives the last id.
func later(op string) goFunction {
	return func(h *hostCalls, args string) (id string, err error) {
		var list []struct {
			Calls []string
			Args  json.RawMessage
		}
		json.Unmarshal([]byte(args), &list)
		if list[0].Args == nil {
			list[0].Args = json.RawMessage("{}")
		}
		for _, path := range list[0].Calls {
			if id, err = h.async(op, fmt.Sprintf(`{"name":%q,"ts":%d,"args":%s,"version":"1.48.0"}`, path, time.Now().Unix()-60, list[0].Args)); err != nil {
				return "", err
			}
		}
		return id, nil
	}
}

// schedule schedules one call and gives it as a job.
func (h *house) schedule(path string) scheduler.Job {
	h.Helper()
	out := h.mustMutate(Request{Path: "m:later", Args: []byte(`{"calls":["` + path + `"]}`)})
	var text string
	json.Unmarshal(out.Value, &text)
	id, err := value.ParseID(text)
	if err != nil {
		h.Fatal(err)
	}
	return scheduler.Job{ID: id}
}

// job gives the row of a job as users see it, without what differs from run to run.
func (h *house) job(j scheduler.Job) string {
	h.Helper()
	out := h.mustQuery(Request{Path: "m:row", Args: []byte(`{"id":"` + j.ID.String() + `"}`)})
	var o map[string]any
	json.Unmarshal(out.Value, &o)
	_, o["completedTime"] = o["completedTime"]
	delete(o, "_creationTime")
	delete(o, "_id")
	_, o["scheduledTime"] = o["scheduledTime"].(float64)
	b, _ := json.Marshal(o)
	return string(b)
}

// jobHouse has functions that schedule and are scheduled.
func jobHouse(t *testing.T, more map[string]goFunction) *house {
	h := newHouse(t)
	functions := map[string]goFunction{
		"mutation m.js:later":       later("1.0/schedule"),
		"action m.js:actLater":      later("1.0/actions/schedule"),
		"query m.js:list":           listAll("t"),
		"query m.js:rows":           listAll("_scheduled_functions"),
		"query m.js:row":            rowOf,
		"mutation m.js:add":         insertInto("t"),
		"internal mutation m.js:in": insertInto("t"),
		"mutation m.js:fail": func(h *hostCalls, args string) (string, error) {
			if _, err := insertInto("t")(h, args); err != nil {
				return "", err
			}
			return "", thrown{"on purpose"}
		},
		"mutation m.js:cancel": func(h *hostCalls, args string) (string, error) {
			return h.async("1.0/cancel_job", args[1:len(args)-1])
		},
	}
	for k, f := range more {
		functions[k] = f
	}
	n, err := schema.ParseValidator([]byte(`{"type":"object","value":{"n":{"fieldType":{"type":"number"},"optional":true}}}`))
	if err != nil {
		t.Fatal(err)
	}
	h.push("1", functions, FunctionRow{Name: "add", Args: n})
	return h
}

// rowOf is a function that reads a row of the virtual table.
func rowOf(h *hostCalls, args string) (string, error) {
	return h.async("1.0/get", strings.Replace(args[1:len(args)-1], "}", `,"isSystem":true,"table":"_scheduled_functions"}`, 1))
}

func TestJobRunsMutationOnce(t *testing.T) {
	t.Parallel()
	h := jobHouse(t, nil)
	j := h.schedule("m:add")
	if got, want := h.job(j), `{"args":[{}],"completedTime":false,"name":"m.js:add","scheduledTime":true,"state":{"kind":"pending"}}`; got != want {
		t.Errorf("row %s", got)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := h.Job(t.Context(), j); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := string(h.mustQuery(Request{Path: "m:list"}).Value); strings.Count(got, "_id") != 1 {
		t.Errorf("documents %s", got)
	}
	if got := h.job(j); !strings.Contains(got, `"completedTime":true`) || !strings.Contains(got, `{"kind":"success"}`) {
		t.Errorf("row %s", got)
	}
	if got := string(h.mustQuery(Request{Path: "m:rows"}).Value); strings.Count(got, "_id") != 1 || strings.Contains(got, `"due"`) {
		t.Errorf("rows %s", got)
	}
}

func TestJobFailureTakesBackItsEffects(t *testing.T) {
	t.Parallel()
	h := jobHouse(t, nil)
	j := h.schedule("m:fail")
	if err := h.Job(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	if got := string(h.mustQuery(Request{Path: "m:list"}).Value); got != "[]" {
		t.Errorf("documents %s", got)
	}
	if got := h.job(j); !strings.Contains(got, `"state":{"error":"Uncaught Error: on purpose","kind":"failed"}`) {
		t.Errorf("row %s", got)
	}
	gone := h.schedule("m:add")
	h.push("2", map[string]goFunction{"mutation m.js:later": later("1.0/schedule"), "query m.js:row": rowOf})
	if err := h.Job(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	if got := h.job(gone); !strings.Contains(got, "Could not find function for 'm:add'") {
		t.Errorf("row %s", got)
	}
	h.logs.mu.Lock()
	defer h.logs.mu.Unlock()
	if e := h.logs.ring[len(h.logs.ring)-2].entry; e.Caller != callerScheduler || e.Error == nil { // the last one is of m:row
		t.Errorf("log entry %+v", e)
	}
}

func TestJobOfActionThatIsCanceled(t *testing.T) {
	t.Parallel()
	var j scheduler.Job
	var states []string
	h := jobHouse(t, map[string]goFunction{
		"action m.js:act": func(h *hostCalls, _ string) (string, error) {
			row, err := h.async("1.0/actions/query", fmt.Sprintf(`{"name":"m:row","args":{"id":%q}}`, j.ID))
			states = append(states, row)
			if err == nil {
				_, err = h.async("1.0/actions/schedule", fmt.Sprintf(`{"name":"m:in","ts":%d,"args":{}}`, time.Now().Unix()))
			}
			if err == nil {
				_, err = h.async("1.0/actions/cancel_job", fmt.Sprintf(`{"id":%q}`, j.ID))
			}
			if err == nil {
				_, err = h.async("1.0/actions/mutation", `{"name":"m:later","args":{"calls":["m:add"]}}`)
			}
			return "null", err
		},
	})
	j = h.schedule("m:act")
	if err := h.Job(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	if len(states) != 1 || !strings.Contains(states[0], `"inProgress"`) {
		t.Errorf("seen while it ran: %s", states)
	}
	rows := string(h.mustQuery(Request{Path: "m:rows"}).Value)
	if strings.Count(rows, `"canceled"`) != 2 || strings.Count(rows, `"pending"`) != 1 {
		t.Errorf("rows %s", rows)
	}
}

func TestScheduleIsTransactionalAndChecked(t *testing.T) {
	t.Parallel()
	h := jobHouse(t, nil)
	for _, c := range []struct{ path, args, want string }{
		{"m:later", `{"calls":["m:add","m:nothing"]}`, "Attempted to schedule function at nonexistent path: m.js:nothing"},
		{"m:later", `{"calls":["_system/cli/tables"]}`, "nonexistent path"},
		{"m:later", `{"calls":["m:list"]}`, "Only mutations and actions can be scheduled"},
		{"m:later", `{"calls":["m:add"],"args":{"n":"x"}}`, "ArgumentValidationError"},
		{"m:later", `{"calls":[` + strings.Repeat(`"m:add",`, 1000) + `"m:add"]}`, "Too many functions scheduled by this mutation (limit: 1000)"},
		{"m:cancel", `{"id":"x"}`, "Unable to decode ID"},
	} {
		out, err := h.Mutation(t.Context(), Request{Path: c.path, Args: []byte(c.args)})
		if err != nil || out.Failure == nil || !strings.Contains(out.Failure.Message, c.want) {
			t.Errorf("%s: %+v, %v", clip([]byte(c.args)), out.Failure, err)
		}
	}
	if got := string(h.mustQuery(Request{Path: "m:rows"}).Value); got != "[]" {
		t.Errorf("rows %s", clip([]byte(got)))
	}
	out, err := h.Action(t.Context(), Request{Path: "m:actLater", Args: []byte(`{"calls":["m:add","m:nothing"]}`)})
	if err != nil || out.Failure == nil || strings.Count(string(h.mustQuery(Request{Path: "m:rows"}).Value), "pending") != 1 {
		t.Errorf("an action schedules at once: %+v, %v", out.Failure, err)
	}
	many := h.mustMutate(Request{Path: "m:later", Args: []byte(`{"calls":[` + strings.Repeat(`"m:fail",`, 800) + `"m:fail"]}`)})
	if len(many.Logs) != 1 || !strings.Contains(many.Logs[0], "Many functions scheduled in a single function execution (actual: 801, limit: 1000)") {
		t.Errorf("logs %s", many.Logs)
	}
	if n, err := h.CancelAllJobs(t.Context(), "", "m:add"); n != 1 || err != nil {
		t.Errorf("canceled %d, %v", n, err)
	}
}

func TestMutationCannotCancelItself(t *testing.T) {
	t.Parallel()
	var j scheduler.Job
	h := jobHouse(t, map[string]goFunction{"mutation m.js:self": func(h *hostCalls, _ string) (string, error) {
		return h.async("1.0/cancel_job", fmt.Sprintf(`{"id":%q}`, j.ID))
	}})
	j = h.schedule("m:self")
	if err := h.Job(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	if got := h.job(j); !strings.Contains(got, `{"kind":"success"}`) {
		t.Errorf("row %s", got)
	}
	other := h.schedule("m:add")
	h.mustMutate(Request{Path: "m:cancel", Args: []byte(`{"id":"` + other.ID.String() + `"}`)})
	if err := h.Job(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if got := h.job(other); !strings.Contains(got, `{"kind":"canceled"}`) {
		t.Errorf("row %s", got)
	}
}

func TestCronJobRunsItsFunction(t *testing.T) {
	t.Parallel()
	h := jobHouse(t, nil)
	specs, err := scheduler.ParseCrons([]byte(`{"tick":{"name":"m.js:add","args":[{"n":1}],"schedule":{"type":"interval","hours":1}}}`))
	if err != nil {
		t.Fatal(err)
	}
	h.update(func(tx *database.Tx) error {
		_, err := scheduler.InstallCrons(t.Context(), tx, "", specs, time.Now())
		return err
	})
	var j scheduler.Job
	h.update(func(tx *database.Tx) error {
		return scan(t.Context(), tx, "_cron_jobs", "by_name", nil, func(doc *database.Document) error {
			due, _ := doc.Object().Get("due")
			j = scheduler.Job{ID: doc.ID, Cron: "tick", Due: float64(due.(value.Float64))}
			return nil
		})
	})
	for range 2 { // of which the second is about an occurrence that is over
		if err := h.Job(t.Context(), j); err != nil {
			t.Fatal(err)
		}
	}
	if got := string(h.mustQuery(Request{Path: "m:list"}).Value); strings.Count(got, `"n":1`) != 1 {
		t.Errorf("documents %s", got)
	}
}
