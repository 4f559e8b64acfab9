package value

import (
	"math"
	"strconv"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// Limits of values (convex-runtime §4.5).
const (
	MaxDepth         = 64       // nesting of arrays and objects in any value
	MaxDocumentDepth = 16       // nesting within a document, the document itself included
	MaxDocumentSize  = 1 << 20  // Size of a document
	MaxArgumentsSize = 16 << 20 // Size of a function's arguments
	MaxResultSize    = 16 << 20 // Size of a function's result
	MaxValueSize     = 32 << 20 // Size of anything at all
	MaxArrayLength   = 8192
	MaxFields        = 1024 // of one object
	MaxFieldName     = 1024
	MaxIdentifier    = 64
)

// CheckFieldName says what is wrong with the name of an object's field; nil if
// it may be used. The empty name is allowed.
func CheckFieldName(name string) error {
	if len(name) > MaxFieldName {
		return bad("InvalidField", "Field name %s… exceeds maximum field name length %d.", name[:64], MaxFieldName)
	}
	if len(name) > 0 && name[0] == '$' {
		return bad("InvalidField", "Field name %s starts with a '$', which is reserved.", name)
	}
	for i := range len(name) {
		if c := name[i]; c < 32 || c > 126 {
			return bad("InvalidField", "Field name %q has an invalid character: "+
				"field names can only contain non-control ASCII characters.", name)
		}
	}
	return nil
}

// CheckIdentifier says what is wrong with the name of a table, an index or the
// like; nil if it is one. what is how messages call the thing, as "table name".
func CheckIdentifier(what, name string) error {
	if name == "" {
		return bad("InvalidIdentifier", "Invalid %s: it must not be empty.", what)
	}
	if len(name) > MaxIdentifier {
		return bad("InvalidIdentifier", "Invalid %s %q: it is longer than %d characters.", what, name[:MaxIdentifier], MaxIdentifier)
	}
	for i := range len(name) {
		c := name[i]
		if c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || i > 0 && c >= '0' && c <= '9' {
			continue
		}
		return bad("InvalidIdentifier", "Invalid %s %q: it must start with a letter or an underscore and "+
			"contain only letters, digits and underscores.", what, name)
	}
	if strings.Trim(name, "_") == "" {
		return bad("InvalidIdentifier", "Invalid %s %q: it must not consist of underscores only.", what, name)
	}
	return nil
}

// CheckDocument holds a whole document, system fields included, against the
// limits of documents: names of top-level fields, nesting and size.
func CheckDocument(doc Object) error {
	for _, f := range doc.fields {
		if strings.HasPrefix(f.Name, "_") && f.Name != "_id" && f.Name != "_creationTime" {
			return bad("InvalidField", "Field '%s' starts with an underscore, which is only allowed for system "+
				"fields like '_id'", f.Name)
		}
		if f.Value.Kind() == KindUndefined {
			return bad("InvalidValue", "Field '%s' is undefined, which is not a value that can be stored.", f.Name)
		}
	}
	if d := Depth(doc); d > MaxDocumentDepth {
		return bad("TooNested", "Document is too nested (nested %d levels deep > maximum nesting %d)", d, MaxDocumentDepth)
	}
	if n := Size(doc); n > MaxDocumentSize {
		return bad("ValueTooLarge", "Value is too large (%s > maximum size 1 MiB)", FormatSize(n))
	}
	return nil
}

// FormatSize writes a number of bytes as limit messages do: "1.07 MiB".
func FormatSize(n int) string {
	switch {
	case n >= 1<<20:
		return strconv.FormatFloat(math.Round(float64(n)/(1<<20)*100)/100, 'f', -1, 64) + " MiB"
	case n >= 1<<10:
		return strconv.FormatFloat(math.Round(float64(n)/(1<<10)*100)/100, 'f', -1, 64) + " KiB"
	}
	return strconv.Itoa(n) + " B"
}

// bad makes the refusal of a value.
func bad(code, format string, args ...any) *apierr.Error {
	return apierr.New(apierr.BadRequest, code, format, args...)
}
