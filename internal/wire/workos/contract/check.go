package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Violation is one way in which an answer is not what the description promises.
type Violation struct {
	At      string // where in the body, as in data[0].email; empty for the whole
	Problem string
	Warning bool // worth a look; clients do not mind

	weight int // how far off an alternative is
}

// String is one line.
func (v Violation) String() string {
	s := v.Problem
	if v.At != "" {
		s = v.At + ": " + s
	}
	if v.Warning {
		s = "warning: " + s
	}
	return s
}

// Errors drops the warnings.
func Errors(vs []Violation) []Violation {
	return slices.DeleteFunc(slices.Clone(vs), func(v Violation) bool { return v.Warning })
}

// anywhere are the statuses that every operation may answer with, whether the
// description lists them or not: keys, limits, sizes, and what is not offered.
var anywhere = []int{
	http.StatusNotModified, http.StatusUnauthorized, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType,
	http.StatusTooManyRequests, http.StatusNotImplemented, http.StatusServiceUnavailable,
}

// Check holds an answer against what the description says of the operation.
func Check(op string, status int, body []byte) []Violation {
	c := Load()
	o := c.Operations[op]
	if o == nil {
		return []Violation{{Problem: "there is no operation " + op}}
	}
	shape, listed := o.Answers[strconv.Itoa(status)]
	switch {
	case status >= http.StatusInternalServerError && !slices.Contains(anywhere, status):
		return []Violation{{Problem: fmt.Sprintf("answers %d %.200s", status, body)}}
	case status >= http.StatusBadRequest && o.page():
		return nil // for people, too
	case status >= http.StatusBadRequest:
		return c.refusal(status, shape, listed, body)
	case status >= http.StatusMultipleChoices:
		if !listed && !slices.Contains(anywhere, status) {
			return []Violation{{Problem: fmt.Sprintf("answers %d, which is not listed", status)}}
		}
		return nil // a redirect; its body is for people
	case !listed && bodiless(status) && len(body) == 0:
		// The description and the service differ in which of 200, 202 and 204 says
		// "done, nothing to show"; clients treat them alike.
		for s, shape := range o.Answers {
			if n, _ := strconv.Atoi(s); shape == nil && bodiless(n) {
				return nil
			}
		}
	}
	if !listed {
		return []Violation{{Problem: fmt.Sprintf("answers %d, listed are %s", status,
			strings.Join(slices.Sorted(maps.Keys(o.Answers)), ", "))}}
	}
	if shape == nil {
		if len(body) > 0 {
			return []Violation{{Problem: "has a body where the description has none", Warning: status != http.StatusNoContent}}
		}
		return nil
	}
	return c.CheckShape(shape, body)
}

// page reports whether browsers visit the operation: what it says is a page.
func (o *Operation) page() bool {
	redirect, ok := o.Answers["302"]
	return ok && redirect == nil
}

// bodiless reports whether status can say that something was done, without a body.
func bodiless(status int) bool {
	return status == http.StatusOK || status == http.StatusAccepted || status == http.StatusNoContent
}

// refusal holds the body of a status of 400 and above against its listed shape.
// Other codes than the listed are fine with clients as long as the body has one of
// the forms in which the API says no.
func (c *Contract) refusal(status int, shape *Shape, listed bool, body []byte) []Violation {
	var form struct {
		Code, Message *string
		Error         *string
		Errors        []json.RawMessage
	}
	if len(body) == 0 && listed && shape == nil {
		return nil
	}
	if err := json.Unmarshal(body, &form); err != nil {
		return []Violation{{Problem: fmt.Sprintf("answers %d with %.120q, which is no error body: %v", status, body, err)}}
	}
	if form.Message == nil && form.Error == nil {
		return []Violation{{Problem: fmt.Sprintf("answers %d without message or error: %.200s", status, body)}}
	}
	if !listed {
		if slices.Contains(anywhere, status) {
			return nil
		}
		return []Violation{{Problem: fmt.Sprintf("answers %d, which is not listed: %.200s", status, body), Warning: true}}
	}
	if shape == nil {
		return nil
	}
	vs := Errors(c.CheckShape(shape, body))
	if shape.ref == "Error" { // the vault's form, which its clients read
		return vs
	}
	for i := range vs {
		vs[i].Warning = true
	}
	return vs
}

// CheckEvent holds an event, as lists and webhooks show it, against its type.
func CheckEvent(body []byte) []Violation {
	return Load().CheckShape(&Shape{ref: "EventSchema"}, body)
}

// CheckShape holds a JSON text against a shape.
func (c *Contract) CheckShape(s *Shape, body []byte) []Violation {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return []Violation{{Problem: fmt.Sprintf("%.80q is not JSON: %v", body, err)}}
	}
	if _, err := dec.Token(); err != io.EOF {
		return []Violation{{Problem: "something follows the JSON"}}
	}
	k := &checker{c: c}
	k.value(v, s, "")
	return k.found
}

// checker collects what is wrong with a value.
type checker struct {
	c     *Contract
	found []Violation
}

// wrong notes a violation.
func (k *checker) wrong(at string, weight int, format string, args ...any) {
	k.found = append(k.found, Violation{At: at, Problem: fmt.Sprintf(format, args...), weight: weight})
}

// value checks v and warns of members that no part of s knows.
func (k *checker) value(v any, s *Shape, at string) {
	known, open := k.part(v, s, at)
	m, ok := v.(map[string]any)
	if !ok || open {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if !known[name] {
			k.found = append(k.found, Violation{At: at, Problem: "has a member " + name + " that the description does not", Warning: true})
		}
	}
}

// timestamp is the form of every time.
var timestamp = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)

// part checks v against one part of a shape. known are the members it speaks of;
// open means that there may be others.
func (k *checker) part(v any, s *Shape, at string) (known map[string]bool, open bool) {
	switch {
	case s.ref != "":
		t := k.c.Types[s.ref]
		if t == nil {
			k.wrong(at, 1, "the contract has no type %s", s.ref)
			return nil, true
		}
		return k.part(v, t, at)
	case s.any != nil:
		return k.alternatives(v, s.any, at)
	case s.all != nil:
		known = map[string]bool{}
		for _, p := range s.all {
			names, o := k.part(v, p, at)
			maps.Copy(known, names)
			open = open || o
		}
		return known, open
	case s.object:
		return k.object(v, s, at), false
	case s.event != nil:
		return k.event(v, s, at)
	case s.values != nil:
		m, ok := v.(map[string]any)
		if !ok {
			k.wrong(at, 3, "is %s, not an object", show(v))
		}
		for _, name := range slices.Sorted(maps.Keys(m)) {
			k.value(m[name], s.values, join(at, name))
		}
		return nil, true
	case s.list != nil:
		k.items(v, s, at)
	default:
		k.scalar(v, s, at)
	}
	return nil, s.kind == "object" || s.kind == "any"
}

// object checks the members of v.
func (k *checker) object(v any, s *Shape, at string) map[string]bool {
	m, ok := v.(map[string]any)
	if !ok {
		k.wrong(at, 3, "is %s, not an object", show(v))
		return nil
	}
	known := make(map[string]bool, len(s.members))
	for _, member := range s.members {
		known[member.Name] = true
		value, there := m[member.Name]
		switch {
		case there:
			k.value(value, member.Shape, join(at, member.Name))
		case !member.Optional:
			k.wrong(at, 2, "lacks the member %s", member.Name)
		}
	}
	return known
}

// event checks an event: its envelope, and its data by its name.
func (k *checker) event(v any, s *Shape, at string) (map[string]bool, bool) {
	str := &Shape{kind: "str"}
	envelope := &Shape{object: true, members: []Member{
		{"object", false, &Shape{is: "event"}}, {"id", false, str}, {"event", false, str}, {"created_at", false, &Shape{kind: "ts"}},
		{"data", false, &Shape{kind: "object"}}, {"context", true, s.event},
	}}
	known := k.object(v, envelope, at)
	m, _ := v.(map[string]any)
	name, ok := m["event"].(string)
	if !ok {
		return known, false
	}
	data := k.c.Events[name]
	if data == nil {
		k.wrong(join(at, "event"), 1, "is %q, which is no event", name)
		return known, false
	}
	k.value(m["data"], data, join(at, "data"))
	return known, false
}

// items checks a list.
func (k *checker) items(v any, s *Shape, at string) {
	list, ok := v.([]any)
	if !ok {
		k.wrong(at, 3, "is %s, not a list", show(v))
		return
	}
	k.within(at, "items", float64(len(list)), &s.bounds)
	for i, item := range list {
		k.value(item, s.list, fmt.Sprintf("%s[%d]", at, i))
	}
}

// alternatives checks v against the alternative that it is, or else the one it is
// nearest to.
func (k *checker) alternatives(v any, alts []*Shape, at string) (known map[string]bool, open bool) {
	best, least := (*checker)(nil), 0
	for _, alt := range alts {
		try := &checker{c: k.c}
		names, o := try.part(v, alt, at)
		badness := 0
		for _, f := range try.found {
			if !f.Warning {
				badness += 1000 * f.weight
			}
		}
		if m, ok := v.(map[string]any); ok && !o {
			for name := range m {
				if !names[name] {
					badness++
				}
			}
		}
		if o {
			badness++ // a closed alternative that fits says more
		}
		if best == nil || badness < least {
			best, least, known, open = try, badness, names, o
		}
	}
	k.found = append(k.found, best.found...)
	return known, open
}

// scalar checks a value without parts.
func (k *checker) scalar(v any, s *Shape, at string) {
	text, isText := v.(string)
	number, isNumber := v.(json.Number)
	switch {
	case s.is != nil:
		if v != s.is {
			k.wrong(at, 50, "is %s, not %s", show(v), show(s.is))
		}
		return
	case s.texts != nil:
		if !isText || !slices.Contains(s.texts, text) {
			k.wrong(at, 2, "is %s, not one of %.200s", show(v), strings.Join(s.texts, ", "))
		}
		return
	case s.text != nil:
		if !isText {
			k.wrong(at, 3, "is %s, not a text", show(v))
			return
		}
		k.within(at, "characters", float64(utf8.RuneCountInString(text)), s.text)
		if s.pattern != nil && !s.pattern.MatchString(text) {
			k.wrong(at, 1, "is %s, which does not match %s", show(v), s.pattern)
		}
		return
	case s.number != nil:
		if !isNumber {
			k.wrong(at, 3, "is %s, not a number", show(v))
			return
		}
		n, _ := number.Float64()
		k.within(at, "", n, s.number)
		return
	}
	ok := true
	switch s.kind {
	case "str":
		ok = isText
	case "ts":
		ok = isText && timestamp.MatchString(text)
		if ok {
			_, err := time.Parse(time.RFC3339Nano, text)
			ok = err == nil
		}
	case "int":
		ok = isNumber && !strings.ContainsAny(number.String(), ".eE")
	case "num":
		ok = isNumber
	case "bool":
		_, ok = v.(bool)
	case "null":
		ok = v == nil
	case "object":
		_, ok = v.(map[string]any)
	case "any":
	default:
		k.wrong(at, 1, "the contract has an empty shape")
	}
	if !ok {
		k.wrong(at, 3, "is %s, not of the kind %s", show(v), s.kind)
	}
}

// within checks n against bounds.
func (k *checker) within(at, unit string, n float64, l *limits) {
	if l.Min != nil && n < *l.Min || l.Max != nil && n > *l.Max {
		k.wrong(at, 1, "has %v %s, which is out of bounds", n, unit)
	}
}

// join makes the place of a member.
func join(at, name string) string {
	if at == "" {
		return name
	}
	return at + "." + name
}

// show makes a value short enough for a message.
func show(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	if len(b) > 80 {
		return string(b[:80]) + "…"
	}
	return string(b)
}
