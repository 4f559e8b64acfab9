package workos

import (
	"fmt"
	"strings"
)

// Covered is one operation of the inventory and whether the house offers it.
type Covered struct {
	Operation
	Offered bool
}

// Coverage compares the table of routes with the inventory. It fails on a route that
// names an operation which is not in the inventory, or names it with another
// method or path.
func Coverage() ([]Covered, error) {
	offered := map[string]Route{}
	for _, row := range Routes() {
		if row.Operation == "" {
			continue
		}
		if _, twice := offered[row.Operation]; twice {
			return nil, fmt.Errorf("workos: operation %s has two routes", row.Operation)
		}
		offered[row.Operation] = row
	}
	var all []Covered
	for _, op := range Inventory() {
		row, ok := offered[op.Name]
		if ok {
			if row.Method != op.Method || shape(row.Path) != shape(op.Path) || row.Auth != op.Auth {
				return nil, fmt.Errorf("workos: route %s %s (%s) does not match operation %s: %s %s (%s)",
					row.Method, row.Path, row.Auth, op.Name, op.Method, op.Path, op.Auth)
			}
			delete(offered, op.Name)
		}
		all = append(all, Covered{Operation: op, Offered: ok})
	}
	for name, row := range offered {
		return nil, fmt.Errorf("workos: route %s %s names the operation %s, which is not in the inventory",
			row.Method, row.Path, name)
	}
	return all, nil
}

// shape is a path with its placeholders unnamed.
func shape(path string) string {
	segs := segments(path)
	for i, s := range segs {
		if strings.HasPrefix(s, "{") {
			segs[i] = "{}"
		}
	}
	return strings.Join(segs, "/")
}

// CoverageMarkdown is the part of docs/SUPPORTED.md about this protocol: one line per
// group, and the offered operations by name.
func CoverageMarkdown() (string, error) {
	all, err := Coverage()
	if err != nil {
		return "", err
	}
	type group struct {
		name           string
		offered, total int
		names          []string
	}
	var groups []*group
	byName := map[string]*group{}
	offered := 0
	for _, c := range all {
		g := byName[c.Group]
		if g == nil {
			g = &group{name: c.Group}
			byName[c.Group] = g
			groups = append(groups, g)
		}
		g.total++
		if c.Offered {
			offered++
			g.offered++
			g.names = append(g.names, "`"+c.Method+" "+c.Path+"`")
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d of the %d operations are offered; each of the others answers 501 with a code that names it.\n\n",
		offered, len(all))
	b.WriteString("| group | offered | operations |\n|---|---|---|\n")
	for _, g := range groups {
		names := strings.Join(g.names, "<br>")
		if names == "" {
			names = "–"
		}
		fmt.Fprintf(&b, "| %s | %d of %d | %s |\n", g.name, g.offered, g.total, names)
	}
	b.WriteString("\nBeyond the inventory: ")
	var own []string
	for _, row := range Routes() {
		if row.Operation == "" {
			own = append(own, "`"+row.Method+" "+row.Path+"`")
		}
	}
	b.WriteString(strings.Join(own, ", ") + ".\n\n" + inPart)
	return b.String(), nil
}

// inPart says what operations that are offered refuse by name.
const inPart = "In part: `POST /user_management/radar_challenges` answers `sms_not_available`, as there is no carrier for text messages, and so no " +
	"challenge is ever found by its id; `/radar/lists` take no countries; the vault takes no keys that customers bring along (BYOK); " +
	"`POST /authkit/oauth2/complete` takes no `user_consent_options`; audit logs are exported, not streamed to other systems; " +
	"`/oauth2/register` (dynamic registration) is not offered.\n"
