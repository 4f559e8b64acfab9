package directory

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// The schemas of RFC 7643 that we know.
const (
	UserSchema       = "urn:ietf:params:scim:schemas:core:2.0:User"
	GroupSchema      = "urn:ietf:params:scim:schemas:core:2.0:Group"
	EnterpriseSchema = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
)

// Bounds of what a directory may send of one user or group.
const (
	maxAttributes = 64 << 10 // bytes of JSON
	maxText       = 512      // characters of a field that is searched
)

// canonical spells the names that RFC 7643 §4 knows; SCIM's names have no case.
var canonical = func() map[string]string {
	m := map[string]string{}
	for _, n := range strings.Fields(`active addresses aliases costCenter country department display displayName division emails
		employeeNumber entitlements externalId familyName formatted givenName groups honorificPrefix honorificSuffix id ims
		locale locality manager members meta middleName name nickName operation organization password phoneNumbers photos
		postalCode preferredLanguage primary profileUrl region roles schemas streetAddress suspended timezone title type
		userName userType value x509Certificates $ref`) {
		m[strings.ToLower(n)] = n
	}
	for _, n := range []string{UserSchema, GroupSchema, EnterpriseSchema} {
		m[strings.ToLower(n)] = n
	}
	return m
}()

// Canonical is an attribute's name in the spelling that we store.
func Canonical(name string) string {
	if c, ok := canonical[strings.ToLower(name)]; ok {
		return c
	}
	return name
}

// invalidValue refuses attributes; the front makes a scimType of the code.
func invalidValue(format string, args ...any) *apierr.Error {
	return apierr.New(apierr.BadRequest, "invalidValue", format, args...)
}

// Boolean reads what directories send for a boolean: Entra ID sends "True".
func Boolean(v any) (b, ok bool) {
	switch t := v.(type) {
	case bool:
		return t, true
	case string:
		switch strings.ToLower(t) {
		case "true":
			return true, true
		case "false":
			return false, true
		}
	}
	return false, false
}

// Normalize gives the attributes as they are stored: names spelled as in RFC 7643,
// booleans that are booleans, one primary value at most, no nulls, and nothing that
// is the server's or secret.
func Normalize(a Attributes) (Attributes, error) {
	out, err := normalObject(a, 0)
	if err != nil {
		return nil, err
	}
	for _, n := range []string{"id", "meta", "groups", "members", "password"} {
		delete(out, n)
	}
	b, err := json.Marshal(out)
	if err != nil {
		return nil, invalidValue("The attributes are not JSON.").Wrap(err)
	}
	if len(b) > maxAttributes {
		return nil, apierr.New(apierr.TooLarge, "tooLarge", "The attributes take more than %d bytes.", maxAttributes)
	}
	return out, nil
}

// maxDepth bounds how deep attributes may nest; SCIM itself needs three.
const maxDepth = 8

// normalObject is Normalize for one object.
func normalObject(in map[string]any, depth int) (map[string]any, error) {
	if depth > maxDepth {
		return nil, invalidValue("The attributes nest deeper than %d levels.", maxDepth)
	}
	out := make(map[string]any, len(in))
	for _, name := range slices.Sorted(maps.Keys(in)) {
		v, err := normalValue(in[name], depth+1)
		if err != nil {
			return nil, err
		}
		if v == nil {
			continue // null and no value are the same (RFC 7643 §2.5)
		}
		c := Canonical(name)
		switch c {
		case "active", "primary", "suspended":
			b, ok := Boolean(v)
			if !ok {
				return nil, invalidValue("%s must be a boolean.", c)
			}
			v = b
		}
		out[c] = v
	}
	return out, nil
}

// normalValue is Normalize for one value.
func normalValue(v any, depth int) (any, error) {
	switch t := v.(type) {
	case Attributes:
		return normalObject(t, depth)
	case map[string]any:
		return normalObject(t, depth)
	case []any:
		if depth > maxDepth {
			return nil, invalidValue("The attributes nest deeper than %d levels.", maxDepth)
		}
		list := make([]any, 0, len(t))
		primary := -1
		for _, e := range t {
			n, err := normalValue(e, depth+1)
			if err != nil {
				return nil, err
			}
			if n == nil {
				continue
			}
			if o, ok := n.(map[string]any); ok && o["primary"] == true {
				if primary >= 0 { // the newest wins (RFC 7644 §3.5.2)
					list[primary].(map[string]any)["primary"] = false
				}
				primary = len(list)
			}
			list = append(list, n)
		}
		return list, nil
	}
	return v, nil
}

// text is a member of an object that is a string.
func text(o map[string]any, name string) string {
	s, _ := o[name].(string)
	return strings.TrimSpace(s)
}

// readProfile reads a user's fields out of its normal attributes.
func readProfile(a Attributes) (profile, error) {
	p := profile{ExternalID: text(a, "externalId"), Username: text(a, "userName"), Name: text(a, "displayName"), JobTitle: text(a, "title"), State: Active, Emails: []Email{}}
	if p.Username == "" {
		return p, invalidValue("userName is required.")
	}
	if v, given := a["name"]; given {
		n, ok := v.(map[string]any)
		if !ok {
			return p, invalidValue("name must be an object.")
		}
		p.FirstName, p.LastName = text(n, "givenName"), text(n, "familyName")
		if p.Name == "" {
			p.Name = text(n, "formatted")
		}
	}
	if p.Name == "" {
		p.Name = strings.TrimSpace(p.FirstName + " " + p.LastName)
	}
	if v, given := a["emails"]; given {
		list, ok := v.([]any)
		if !ok {
			return p, invalidValue("emails must be a list.")
		}
		for _, e := range list {
			o, ok := e.(map[string]any)
			if !ok {
				return p, invalidValue("Each of emails must be an object.")
			}
			p.Emails = append(p.Emails, Email{Primary: o["primary"] == true, Type: text(o, "type"), Value: text(o, "value")})
		}
	}
	p.Email = chooseEmail(p.Emails, p.Username)
	for _, s := range []string{p.ExternalID, p.Username, p.Email, p.FirstName, p.LastName, p.Name, p.JobTitle} {
		if len([]rune(s)) > maxText {
			return p, invalidValue("A name, address or id is longer than %d characters.", maxText)
		}
	}
	if a["suspended"] == true { // as JumpCloud has it
		p.State = Suspended
	}
	if a["active"] == false {
		p.State = Inactive
	}
	p.Custom = customAttributes(a)
	return p, nil
}

// chooseEmail picks the address a user is known by: the primary one, else that of
// work, else the first, else the user name if it is an address, as Entra ID's
// principal names are.
func chooseEmail(list []Email, username string) string {
	best, rank := "", 0
	for _, e := range list {
		r := 1
		switch {
		case e.Value == "":
			r = 0
		case e.Primary:
			r = 3
		case strings.EqualFold(e.Type, "work"):
			r = 2
		}
		if r > rank {
			best, rank = e.Value, r
		}
	}
	if rank == 0 {
		if email, _, ok := identity.ParseEmail(username); ok {
			return email
		}
	}
	return best
}

// customAttributes are the attributes that the imitated service maps by itself
// (workos.com/docs/directory-sync/attributes).
func customAttributes(a Attributes) map[string]any {
	out := map[string]any{}
	put := func(name string, v any) {
		if s, ok := v.(string); v != nil && (!ok || s != "") {
			out[name] = v
		}
	}
	put("username", a["userName"])
	put("job_title", a["title"])
	put("employee_type", a["userType"])
	put("emails", a["emails"])
	put("addresses", a["addresses"])
	if e, ok := a[EnterpriseSchema].(map[string]any); ok {
		put("department_name", e["department"])
		put("division_name", e["division"])
		put("cost_center_name", e["costCenter"])
	}
	return out
}
