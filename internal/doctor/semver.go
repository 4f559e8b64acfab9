package doctor

import (
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// version is a version's numbers; pre says that it is a prerelease.
type version struct {
	n   [3]int
	pre bool
}

// versionPattern is a version of one to three parts, each a number or x.
var versionPattern = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^v?(\d+|[xX*])(?:\.(\d+|[xX*]))?(?:\.(\d+|[xX*]))?(-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$`)
})

// parseVersion reads a version; parts says how many of its numbers are given.
func parseVersion(s string) (v version, parts int, ok bool) {
	m := versionPattern().FindStringSubmatch(strings.TrimSpace(s))
	if m == nil {
		return v, 0, false
	}
	for i := range 3 {
		n, err := strconv.Atoi(m[i+1])
		if err != nil {
			break
		}
		v.n[i] = n
		parts++
	}
	v.pre = m[4] != ""
	return v, parts, true
}

// less orders versions; a prerelease comes before its release.
func (v version) less(w version) bool {
	for i := range v.n {
		if v.n[i] != w.n[i] {
			return v.n[i] < w.n[i]
		}
	}
	return v.pre && !w.pre
}

// above is the first version after all that begin with the first parts numbers.
func (v version) above(parts int) version {
	w := version{}
	copy(w.n[:parts], v.n[:parts])
	w.n[parts-1]++
	w.pre = true // prereleases of the next one are beyond, too
	return w
}

// spaced is a range written with blanks between sign and version.
var spaced = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`([<>=^~]+)\s+`) })

// satisfies tells whether a version lies within a range as package.json writes them:
// "^1.2", "~1.2.3", ">=1 <3", "1.x", "1 - 2", "a || b". known is false for tags,
// addresses and whatever else is no range.
func satisfies(have, want string) (fits, known bool) {
	v, parts, ok := parseVersion(have)
	if !ok || parts < 3 {
		return false, false
	}
	want = strings.TrimPrefix(strings.TrimSpace(want), "workspace:")
	for _, alternative := range strings.Split(want, "||") {
		yes, ok := within(v, strings.TrimSpace(alternative))
		if !ok {
			return false, false
		}
		fits = fits || yes
	}
	return fits, true
}

// within tells whether a version meets every comparator of an alternative.
func within(v version, r string) (fits, known bool) {
	if r == "" || r == "*" || r == "x" || r == "latest" {
		return true, r != "latest"
	}
	if from, to, hyphen := strings.Cut(r, " - "); hyphen {
		a, ok1 := within(v, ">="+strings.TrimSpace(from))
		b, ok2 := within(v, "<="+strings.TrimSpace(to))
		return a && b, ok1 && ok2
	}
	for _, c := range strings.Fields(spaced().ReplaceAllString(r, "$1")) {
		yes, ok := compare(v, c)
		if !ok {
			return false, false
		}
		if !yes {
			return false, true
		}
	}
	return true, true
}

// compare applies one comparator.
func compare(v version, c string) (fits, known bool) {
	op := c[:len(c)-len(strings.TrimLeft(c, "<>=^~"))]
	w, parts, ok := parseVersion(c[len(op):])
	if !ok {
		return false, false
	}
	if parts == 0 {
		return true, true
	}
	low := !v.less(w)
	switch op {
	case "^":
		// The left-most number that is not zero stays.
		keep := 1
		for keep < parts && w.n[keep-1] == 0 {
			keep++
		}
		return low && v.less(w.above(keep)), true
	case "~":
		return low && v.less(w.above(min(parts, 2))), true
	case ">=":
		return low, true
	case ">":
		if parts < 3 {
			return !v.less(w.above(parts)), true
		}
		return w.less(v), true
	case "<":
		return v.less(w), true
	case "<=":
		if parts < 3 {
			return v.less(w.above(parts)), true
		}
		return !w.less(v), true
	case "", "=":
		if parts < 3 {
			return low && v.less(w.above(parts)), true
		}
		return v == w, true
	}
	return false, false
}
