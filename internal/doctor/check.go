package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Status is how a check came out.
type Status string

// The statuses, from the best to the worst.
const (
	Skipped Status = "skipped" // could not be made, or has nothing to look at
	OK      Status = "ok"
	Warning Status = "warning" // works, but not everywhere or not for long
	Problem Status = "problem"
)

// need is what a check cannot do without.
type need uint8

// The needs.
const (
	needAuthKit  need = 1 << iota // the project uses an AuthKit package
	needBrowser                   // … that runs in the browser
	needNext                      // … for Next.js
	needConfig                    // convex/auth.config.ts could be read
	needHouse                     // a deployment that answers its admin
	needFacts                     // a house of Lentil behind it
	needWorkOS                    // the deployment's environment is one of the house
	needPackages                  // packages are installed
)

// Check is one line of the table.
type Check struct {
	ID, Title string
	// Why says in a sentence or two why it matters; Heading is where the guide says
	// so ("" if it does not).
	Why, Heading string
	needs        need
	run          func(ctx context.Context, p *Patient, f *finding)
}

// Finding is what a check found.
type Finding struct {
	ID      string   `json:"id"`
	Title   string   `json:"title"`
	Status  Status   `json:"status"`
	Detail  []string `json:"detail"`        // with the values: expected and got
	Fix     string   `json:"fix,omitempty"` // lines after the first can be pasted
	Why     string   `json:"why"`
	Heading string   `json:"heading,omitempty"`
	At      []Place  `json:"at,omitempty"`
	// Fixable says that --fix can do it.
	Fixable bool     `json:"fixable"`
	Repairs []Repair `json:"-"`
}

// Place is a position in a file of the project.
type Place struct {
	Path   string `json:"path"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
}

// String is the position as editors understand it.
func (p Place) String() string {
	if p.Line == 0 {
		return p.Path
	}
	return fmt.Sprintf("%s:%d:%d", p.Path, p.Line, p.Column)
}

// Repair is one change that --fix can make: a file, or a call to the house.
type Repair struct {
	Path     string // relative to the project
	Old, New []byte // of the file; Old is nil for a new one
	// Call is shown in place of a difference, Do makes it.
	Call string
	Do   func(context.Context) error
}

// finding is a Finding that is being made. The worst of what is said counts.
type finding struct {
	Finding
	lines []Status // of each line of Detail
	fixed Status   // of what Fix is about
}

// say adds a line and makes the status at least s.
func (f *finding) say(s Status, format string, args ...any) {
	if rank(s) > rank(f.Status) {
		f.Status = s
	}
	f.Detail = append(f.Detail, fmt.Sprintf(format, args...))
	f.lines = append(f.lines, s)
}

// at adds a line about a place.
func (f *finding) at(s Status, at Place, format string, args ...any) {
	f.At = append(f.At, at)
	f.say(s, "%s: %s", at, fmt.Sprintf(format, args...))
}

// fix says what to do about the last line; the first to say so about something so
// bad is heard.
func (f *finding) fix(format string, args ...any) {
	last := Problem
	if n := len(f.lines); n > 0 {
		last = f.lines[n-1]
	}
	if f.Fix == "" || rank(last) > rank(f.fixed) {
		f.Fix, f.fixed = fmt.Sprintf(format, args...), last
	}
}

// repair adds a change of a file, if it changes anything.
func (f *finding) repair(path string, before, after []byte) {
	if string(before) != string(after) {
		f.Repairs = append(f.Repairs, Repair{Path: path, Old: before, New: after})
	}
}

// rank orders statuses.
func rank(s Status) int { return slices.Index([]Status{Skipped, OK, Warning, Problem}, s) }

// lacks says in words which of a check's needs the patient does not meet; "" if
// it has all.
func (p *Patient) lacks(n need) string {
	switch {
	case n&needAuthKit != 0 && !p.usesAuthKit():
		return "the project uses no AuthKit package"
	case n&needNext != 0 && p.Framework.Name != "Next.js":
		return "the project does not use Next.js"
	case n&needBrowser != 0 && p.Framework.SignIn != Browser:
		return "sign-in does not run in the browser"
	case n&needConfig != 0 && p.Auth == nil:
		return p.AuthWhy
	case n&needPackages != 0 && !p.installed():
		return "node_modules is not there: npm install"
	case n&(needHouse|needFacts|needWorkOS) != 0 && p.House == nil:
		return p.HouseWhy
	case n&(needFacts|needWorkOS) != 0 && p.House.Facts == nil:
		return "the deployment is not Lentil's, or its admin key is not known, so this cannot be asked"
	case n&needWorkOS != 0 && p.House.Facts.Environment == nil:
		return "the deployment's WORKOS_CLIENT_ID names no environment of this house"
	}
	return ""
}

// Examine makes the checks with these ids, all of them without any.
func (p *Patient) Examine(ctx context.Context, only ...string) ([]Finding, error) {
	for _, id := range only {
		if Named(id) == nil {
			return nil, fmt.Errorf("there is no check %q; lentil doctor --list names them", id)
		}
	}
	list := []Finding{}
	for i := range Checks {
		if len(only) == 0 || slices.Contains(only, Checks[i].ID) {
			list = append(list, p.examine(ctx, &Checks[i]))
		}
	}
	return list, ctx.Err()
}

// examine makes one check. A check that finds fault with its own code must not
// take the others with it.
func (p *Patient) examine(ctx context.Context, c *Check) (out Finding) {
	f := &finding{Finding: Finding{ID: c.ID, Title: c.Title, Why: c.Why, Heading: c.Heading, Status: Skipped}}
	defer func() {
		if r := recover(); r != nil {
			out = Finding{ID: c.ID, Title: c.Title, Why: c.Why, Heading: c.Heading, Status: Skipped,
				Detail: []string{fmt.Sprintf("the check itself failed: %v", r)}}
		}
	}()
	if why := p.lacks(c.needs); why != "" {
		f.Detail = []string{why}
		return f.Finding
	}
	c.run(ctx, p, f)
	if len(f.Detail) == 0 {
		f.say(Skipped, "there is nothing to look at")
	}
	if p.addressed() {
		// By itself the CLI would look for the deployment at the vendor.
		const alone, through = "npx convex ", "lentil exec -- npx convex "
		f.Fix = strings.ReplaceAll(strings.ReplaceAll(f.Fix, through, alone), alone, through)
	}
	if f.Status != Warning && f.Status != Problem {
		f.Fix, f.Repairs = "", nil
	} else { // what is fine beside it is no news
		var wrong []string
		for i, s := range f.lines {
			if s == Warning || s == Problem {
				wrong = append(wrong, f.Detail[i])
			}
		}
		f.Detail = wrong
	}
	f.Fixable = len(f.Repairs) > 0
	return f.Finding
}

// Named finds a check by its id; nil if there is none.
func Named(id string) *Check {
	for i := range Checks {
		if strings.EqualFold(Checks[i].ID, id) {
			return &Checks[i]
		}
	}
	return nil
}
