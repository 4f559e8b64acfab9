package contract

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// file is the contract as data; doc.go explains its notation.
//
//go:embed contract.json
var file []byte

// Contract is the whole description.
type Contract struct {
	Operations map[string]*Operation `json:"operations"`
	Types      map[string]*Shape     `json:"types"`
	Events     map[string]*Shape     `json:"events"`
}

// Operation is what the description says of one operation.
type Operation struct {
	Method  string            `json:"method"`
	Path    string            `json:"path"`
	Query   map[string]*Shape `json:"query"`   // a name that may be absent ends in "?"
	Body    *Shape            `json:"body"`    // nil: takes none
	Answers map[string]*Shape `json:"answers"` // by status; nil: an answer without a body
}

// Shape is what a JSON value looks like. One of its fields is set.
type Shape struct {
	kind    string         // str, int, num, bool, ts, any, object, null
	ref     string         // the name of a type
	is      any            // a constant
	texts   []string       // an enumeration
	text    *limits        // a text with bounds
	number  *limits        // a number with bounds
	list    *Shape         // of what
	bounds  limits         // of the list
	values  *Shape         // of a map
	members []Member       // of an object
	object  bool           // members is what it is
	any     []*Shape       // alternatives
	all     []*Shape       // parts
	event   *Shape         // the context of an event
	pattern *regexp.Regexp // of text
}

// Member is a member of an object.
type Member struct {
	Name     string
	Optional bool
	Shape    *Shape
}

// limits bound a length or a number.
type limits struct {
	Min     *float64 `json:"min"`
	Max     *float64 `json:"max"`
	Pattern string   `json:"pattern"`
}

// Load returns the contract.
var Load = sync.OnceValue(func() *Contract {
	var c Contract
	dec := json.NewDecoder(bytes.NewReader(file))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil {
		panic(fmt.Sprintf("contract: %v", err))
	}
	return &c
})

// kinds are the words of the notation.
var kinds = []string{"str", "int", "num", "bool", "ts", "any", "object", "null"}

// UnmarshalJSON reads the notation of contract.json.
func (s *Shape) UnmarshalJSON(b []byte) error {
	switch b = bytes.TrimSpace(b); b[0] {
	case '"':
		var word string
		if err := json.Unmarshal(b, &word); err != nil {
			return err
		}
		return s.word(word)
	case 't', 'f':
		s.is = b[0] == 't'
		return nil
	case '[':
		return json.Unmarshal(b, &s.texts)
	case '{':
	default:
		return fmt.Errorf("not a shape: %.40s", b)
	}
	var m struct {
		Text, Number *limits
		List, Map    *Shape
		Min, Max     *float64
		Object       map[string]*Shape
		Any, All     []*Shape
		Event        *Shape
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil {
		return err
	}
	*s = Shape{text: m.Text, number: m.Number, list: m.List, bounds: limits{Min: m.Min, Max: m.Max}, values: m.Map,
		any: m.Any, all: m.All, event: m.Event, object: m.Object != nil}
	if m.Text != nil && m.Text.Pattern != "" {
		p, err := regexp.Compile(m.Text.Pattern)
		if err != nil {
			return err
		}
		s.pattern = p
	}
	for _, name := range slices.Sorted(maps.Keys(m.Object)) {
		short, optional := strings.CutSuffix(name, "?")
		s.members = append(s.members, Member{short, optional, m.Object[name]})
	}
	return nil
}

// word reads a shape written as one text.
func (s *Shape) word(word string) error {
	if text, ok := strings.CutPrefix(word, "="); ok {
		s.is = text
		return nil
	}
	if strings.Contains(word, "|") {
		for _, w := range strings.Split(word, "|") {
			part := &Shape{}
			if err := part.word(w); err != nil {
				return err
			}
			s.any = append(s.any, part)
		}
		return nil
	}
	if name, ok := strings.CutPrefix(word, "#"); ok {
		s.ref = name
		return nil
	}
	if !slices.Contains(kinds, word) {
		return fmt.Errorf("no kind %q", word)
	}
	s.kind = word
	return nil
}

// Required returns the members that every form of a body must have, by name, with
// their shapes.
func (c *Contract) Required(s *Shape) []Member {
	switch {
	case s == nil:
		return nil
	case s.ref != "":
		return c.Required(c.Types[s.ref])
	case s.object:
		var out []Member
		for _, m := range s.members {
			if !m.Optional {
				out = append(out, m)
			}
		}
		return out
	case s.all != nil:
		var out []Member
		for _, part := range s.all {
			out = append(out, c.Required(part)...)
		}
		return out
	case s.any != nil:
		// What is required in every alternative, whatever its value there.
		out := c.Required(s.any[0])
		for _, alt := range s.any[1:] {
			there := c.Required(alt)
			out = slices.DeleteFunc(out, func(m Member) bool {
				return !slices.ContainsFunc(there, func(n Member) bool { return n.Name == m.Name })
			})
		}
		return out
	}
	return nil
}
