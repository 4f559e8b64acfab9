package scim

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/directory"
)

// maxOperations bounds a patch. Entra ID sends up to a few dozen.
const maxOperations = 1000

// Refusals of patches, by scimType (RFC 7644 §3.12).
func invalidPath(format string, args ...any) *apierr.Error {
	return apierr.New(apierr.BadRequest, "invalidPath", format, args...)
}

// noTarget refuses an operation that has nothing to work on.
func noTarget(format string, args ...any) *apierr.Error {
	return apierr.New(apierr.BadRequest, "noTarget", format, args...)
}

// invalidSyntax refuses a body.
func invalidSyntax(format string, args ...any) *apierr.Error {
	return apierr.New(apierr.BadRequest, "invalidSyntax", format, args...)
}

// operation is one step of a patch (RFC 7644 §3.5.2). Directories write op in any
// case.
type operation struct {
	op    string
	bare  bool // no path was given: value is an object of attributes
	at    path
	only  expr // the elements of the list at that are meant; nil for all
	sub   string
	value any
}

// readPatch decodes a patch's body.
func readPatch(b []byte) ([]operation, error) {
	var body struct {
		Operations []struct {
			Op    string `json:"op"`
			Path  string `json:"path"`
			Value any    `json:"value"`
		} `json:"Operations"` // matched in any case
	}
	if err := json.Unmarshal(b, &body); err != nil {
		return nil, invalidSyntax("The body is no PatchOp: %s.", fault(err))
	}
	if len(body.Operations) == 0 || len(body.Operations) > maxOperations {
		return nil, invalidSyntax("Operations must hold 1 to %d operations.", maxOperations)
	}
	ops := make([]operation, 0, len(body.Operations))
	for _, raw := range body.Operations {
		o := operation{op: strings.ToLower(raw.Op), value: spelled(raw.Value)}
		switch o.op {
		case "add", "replace", "remove":
		default:
			return nil, invalidSyntax("op must be add, replace or remove, not %.20q.", raw.Op)
		}
		if raw.Path == "" {
			if o.op == "remove" {
				return nil, noTarget("remove needs a path.")
			}
			attributes, ok := o.value.(map[string]any)
			if !ok {
				return nil, invalidSyntax("Without a path, value must be an object of attributes.")
			}
			// Each attribute becomes a step of its own: their names may be paths.
			for _, name := range slices.Sorted(maps.Keys(attributes)) {
				one := operation{op: o.op, bare: true, value: attributes[name]}
				if err := one.aim(name); err != nil {
					return nil, err
				}
				ops = append(ops, one)
			}
			continue
		}
		if err := o.aim(raw.Path); err != nil {
			return nil, err
		}
		if o.op != "remove" && raw.Value == nil {
			o.op = "remove" // null and no value are the same
		}
		ops = append(ops, o)
	}
	return ops, nil
}

// aim reads the operation's path: attr, attr.sub, attr[filter] or attr[filter].sub.
func (o *operation) aim(s string) error {
	name, rest, filtered := strings.Cut(s, "[")
	var ok bool
	if o.at, ok = parsePath(name); !ok {
		return invalidPath("The path %.60q names no attribute.", s)
	}
	if !filtered {
		return nil
	}
	end := strings.LastIndexByte(rest, ']')
	if end < 0 || o.at.sub != "" {
		return invalidPath("The path %.60q has no filter in brackets after an attribute.", s)
	}
	var err error
	if o.only, err = parseFilter(rest[:end]); err != nil {
		return err
	}
	if tail := rest[end+1:]; tail != "" {
		sub, dotted := strings.CutPrefix(tail, ".")
		if !dotted || !attributeName(sub) {
			return invalidPath("The path %.60q does not end in a part of the attribute.", s)
		}
		o.sub = directory.Canonical(sub)
	}
	return nil
}

// serverOwned are attributes that no client sets. Okta sends the id along when it
// renames a group, so values without a path may hold them.
var serverOwned = map[string]bool{"id": true, "meta": true, "groups": true}

// lists are the attributes of RFC 7643 §4 that have many values.
var lists = map[string]bool{"emails": true, "phoneNumbers": true, "ims": true, "photos": true, "addresses": true, "entitlements": true,
	"roles": true, "x509Certificates": true, "schemas": true}

// apply changes the attributes as one operation says.
func (o *operation) apply(a map[string]any) error {
	if o.at.schema == "" && serverOwned[o.at.name] {
		if o.bare {
			return nil
		}
		return apierr.New(apierr.BadRequest, "mutability", "%s cannot be changed.", o.at.name)
	}
	in := a
	if s := o.at.schema; s != "" {
		if o.at.name == "" {
			return o.extension(a)
		}
		in, _ = a[s].(map[string]any)
		if in == nil {
			if o.op == "remove" {
				return nil
			}
			in = map[string]any{}
			a[s] = in
		}
	}
	switch {
	case o.only != nil:
		return o.elements(in)
	case o.at.sub != "":
		return o.part(in)
	case o.op == "remove":
		return o.remove(in)
	}
	o.set(in, o.at.name)
	return nil
}

// extension changes a whole extension, the attributes of which have no paths of
// their own.
func (o *operation) extension(a map[string]any) error {
	if o.op == "remove" {
		delete(a, o.at.schema)
		return nil
	}
	attributes, ok := o.value.(map[string]any)
	if !ok {
		return invalidSyntax("The value of an extension must be an object.")
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		one := operation{op: o.op, bare: true, at: path{schema: o.at.schema, name: name}, value: attributes[name]}
		if err := one.apply(a); err != nil {
			return err
		}
	}
	return nil
}

// set gives an attribute its value: add appends to lists, and objects keep the
// parts that are not named (RFC 7644 §3.5.2.1, §3.5.2.3).
func (o *operation) set(in map[string]any, name string) {
	value := o.value
	if lists[name] {
		if _, ok := value.([]any); !ok {
			value = []any{value}
		}
	}
	switch was := in[name].(type) {
	case []any:
		more, ok := value.([]any)
		if o.op != "add" || !ok {
			break
		}
		list := slices.Clone(was)
		for _, v := range more {
			if !slices.ContainsFunc(list, func(w any) bool { return reflect.DeepEqual(v, w) }) {
				list = append(list, v)
			}
		}
		value = list
	case map[string]any:
		parts, ok := value.(map[string]any)
		if !ok {
			if _, text := value.(string); text && was["value"] != nil { // "manager": "id"
				parts = map[string]any{"value": value}
			} else {
				break
			}
		}
		merged := maps.Clone(was)
		for k, v := range parts {
			merged[k] = v
		}
		value = merged
	}
	if value == nil {
		delete(in, name)
		return
	}
	if s, text := value.(string); text && name == "manager" { // as Entra ID sends it
		value = map[string]any{"value": s}
	}
	in[name] = value
}

// spelled is a value with the names of attributes as we store them, at any depth.
func spelled(v any) any {
	switch t := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(t))
		for k, v := range t {
			out[directory.Canonical(k)] = spelled(v)
		}
		return out
	case []any:
		out := make([]any, len(t))
		for i, v := range t {
			out[i] = spelled(v)
		}
		return out
	}
	return v
}

// part changes one part of an attribute, of each element if it is a list.
func (o *operation) part(in map[string]any) error {
	step := operation{op: o.op, value: o.value}
	switch was := in[o.at.name].(type) {
	case []any:
		for _, v := range was {
			if element, ok := v.(map[string]any); ok {
				step.change(element, o.at.sub)
			}
		}
		return nil
	case map[string]any:
		step.change(was, o.at.sub)
		return nil
	}
	if o.op == "remove" {
		return nil
	}
	fresh := map[string]any{o.at.sub: o.value}
	in[o.at.name] = fresh
	if lists[o.at.name] {
		in[o.at.name] = []any{fresh}
	}
	return nil
}

// change sets or removes a member.
func (o *operation) change(in map[string]any, name string) {
	if o.op == "remove" {
		delete(in, name)
		return
	}
	o.set(in, name)
}

// remove takes an attribute away, or of a list the values that are named: older
// clients of Entra ID name them beside the path.
func (o *operation) remove(in map[string]any) error {
	was, isList := in[o.at.name].([]any)
	unwanted, some := o.value.([]any)
	if !isList || !some {
		delete(in, o.at.name)
		return nil
	}
	in[o.at.name] = slices.DeleteFunc(slices.Clone(was), func(v any) bool {
		return slices.ContainsFunc(unwanted, func(w any) bool { return reflect.DeepEqual(v, w) || identical(v, w) })
	})
	return nil
}

// identical reports whether two elements have the same "value".
func identical(v, w any) bool {
	a, ok1 := v.(map[string]any)
	b, ok2 := w.(map[string]any)
	return ok1 && ok2 && a["value"] != nil && a["value"] == b["value"]
}

// elements changes the elements of a list that the filter means.
func (o *operation) elements(in map[string]any) error {
	was, _ := in[o.at.name].([]any)
	if one, ok := in[o.at.name].(map[string]any); ok {
		was = []any{one}
	}
	var out []any
	found := false
	for _, v := range was {
		element, ok := v.(map[string]any)
		if !ok || !o.only.holds(element) {
			out = append(out, v)
			continue
		}
		found = true
		switch {
		case o.op == "remove" && o.sub == "":
			continue
		case o.sub != "":
			(&operation{op: o.op, value: o.value}).change(element, o.sub)
		default:
			parts, ok := o.value.(map[string]any)
			if !ok {
				return invalidSyntax("The value for an element of %s must be an object.", o.at.name)
			}
			for k, v := range parts {
				element[k] = v
			}
		}
		out = append(out, element)
	}
	if !found && o.op != "remove" {
		fresh, ok := o.fresh()
		if !ok {
			return noTarget("No element of %s matches the filter.", o.at.name)
		}
		out = append(out, fresh)
	}
	if len(out) == 0 {
		delete(in, o.at.name)
		return nil
	}
	in[o.at.name] = out
	return nil
}

// fresh makes the element that a filter of equalities describes, with the value:
// Entra ID sets emails[type eq "work"].value whether there is one or not.
func (o *operation) fresh() (map[string]any, bool) {
	element := map[string]any{}
	if !describe(o.only, element) {
		return nil, false
	}
	if o.sub != "" {
		element[o.sub] = o.value
		return element, true
	}
	parts, ok := o.value.(map[string]any)
	if !ok || o.op != "add" {
		return nil, false
	}
	for k, v := range parts {
		element[k] = v
	}
	return element, true
}

// describe fills an element with what a conjunction of equalities says of it.
func describe(e expr, element map[string]any) bool {
	switch t := e.(type) {
	case both:
		return describe(t.left, element) && describe(t.right, element)
	case compare:
		if t.op != "eq" || t.at.sub != "" || t.at.schema != "" || t.value == nil {
			return false
		}
		element[t.at.name] = t.value
		return true
	}
	return false
}

// memberChange folds the operations on a group's members into one change. Whoever
// is named with other parts than value is meant all the same.
func memberChange(ops []operation) (directory.Members, error) {
	var m directory.Members
	add, remove := idSet{}, idSet{}
	for _, o := range ops {
		var ids []directory.UserID
		var err error
		if o.only != nil {
			ids, err = membersOf(o.only)
		} else if o.value != nil {
			ids, err = readMembers(o.value)
		}
		if err != nil {
			return m, err
		}
		everybody := o.only == nil && (o.op == "replace" || o.op == "remove" && o.value == nil)
		if everybody {
			m.Replace = true
			add, remove = idSet{}, idSet{}
		}
		if len(ids)+len(add.ids)+len(remove.ids) > 2*directory.MaxMembers {
			return m, apierr.New(apierr.TooLarge, "tooMany", "A patch may name at most %d members.", 2*directory.MaxMembers)
		}
		for _, id := range ids {
			if o.op == "remove" {
				add.drop(id)
				remove.put(id)
			} else if o.only == nil {
				remove.drop(id)
				add.put(id)
			}
		}
	}
	m.Add, m.Remove = add.ids, remove.ids
	return m, nil
}

// idSet is a set that keeps the order of arrival.
type idSet struct {
	ids []directory.UserID
	in  map[directory.UserID]bool
}

// put adds an id.
func (s *idSet) put(id directory.UserID) {
	if s.in == nil {
		s.in = map[directory.UserID]bool{}
	}
	if !s.in[id] {
		s.in[id] = true
		s.ids = append(s.ids, id)
	}
}

// drop removes an id.
func (s *idSet) drop(id directory.UserID) {
	if s.in[id] {
		delete(s.in, id)
		s.ids = slices.DeleteFunc(s.ids, func(v directory.UserID) bool { return v == id })
	}
}

// membersOf reads the ids out of members[value eq "…" or value eq "…"].
func membersOf(e expr) ([]directory.UserID, error) {
	switch t := e.(type) {
	case either:
		left, err := membersOf(t.left)
		if err != nil {
			return nil, err
		}
		right, err := membersOf(t.right)
		return append(left, right...), err
	case compare:
		if id, ok := t.value.(string); ok && t.op == "eq" && t.at == (path{name: "value"}) {
			return []directory.UserID{directory.UserID(id)}, nil
		}
	}
	return nil, invalidFilter(`Members are chosen by members[value eq "id"] only.`)
}

// readMembers reads the ids out of a list of members, or of one.
func readMembers(v any) ([]directory.UserID, error) {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	if len(list) > directory.MaxMembers {
		return nil, apierr.New(apierr.TooLarge, "tooMany", "A group may have at most %d members.", directory.MaxMembers)
	}
	ids := make([]directory.UserID, 0, len(list))
	for _, m := range list {
		o, _ := m.(map[string]any)
		id, ok := o["value"].(string)
		if !ok {
			if id, ok = m.(string); !ok {
				return nil, invalidSyntax("Each member must be an object whose value is the id of a user.")
			}
		}
		ids = append(ids, directory.UserID(id))
	}
	return ids, nil
}
