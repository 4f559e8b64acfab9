package backup

import (
	"encoding/json"
	"fmt"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/value"
)

// Selection says which tables of which components are exported, and which fields of
// them: a tree whose members are components ("" is the app), tables and fields. At
// each place stands "included", "excluded", or what lies below (convex-cli.md §6.6).
type Selection struct {
	in    bool                  // of a leaf
	below map[string]*Selection // nil for a leaf; the member _other stands for all others
}

// The words of a selection.
const (
	included = "included"
	excluded = "excluded"
	other    = "_other"
)

// selectionDepth is how many levels there are below the whole: components, tables, fields.
const selectionDepth = 3

// UnmarshalJSON reads a selection.
func (s *Selection) UnmarshalJSON(b []byte) error {
	return s.read(b, "the selection", 0)
}

// MarshalJSON writes it, members in order.
func (s *Selection) MarshalJSON() ([]byte, error) {
	switch {
	case s.below != nil:
		return json.Marshal(s.below)
	case s.in:
		return []byte(`"included"`), nil
	default:
		return []byte(`"excluded"`), nil
	}
}

// read reads what stands at a place, of which there are depth levels above.
func (s *Selection) read(b []byte, place string, depth int) error {
	var word string
	var members map[string]json.RawMessage
	switch {
	case json.Unmarshal(b, &word) == nil && (word == included || word == excluded) && depth > 0:
		s.in = word == included
		return nil
	case depth < selectionDepth && json.Unmarshal(b, &members) == nil && members != nil:
	case depth == selectionDepth:
		return apierr.New(apierr.BadRequest, "InvalidSelection", "%s must be %q or %q.", place, included, excluded)
	case depth == 0:
		return apierr.New(apierr.BadRequest, "InvalidSelection", "The selection must be an object of components.")
	default:
		return apierr.New(apierr.BadRequest, "InvalidSelection", "%s must be %q, %q or an object.", place, included, excluded)
	}
	if members[other] == nil {
		return apierr.New(apierr.BadRequest, "InvalidSelection", "%s has no member %q, which says what becomes of all that it does not name.", place, other)
	}
	s.below = map[string]*Selection{}
	for name, text := range members {
		level := depth + 1
		if name == other {
			level = selectionDepth // it is for no one in particular, so there is nothing below
		}
		s.below[name] = new(Selection)
		if err := s.below[name].read(text, fmt.Sprintf("%q of %s", name, place), level); err != nil {
			return err
		}
	}
	return nil
}

// at is what stands at a member; a leaf and nil stand for all below them.
func (s *Selection) at(name string) *Selection {
	if s == nil || s.below == nil {
		return s
	}
	if b, ok := s.below[name]; ok && name != other {
		return b
	}
	return s.below[other]
}

// some tells whether anything at or below a place is selected. An object of fields is
// a selection of its table, whatever the fields.
func (s *Selection) some() bool { return s == nil || s.below != nil || s.in }

// narrow leaves the selected fields of a document, and always its id.
func (s *Selection) narrow(o value.Object) value.Object {
	if s == nil || s.below == nil {
		return o
	}
	var kept []value.Field
	for name, v := range o.All() {
		if name == "_id" || s.at(name).some() {
			kept = append(kept, value.Field{Name: name, Value: v})
		}
	}
	return value.ObjectOf(kept...)
}
