package database

import (
	"unicode/utf8"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/value"
)

// storable says what in a document would keep its JSON from being read back;
// nil if nothing. Values that came through value.Parse are safe one by one, but
// not what code, or a patch, made of them; and a document that is stored must
// be readable for ever.
func storable(v value.Value, depth int) error {
	switch v := v.(type) {
	case value.String:
		if !utf8.ValidString(string(v)) {
			return apierr.New(apierr.BadRequest, "InvalidValue", "A string is not valid Unicode.")
		}
	case value.Undefined:
		return apierr.New(apierr.BadRequest, "InvalidValue", "undefined is not a value that can be stored.")
	case value.Array:
		if err := storableLength(len(v), value.MaxArrayLength, depth, "ArrayTooLong", "Array length is too long"); err != nil {
			return err
		}
		for _, e := range v {
			if err := storable(e, depth+1); err != nil {
				return err
			}
		}
	case value.Object:
		if err := storableLength(v.Len(), value.MaxFields, depth, "ObjectTooLarge", "Object has too many fields"); err != nil {
			return err
		}
		for name, e := range v.All() {
			if err := value.CheckFieldName(name); err != nil {
				return err
			}
			if err := storable(e, depth+1); err != nil {
				return err
			}
		}
	case nil:
		return apierr.New(apierr.BadRequest, "InvalidValue", "A field has no value.")
	}
	return nil
}

// storableLength holds a container's length and its depth against the limits.
func storableLength(n, limit, depth int, code, what string) error {
	if n > limit {
		return apierr.New(apierr.BadRequest, code, "%s (%d > maximum number %d).", what, n, limit)
	}
	if depth >= value.MaxDepth {
		return apierr.New(apierr.BadRequest, "TooNested", "Document is too nested (nested more than %d levels deep)", value.MaxDepth)
	}
	return nil
}
