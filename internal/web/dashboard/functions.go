package dashboard

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/deployment"
	"github.com/lentil-dev/lentil/internal/platform"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
)

// functionsView shows the functions of a deployment, and one of them with a runner.
type functionsView struct {
	*Visit
	Component  string
	Components []string
	Modules    []moduleItem
	Here       *functionItem
	Missing    string // the function that the address names and the deployment has not
	Args       string
	Acting     string
	Result     *result
	Stats      *functionStats
	Routes     []string
}

// moduleItem is a module in the list.
type moduleItem struct {
	Name      string
	Functions []functionItem
}

// functionItem is a function in the list.
type functionItem struct {
	Path, Name, Kind, URL string
	Public                bool
	Here                  bool
	Args                  []fieldInfo
	AnyArgs               bool
	Returns               string
	Place                 string // where it is written
	Calls                 int
	Errors                int
}

// result is how a run ended.
type result struct {
	Value  string
	Error  string
	Data   string // of a ConvexError
	Logs   []string
	Took   time.Duration
	At     time.Time
	Live   bool
	Cached bool
}

func (functionsView) template() string { return "functions" }
func (v functionsView) heading() string {
	if v.Here != nil {
		return v.Here.Path
	}
	return "Functions"
}

// showFunctions shows the functions; a query that the address asks for is run, and
// runs again when its result may have changed.
func (s *Site) showFunctions(v *Visit) (view, error) {
	d, err := v.Open()
	if err != nil {
		return nil, err
	}
	out := &functionsView{Visit: v, Component: v.Q("component")}
	err = d.DB.View(v.Context(), func(tx *database.Tx) error {
		out.Modules, out.Components, out.Routes, out.Here = nil, nil, nil, nil
		tx, tree, err := v.space(v.Context(), tx)
		if err != nil {
			return err
		}
		if len(tree.All) > 1 || v.Q("component") != "" {
			for _, c := range tree.All {
				out.Components = append(out.Components, c.Path)
			}
		}
		rows, err := udf.LiveModules(v.Context(), tx)
		if err != nil {
			return err
		}
		out.list(rows)
		return nil
	})
	if err != nil {
		return nil, err
	}
	out.measure(d)
	v.Every(liveHealth)
	if out.Here == nil {
		if fn := v.Q("fn"); fn != "" {
			out.Missing = fn
		}
		return out, nil
	}
	out.Args, out.Acting = v.Typed("run", "args", v.Q("args")), v.Typed("run", "acting", v.Q("acting"))
	if out.Args == "" {
		out.Args = out.Here.skeleton()
	}
	if v.Q("live") == "" && v.Q("run") != "" && out.Here.Kind == "Query" && v.Posted == "" {
		if !v.Role.Includes(platform.Developer) {
			return nil, errRole(platform.Developer)
		}
		out.Result, err = v.run(d, out.Here.Path, v.Q("args"), v.Q("acting"), true)
		if e, ok := apierr.As(err); ok && e.Kind != apierr.Internal {
			v.Alert, v.Posted, err = e, "run", nil
		}
	}
	return out, err
}

// list makes the tree of functions.
func (v *functionsView) list(rows []udf.ModuleRow) {
	fn := v.Q("fn")
	for i := range rows {
		m := &rows[i]
		item := moduleItem{Name: strings.TrimSuffix(m.Path, ".js")}
		for _, f := range m.Functions {
			path := item.Name + ":" + f.Name
			q := url.Values{"fn": {path}}
			if v.Component != "" {
				q.Set("component", v.Component)
			}
			one := functionItem{Path: path, Name: f.Name, Kind: f.Kind.String(), Public: f.Public, URL: address(v.Base()+"/functions", q), Here: path == fn,
				AnyArgs: f.Args == nil || f.Args.IsAny(), Args: describeFields(f.Args)}
			if f.Returns != nil {
				one.Returns = describe(f.Returns.JSON(), 0)
			}
			if f.Pos != nil {
				one.Place = fmt.Sprintf("%s:%d", f.Pos.Path, f.Pos.StartLine)
			}
			if one.Here {
				here := one
				v.Here = &here
			}
			item.Functions = append(item.Functions, one)
		}
		var a struct {
			Routes []struct {
				Route struct{ Path, Method string } `json:"route"`
			} `json:"httpRoutes"`
		}
		if len(m.Analysis) > 0 && json.Unmarshal(m.Analysis, &a) == nil {
			for _, r := range a.Routes {
				v.Routes = append(v.Routes, r.Route.Method+" "+r.Route.Path)
			}
		}
		if len(item.Functions) > 0 {
			v.Modules = append(v.Modules, item)
		}
	}
}

// skeleton is what the arguments begin with.
func (f *functionItem) skeleton() string {
	if len(f.Args) == 0 {
		return "{}"
	}
	var b strings.Builder
	b.WriteString("{\n")
	for _, a := range f.Args {
		if name, optional := strings.CutSuffix(a.Name, "?"); optional {
			b.WriteString("  // " + fieldName(name) + ": " + a.Type + "\n")
		} else {
			b.WriteString("  " + fieldName(name) + ": , // " + a.Type + "\n")
		}
	}
	b.WriteString("}")
	return b.String()
}

// caller is on whose behalf a run happens: the deployment's admin, acting as somebody
// if an identity is given.
func (v *Visit) caller(ctx context.Context, d *deployment.Deployment, acting string) (token.Caller, error) {
	var identity json.RawMessage
	if strings.TrimSpace(acting) != "" {
		o, err := readObject(acting)
		if err != nil {
			return token.Caller{}, err
		}
		for _, name := range []string{"subject", "issuer"} { // which every identity has
			if _, ok := o.Get(name); !ok {
				fill := map[string]string{"subject": "dashboard", "issuer": "https://lentil.localhost"}[name]
				o = o.With(name, value.String(fill))
			}
		}
		identity = value.CleanJSON(o)
	}
	return d.Gate.Message(ctx, "Admin", d.Admin.Key(), identity)
}

// runTime bounds a run from the dashboard; actions may take as long as they may.
const runTime = 11 * time.Minute

// run runs a function.
func (v *Visit) run(d *deployment.Deployment, path, args, acting string, query bool) (*result, error) {
	ctx, cancel := context.WithTimeout(v.Context(), runTime)
	defer cancel()
	o, err := readObject(args)
	if err != nil {
		return nil, err
	}
	caller, err := v.caller(ctx, d, acting)
	if err != nil {
		return nil, err
	}
	q := udf.Request{Path: path, Component: v.Q("component"), Args: value.JSON(o), Caller: caller, CallerName: "Dashboard"}
	began := time.Now()
	var out *udf.Outcome
	if query {
		// A picture is made for other reasons, too; what has not changed is not run again.
		out, _ = v.memory["query"].(*udf.Outcome)
		if out == nil || !d.DB.Unchanged(out.Reads, out.TS, d.DB.Latest()) {
			if out, err = d.Runner.Query(ctx, q); err == nil && v.memory != nil {
				v.memory["query"] = out
			}
		}
	} else {
		out, err = d.Runner.Any(context.WithoutCancel(ctx), q)
	}
	if err != nil {
		return nil, err
	}
	r := &result{Logs: out.Logs, Took: time.Since(began).Round(100 * time.Microsecond), At: now(), Live: query, Cached: out.Cached}
	if query {
		v.Watch(func() (<-chan struct{}, func()) {
			sub := d.DB.Subscribe(out.Reads, out.TS)
			return sub.Done(), sub.Close
		})
		r.Took, r.At = 0, time.Time{} // these would make each picture another one
	}
	if f := out.Failure; f != nil {
		r.Error = f.Text
		if len(f.Data) > 0 {
			r.Data = pretty(f.Data)
		}
		return r, nil
	}
	r.Value = pretty(out.Value)
	return r, nil
}

// pretty writes Convex-JSON as people read it.
func pretty(b []byte) string {
	v, err := value.Parse(b)
	if err != nil {
		return string(b)
	}
	return writeLiteral(v)
}

// runFunction runs a mutation or an action, or a query once.
func (s *Site) runFunction(v *Visit) (string, error) {
	d, err := v.Open()
	if err != nil {
		return "", err
	}
	shown, err := s.showFunctions(v)
	if err != nil {
		return "", err
	}
	page := shown.(*functionsView)
	if page.Here == nil {
		return "", apierr.New(apierr.NotFound, "FunctionNotFound", "The deployment has no function %q any more.", v.Q("fn"))
	}
	page.Args, page.Acting = v.PostForm.Get("args"), v.PostForm.Get("acting")
	if page.Here.Kind == "Query" {
		return v.With("args", page.Args, "acting", page.Acting, "run", "1"), nil
	}
	if page.Result, err = v.run(d, page.Here.Path, page.Args, page.Acting, false); err != nil {
		return "", err
	}
	v.Still("function-result")
	return "", s.shown(v, page)
}

// measure counts what the log holds of the functions.
func (v *functionsView) measure(d *deployment.Deployment) {
	entries := d.Runner.Logs().Recent(maxEntries)
	calls, errs := map[string]int{}, map[string]int{}
	var mine []udf.LogEntry
	for _, e := range entries {
		if e.Completion == nil || (e.ComponentPath != nil && *e.ComponentPath != v.Component) || (e.ComponentPath == nil && v.Component != "") {
			continue
		}
		calls[e.Identifier]++
		if e.Error != nil {
			errs[e.Identifier]++
		}
		if v.Here != nil && e.Identifier == v.Here.Path {
			mine = append(mine, e)
		}
	}
	for i := range v.Modules {
		for j := range v.Modules[i].Functions {
			f := &v.Modules[i].Functions[j]
			f.Calls, f.Errors = calls[f.Path], errs[f.Path]
		}
	}
	if v.Here != nil {
		v.Stats = statsOf(mine, time.Now())
	}
}

// maxEntries is how many entries of the log pages look at.
const maxEntries = 4096

// functionStats is what the log tells of one function.
type functionStats struct {
	Calls, Errors, Cached int
	Median, Slowest       string
	Bars                  []bar
	LastErrors            []lastError
	Minutes               int
}

// bar is a span of time in the chart; heights are of 40.
type bar struct {
	X, Height, ErrorHeight int
	Title                  string
}

// lastError is an error of the function.
type lastError struct {
	At        time.Time
	Text      string
	RequestID string
}

// The chart: spans of a minute.
const chartBars, chartHeight = 30, 40

// statsOf counts entries of one function, oldest first.
func statsOf(entries []udf.LogEntry, now time.Time) *functionStats {
	st := &functionStats{Minutes: chartBars}
	var took []float64
	var calls, errs [chartBars]int
	for _, e := range entries {
		st.Calls++
		if e.CachedResult {
			st.Cached++
		} else {
			took = append(took, e.ExecutionTime)
		}
		slot := chartBars - 1 - int(now.Sub(time.UnixMilli(int64(e.Timestamp*1000)))/time.Minute)
		if e.Error != nil {
			st.Errors++
			st.LastErrors = append(st.LastErrors, lastError{time.UnixMilli(int64(e.Timestamp * 1000)), clipText(*e.Error, 400), e.RequestID})
			if slot >= 0 && slot < chartBars {
				errs[slot]++
			}
		}
		if slot >= 0 && slot < chartBars {
			calls[slot]++
		}
	}
	slices.Reverse(st.LastErrors)
	st.LastErrors = st.LastErrors[:min(5, len(st.LastErrors))]
	if len(took) > 0 {
		slices.Sort(took)
		st.Median, st.Slowest = millis(took[len(took)/2]), millis(took[len(took)-1])
	}
	most := max(1, slices.Max(calls[:]))
	for i := range calls {
		b := bar{X: i * 10, Height: (calls[i]*chartHeight + most - 1) / most, ErrorHeight: (errs[i]*chartHeight + most - 1) / most}
		b.Title = fmt.Sprintf("%d min ago: %s, %s", chartBars-1-i, plural(calls[i], "call"), plural(errs[i], "error"))
		st.Bars = append(st.Bars, b)
	}
	return st
}

// Y is where a bar of a height begins.
func (bar) Y(height int) int { return chartHeight - height }

// millis prints seconds as milliseconds.
func millis(seconds float64) string {
	ms := seconds * 1000
	switch {
	case ms < 10:
		return fmt.Sprintf("%.1f ms", ms)
	case ms < 10_000:
		return fmt.Sprintf("%.0f ms", ms)
	}
	return fmt.Sprintf("%.1f s", seconds)
}
