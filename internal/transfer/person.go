package transfer

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// person is one user of a file.
type person struct {
	identity.NewUser
	given  has // which members the file has
	places []place
}

// has says which members a row has, so that an update leaves the others.
type has struct{ verified, first, last, picture, external, locale, metadata bool }

// place is an organization that somebody belongs to.
type place struct {
	ID, ExternalID, Name string
	Roles                []string
}

// HashReader reads a hash that comes with a user, by the names of the API's
// password_hash_type and password_salt_position; authflow.ForeignHash is one.
type HashReader func(kind, text, position string) (string, error)

// rowFault is what is wrong with a member of a row.
type rowFault struct{ field, code, message string }

// Error is the message.
func (f rowFault) Error() string { return f.message }

// reader makes people of rows.
type reader struct {
	source   *source
	hash     HashReader
	firebase Firebase
}

// person reads one row.
func (d *reader) person(row fields) (*person, error) {
	f := flat(row)
	if d.source.prepare != nil {
		if err := d.source.prepare(f, d); err != nil {
			return nil, err
		}
	}
	p := &person{}
	text := func(member string, into *string, given *bool) {
		for _, name := range names[member] {
			v, ok := f[name]
			if !ok {
				continue
			}
			if given != nil {
				*given = true
			}
			if *into = scalar(v); *into != "" {
				return
			}
		}
	}
	text("email", &p.Email, nil)
	text("first_name", &p.FirstName, &p.given.first)
	text("last_name", &p.LastName, &p.given.last)
	text("picture", &p.ProfilePictureURL, &p.given.picture)
	text("external_id", &p.ExternalID, &p.given.external)
	text("locale", &p.Locale, &p.given.locale)
	p.Locale = strings.ReplaceAll(p.Locale, "_", "-")
	var id, name, verified, kind, hash, position string
	text("id", &id, nil)
	text("name", &name, nil)
	text("email_verified", &verified, &p.given.verified)
	text("hash", &hash, nil)
	text("hash_type", &kind, nil)
	text("hash_position", &position, nil)
	if p.Email == "" {
		return nil, rowFault{"email", "email_required", "there is no e-mail address; give the user one, or leave the row out"}
	}
	if p.FirstName == "" && p.LastName == "" && name != "" && !strings.Contains(name, "@") {
		p.FirstName, p.LastName = splitName(name)
		p.given.first, p.given.last = true, true
	}
	switch {
	case strings.HasPrefix(id, "user_") && d.source.keepsID:
		p.ID = identity.UserID(id)
	case id != "" && p.ExternalID == "" && d.source.external:
		p.ExternalID, p.given.external = id, true
	}
	var err error
	if p.EmailVerified, err = yes(verified); err != nil {
		return nil, rowFault{"email_verified", "email_verified_invalid", fmt.Sprintf("email_verified is %.40q; write true or false", verified)}
	}
	if p.Metadata, err = metadata(f); err != nil {
		return nil, err
	}
	p.given.metadata = p.Metadata != nil
	if hash != "" {
		if p.PasswordHash, err = d.readHash(kind, hash, position); err != nil {
			return nil, err
		}
	}
	p.places, err = places(f)
	return p, err
}

// readHash makes a hash of one that another service wrote.
func (d *reader) readHash(kind, text, position string) (string, error) {
	kind, text, err := foreignForm(kind, text)
	if err != nil {
		return "", err
	}
	hash, err := d.hash(kind, text, position)
	if e, ok := apierr.As(err); ok {
		return "", rowFault{"password_hash", "invalid_password_hash", e.Message + " Leave the hash out to import the user without a password."}
	}
	return hash, err
}

// names are the names under which the members of a user stand in files, in plain
// form, the better ones first.
var names = map[string][]string{
	"email":          {"email", "emailaddress", "primaryemailaddress", "useremail", "mail"},
	"email_verified": {"emailverified", "verified", "emailconfirmed", "isemailverified", "emailconfirmedat", "confirmedat"},
	"first_name":     {"firstname", "givenname", "first"},
	"last_name":      {"lastname", "familyname", "surname", "last"},
	"name":           {"name", "fullname", "displayname"},
	"picture":        {"profilepictureurl", "picture", "photourl", "avatarurl", "imageurl", "photo"},
	"external_id":    {"externalid", "externaluserid"},
	"id":             {"id", "userid", "localid", "uid", "sub"},
	"locale":         {"locale", "language"},
	"hash":           {"passwordhash", "hash", "encryptedpassword", "passworddigest", "hashedpassword"},
	"hash_type":      {"passwordhashtype", "hashtype", "passwordhasher", "passwordhashalgorithm"},
	"hash_position":  {"passwordsaltposition", "saltposition"},
}

// organizationNames are the names of what a row says of one organization.
var organizationNames = map[string][]string{
	"id": {"organizationid", "orgid"}, "external_id": {"organizationexternalid", "orgexternalid"},
	"name": {"organizationname", "organization", "orgname", "company"}, "role": {"roleslug", "role", "roleslugs", "organizationrole", "roles"},
}

// plain is the name of a column or member without case and marks.
func plain(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r == '_' || r == '-' || r == ' ' || r == '.' || r == ':':
			return -1
		}
		return r
	}, name)
}

// flat is a row by plain names.
func flat(row fields) fields {
	f := make(fields, len(row))
	for name, v := range row {
		if v != nil {
			f[plain(name)] = v
		}
	}
	return f
}

// scalar is a value as text; objects and lists are none.
func scalar(v any) string {
	switch v := v.(type) {
	case string:
		return strings.TrimSpace(v)
	case json.Number:
		return v.String()
	case bool:
		return fmt.Sprint(v)
	}
	return ""
}

// yes reads a truth, or the time at which something became true.
func yes(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "true", "t", "yes", "y", "1":
		return true, nil
	case "", "false", "f", "no", "n", "0", "null":
		return false, nil
	}
	if len(text) >= 10 && text[4] == '-' && text[7] == '-' && text[0] >= '1' && text[0] <= '9' {
		return true, nil
	}
	return false, fmt.Errorf("neither true nor false")
}

// splitName splits a full name at its last space.
func splitName(name string) (first, last string) {
	if i := strings.LastIndexByte(name, ' '); i > 0 {
		return strings.TrimSpace(name[:i]), name[i+1:]
	}
	return name, ""
}

// metadata is the metadata of a row: an object, or in a CSV the text of one. Values
// that are no texts become their JSON.
func metadata(f fields) (map[string]string, error) {
	v, ok := f["metadata"]
	if !ok {
		return nil, nil
	}
	if text, is := v.(string); is {
		o, err := object([]byte(text))
		if err != nil {
			return nil, rowFault{"metadata", "invalid_metadata", "metadata is not a JSON object"}
		}
		v = map[string]any(o)
	}
	o, ok := v.(map[string]any)
	if !ok {
		return nil, rowFault{"metadata", "invalid_metadata", "metadata is not a JSON object"}
	}
	out := make(map[string]string, len(o))
	for k, v := range o {
		switch v := v.(type) {
		case nil:
		case string:
			out[k] = v
		default:
			b, err := json.Marshal(v)
			if err != nil {
				return nil, rowFault{"metadata", "invalid_metadata", "metadata cannot be written down"}
			}
			out[k] = string(b)
		}
	}
	return out, nil
}

// places are the organizations of a row: by its own columns, or a list.
func places(f fields) ([]place, error) {
	var out []place
	add := func(f fields, inner bool) error {
		get := func(member string, more ...string) string {
			for _, name := range slices.Concat(organizationNames[member], more) {
				if s := scalar(f[name]); s != "" {
					return s
				}
			}
			return ""
		}
		p := place{ID: get("id"), ExternalID: get("external_id"), Name: get("name")}
		if inner {
			if p.ExternalID == "" {
				p.ExternalID = scalar(f["externalid"])
			}
			if p.Name == "" {
				p.Name = scalar(f["name"])
			}
			if id := scalar(f["id"]); p.ID == "" && strings.HasPrefix(id, "org_") {
				p.ID = id
			}
		}
		if list, ok := f["roles"].([]any); ok {
			for _, r := range list {
				p.Roles = append(p.Roles, scalar(r))
			}
		} else if list, ok := f["roleslugs"].([]any); ok {
			for _, r := range list {
				p.Roles = append(p.Roles, scalar(r))
			}
		} else if o, ok := f["role"].(map[string]any); ok {
			p.Roles = []string{scalar(o["slug"])}
		} else {
			p.Roles = strings.FieldsFunc(get("role"), func(r rune) bool { return r == ',' || r == ' ' || r == '|' || r == ';' })
		}
		p.Roles = slices.DeleteFunc(p.Roles, func(s string) bool { return s == "" })
		if p.ID == "" && p.ExternalID == "" && p.Name == "" {
			if inner {
				return rowFault{"organizations", "organization_required", "an entry of organizations has neither id nor external_id nor name"}
			}
			return nil // a role without an organization means something elsewhere
		}
		out = append(out, p)
		return nil
	}
	if err := add(f, false); err != nil {
		return nil, err
	}
	for _, member := range []string{"organizations", "memberships", "organizationmemberships"} {
		list := f[member]
		if text, ok := list.(string); ok && strings.HasPrefix(text, "[") { // of a CSV
			var l []any
			if err := json.Unmarshal([]byte(text), &l); err != nil {
				return nil, rowFault{"organizations", "invalid_organizations", "organizations is not a JSON list"}
			}
			list = l
		}
		l, _ := list.([]any)
		for _, e := range l {
			o, ok := e.(map[string]any)
			if !ok {
				return nil, rowFault{"organizations", "invalid_organizations", "an entry of organizations is not a JSON object"}
			}
			if err := add(flat(o), true); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}
