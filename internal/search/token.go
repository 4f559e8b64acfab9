package search

import (
	"crypto/sha256"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/value"
)

// maxToken is the length in bytes above which a token is passed over
// (convex-runtime.md §5.7).
const maxToken = 32

// word tells whether a character is part of a token: the Unicode properties
// Alphabetic and Numeric.
func word(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
	}
	return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.Is(unicode.Other_Alphabetic, r)
}

// tokens appends the tokens of a text: runs of letters and digits in lower
// case. There is no stemming and there are no stop words.
func tokens(dst []string, text string) []string {
	for len(text) > 0 {
		start := strings.IndexFunc(text, word)
		if start < 0 {
			break
		}
		text = text[start:]
		end := strings.IndexFunc(text, func(r rune) bool { return !word(r) })
		if end < 0 {
			end = len(text)
		}
		if end <= maxToken {
			dst = append(dst, lower(text[:end]))
		}
		text = text[end:]
	}
	return dst
}

// lower is the token in lower case, character by character; the one character
// whose lower case is two is mapped as Unicode's SpecialCasing says.
func lower(token string) string {
	if strings.ContainsRune(token, 'İ') {
		token = strings.ReplaceAll(token, "İ", "i\u0307")
	}
	return strings.ToLower(token)
}

// analysis is what an index takes in of a document.
type analysis struct {
	terms   []string // sorted, distinct
	counts  []uint32 // how often each occurs
	length  uint32   // tokens in all
	filters []string // names of the values of the filter fields
	vector  []float32
}

// analyse looks at a document as an index over fields does: the first is the
// text, the others are filters. It is nil if the document is not indexed.
func analyse(fields []string, d *database.Document) *analysis {
	obj := d.Object()
	text, ok := value.Path(obj, fields[0]).(value.String)
	if !ok {
		return nil
	}
	all := tokens(make([]string, 0, 16+len(text)/8), string(text))
	a := &analysis{length: uint32(len(all)), filters: filterNames(fields[1:], obj)}
	slices.Sort(all)
	a.terms = all[:0]
	for i, t := range all {
		if i > 0 && t == a.terms[len(a.terms)-1] {
			a.counts[len(a.counts)-1]++
			continue
		}
		a.terms, a.counts = append(a.terms, t), append(a.counts, 1)
	}
	return a
}

// analyseVector looks at a document as a vector index does. Only an array of as
// many floats as the index has dimensions is indexed.
func analyseVector(fields []string, dimensions int, d *database.Document) *analysis {
	obj := d.Object()
	list, ok := value.Path(obj, fields[0]).(value.Array)
	if !ok || len(list) != dimensions {
		return nil
	}
	v := make([]float32, len(list))
	for i, e := range list {
		f, ok := e.(value.Float64)
		if !ok {
			return nil
		}
		v[i] = float32(f)
	}
	return &analysis{filters: filterNames(fields[1:], obj), vector: v}
}

// filterNames names the values of the filter fields of a document.
func filterNames(fields []string, obj value.Object) []string {
	if len(fields) == 0 {
		return nil
	}
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = filterName(value.Path(obj, f))
	}
	return names
}

// longestName is the length above which a filter value is named by its hash.
const longestName = 48

// filterName names a value such that equal values, and only those, have equal
// names: its sort key, or a hash of that.
func filterName(v value.Value) string {
	key := value.AppendKey(nil, v)
	if len(key) > longestName {
		sum := sha256.Sum256(key)
		return "\xff" + string(sum[:])
	}
	return string(key)
}

// filterKey is under what the documents with a filter value are listed. Tokens
// begin with letters and digits, so it is none.
func filterKey(field int, name string) string { return "\x00" + string([]byte{byte(field)}) + name }

// digest is what the database has to know of an analysis.
func (a *analysis) digest() *database.Digest {
	if a == nil {
		return nil
	}
	return &database.Digest{Terms: a.terms, Filters: a.filters}
}
