package doctor

import (
	"fmt"
	"io"
	"strings"
)

// Style wraps a text in a style of the terminal, by its code; one that gives the
// text back prints plainly.
type Style func(code, text string) string

// The styles, as select graphic rendition codes.
const (
	bold   = "1"
	faint  = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

// marks are the signs of the statuses, with their styles.
var marks = map[Status][2]string{Problem: {"✗", red}, Warning: {"!", yellow}, OK: {"✓", green}, Skipped: {"–", faint}}

// Count says how many findings have a status.
func Count(list []Finding, s Status) int {
	n := 0
	for i := range list {
		if list[i].Status == s {
			n++
		}
	}
	return n
}

// Print writes findings for a person: what is wrong in full, the rest in a line
// each if all is set, else in two lines.
func (p *Patient) Print(w io.Writer, list []Finding, all bool, style Style) {
	fmt.Fprintf(w, "\n  %s  %s\n", style(bold, "lentil doctor"), style(faint, p.Summary()))
	for _, s := range []Status{Problem, Warning} {
		for i := range list {
			if list[i].Status == s {
				printFinding(w, &list[i], style)
			}
		}
	}
	var fine, skipped []string
	for i := range list {
		f := &list[i]
		switch {
		case f.Status != OK && f.Status != Skipped:
		case all:
			m := marks[f.Status]
			fmt.Fprintf(w, "  %s %-22s %s\n", style(m[1], m[0]), f.ID, style(faint, strings.Join(f.Detail, "; ")))
		case f.Status == OK:
			fine = append(fine, f.ID)
		default:
			skipped = append(skipped, f.ID)
		}
	}
	if !all {
		printIDs(w, OK, "fine", fine, style)
		printIDs(w, Skipped, "not looked at", skipped, style)
		for _, why := range p.whys(list) {
			fmt.Fprintf(w, "      %s\n", style(faint, why))
		}
	}
	fmt.Fprintf(w, "\n  %s\n", p.verdict(list, style))
	if n := fixable(list); n > 0 {
		fmt.Fprintf(w, "  %s\n", style(faint, fmt.Sprintf("lentil doctor --fix shows what it can do about %s and asks.", plural(n, "of them", "of them"))))
	}
	fmt.Fprintln(w)
}

// fixable counts findings with repairs.
func fixable(list []Finding) int {
	n := 0
	for i := range list {
		if list[i].Fixable {
			n++
		}
	}
	return n
}

// printFinding writes one finding in full.
func printFinding(w io.Writer, f *Finding, style Style) {
	m := marks[f.Status]
	// What is wrong is the headline; the title says what should be.
	fmt.Fprintf(w, "\n  %s %s  %s\n", style(m[1], m[0]), style(bold, append(f.Detail, f.Title)[0]), style(faint, f.ID))
	for i, d := range f.Detail {
		if i == 0 {
			continue
		}
		if i == 12 {
			fmt.Fprintf(w, "      %s\n", style(faint, fmt.Sprintf("and %d more", len(f.Detail)-i)))
			break
		}
		fmt.Fprintf(w, "      %s\n", d)
	}
	why := f.Why
	if f.Heading != "" {
		why += " (The guide: " + f.Heading + ")"
	}
	for i, line := range wrap(why, 92) {
		fmt.Fprintf(w, "      %s %s\n", style(faint, []string{"why:", "    "}[min(i, 1)]), style(faint, line))
	}
	if f.Fix != "" {
		first, rest, _ := strings.Cut(f.Fix, "\n")
		fmt.Fprintf(w, "      %s %s\n", style(cyan, "fix:"), first)
		for line := range strings.SplitSeq(strings.TrimSuffix(rest, "\n"), "\n") {
			if rest != "" {
				fmt.Fprintf(w, "          %s\n", style(cyan, line))
			}
		}
	}
}

// printIDs writes the ids of checks that need no more.
func printIDs(w io.Writer, s Status, what string, ids []string, style Style) {
	if len(ids) == 0 {
		return
	}
	m := marks[s]
	fmt.Fprintf(w, "\n  %s %d %s\n", style(m[1], m[0]), len(ids), what)
	for _, line := range wrap(strings.Join(ids, ", "), 96) {
		fmt.Fprintf(w, "      %s\n", style(faint, line))
	}
}

// whys are the reasons of skipped checks, each once.
func (p *Patient) whys(list []Finding) []string {
	var out []string
	seen := map[string]bool{}
	for i := range list {
		if list[i].Status == Skipped && len(list[i].Detail) > 0 && list[i].Detail[0] == p.HouseWhy && !seen[p.HouseWhy] {
			seen[p.HouseWhy] = true
			out = append(out, wrap("("+p.HouseWhy+")", 96)...)
		}
	}
	return out
}

// Summary says in one line who was looked at.
func (p *Patient) Summary() string {
	parts := []string{firstOf(p.Package.Name, "a folder without package.json")}
	if p.Framework.Name != "none" {
		parts[0] += " (" + p.Framework.Name + ")"
	}
	if q := p.installedPackage("convex"); q != nil {
		parts = append(parts, "convex "+q.Version)
	}
	switch {
	case p.House == nil:
		parts = append(parts, "no deployment asked")
	case p.House.Facts != nil:
		parts = append(parts, p.House.Facts.Deployment+" at "+p.House.URL)
	default:
		parts = append(parts, p.House.URL)
	}
	return strings.Join(parts, ", ")
}

// verdict counts.
func (p *Patient) verdict(list []Finding, style Style) string {
	problems, warnings := Count(list, Problem), Count(list, Warning)
	tail := fmt.Sprintf(", %d fine, %d not looked at", Count(list, OK), Count(list, Skipped))
	switch {
	case problems > 0:
		return style(red, plural(problems, "problem", "problems")) + ", " + plural(warnings, "warning", "warnings") + tail
	case warnings > 0:
		return style(yellow, plural(warnings, "warning", "warnings")) + tail
	}
	return style(green, "Nothing is wrong") + tail
}

// plural counts in words.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// wrap breaks a text into lines of a width.
func wrap(text string, width int) []string {
	var out []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			out = append(out, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	if line != "" {
		out = append(out, line)
	}
	return out
}

// PrintList writes the table of checks.
func PrintList(w io.Writer, style Style) {
	for i := range Checks {
		fmt.Fprintf(w, "  %-22s %s\n", style(bold, Checks[i].ID)+strings.Repeat(" ", max(0, 22-len(Checks[i].ID))), Checks[i].Title)
	}
}

// PrintExplanation writes what there is to say about a check without a project.
func (c *Check) PrintExplanation(w io.Writer, style Style) {
	fmt.Fprintf(w, "\n  %s  %s\n\n", style(bold, c.Title), style(faint, c.ID))
	for _, line := range wrap(c.Why, 92) {
		fmt.Fprintf(w, "  %s\n", line)
	}
	if c.Heading != "" {
		fmt.Fprintf(w, "\n  In the guide: %s\n", c.Heading)
	}
	fmt.Fprintf(w, "\n  Look with:    lentil doctor --only %s\n\n", c.ID)
}

// Markdown is the table of checks for the documentation.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| check | what it looks for | why | in the guide | needs |\n|---|---|---|---|---|\n")
	cell := func(s string) string { return strings.ReplaceAll(s, "|", "\\|") }
	for i := range Checks {
		c := &Checks[i]
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", c.ID, cell(c.Title), cell(c.Why), cell(c.Heading), c.needs)
	}
	return b.String()
}

// String names the needs.
func (n need) String() string {
	switch {
	case n&needNext != 0:
		return "Next.js"
	case n&needWorkOS != 0:
		return "a running house"
	case n&needFacts != 0:
		return "a running house"
	case n&needHouse != 0:
		return "a deployment that answers"
	case n&needPackages != 0:
		return "installed packages"
	}
	return "files"
}
