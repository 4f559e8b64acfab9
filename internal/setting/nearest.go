package setting

import (
	"maps"
	"slices"
	"strings"
)

// nearest is the known key or section that a person most likely meant; "" if none
// is near.
func nearest(key string, known ...map[string]bool) string {
	words := func(s string) string { return strings.ToLower(strings.NewReplacer("_", "-", " ", "-").Replace(s)) }
	want := words(key)
	last := want[strings.LastIndexByte(want, '.')+1:]
	best, far := "", len(want)/3+2
	for _, set := range known {
		for _, k := range slices.Sorted(maps.Keys(set)) {
			d := distance(want, k)
			// The right name in the wrong section, or in none.
			if own := k[strings.LastIndexByte(k, '.')+1:]; own == last || strings.ReplaceAll(own, "-", "") == strings.ReplaceAll(last, "-", "") {
				d = min(d, 1)
			} else if strings.HasPrefix(last, own+"-") || strings.HasPrefix(own, last+"-") {
				d = min(d, 3)
			}
			if d < far {
				best, far = k, d
			}
		}
	}
	return best
}

// distance is how many characters must be inserted, removed or exchanged to get
// from a to b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			next := min(row[j+1]+1, row[j]+1)
			if a[i] == b[j] {
				next = min(next, diagonal)
			} else {
				next = min(next, diagonal+1)
			}
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}
