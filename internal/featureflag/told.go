package featureflag

import (
	"reflect"
	"slices"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
)

// maxTold bounds how many of a flag's targets an event of its rules names: a flag may
// have many, and each change would tell them all.
const maxTold = 100

// access is who has a flag, as events tell it. Targets of types that the application
// made up have no place in it.
type access struct {
	Type    string     `json:"access_type,omitempty"`
	Targets *toldAbout `json:"configured_targets,omitempty"`
}

// toldAbout are the targets of a flag.
type toldAbout struct {
	Organizations []toldOrganization `json:"organizations"`
	Users         []toldUser         `json:"users"`
}

// toldOrganization is an organisation that has a flag.
type toldOrganization struct {
	ID   identity.OrganizationID `json:"id"`
	Name string                  `json:"name"`
}

// toldUser is a user who has a flag.
type toldUser struct {
	ID    identity.UserID `json:"id"`
	Email string          `json:"email"`
}

// accessOf reads who has a flag now.
func accessOf(tx *identity.Tx, f *Flag) (access, error) {
	a := access{Type: "none", Targets: &toldAbout{Organizations: []toldOrganization{}, Users: []toldUser{}}}
	n := 0
	err := tx.Each(tableTargets, "on_flag", database.Prefix(identity.Key(string(f.Environment), f.ID)), database.Asc, func(r identity.Found) (bool, error) {
		n++
		var err error
		switch id := r.Text("target"); r.Text("kind") {
		case KindUser:
			var u *identity.User
			if u, err = tx.User(f.Environment, identity.UserID(id)); err == nil {
				a.Targets.Users = append(a.Targets.Users, toldUser{u.ID, u.Email})
			}
		case KindOrganization:
			var o *identity.Organization
			if o, err = tx.Organization(f.Environment, identity.OrganizationID(id)); err == nil {
				a.Targets.Organizations = append(a.Targets.Organizations, toldOrganization{o.ID, o.Name})
			}
		}
		if apierr.KindOf(err) == apierr.NotFound { // deleted since
			err = nil
		}
		return n < maxTold, err
	})
	switch {
	case f.Default:
		a.Type = "all"
	case n > 0:
		a.Type = "some"
	}
	return a, err
}

// differing are the members of data that were other than they are in f.
func (f *Flag) differing(before *Flag) map[string]any {
	data := map[string]any{}
	if before.Name != f.Name {
		data["name"] = before.Name
	}
	if before.Description != f.Description {
		data["description"] = orNull(before.Description)
	}
	if !slices.Equal(before.Tags, f.Tags) {
		data["tags"] = append([]string{}, before.Tags...)
	}
	if before.Enabled != f.Enabled {
		data["enabled"] = before.Enabled
	}
	if before.Default != f.Default {
		data["default_value"] = before.Default
	}
	return data
}

// recordUpdate tells of a flag that changed.
func recordUpdate(tx *identity.Tx, f, before *Flag) error {
	data := f.differing(before)
	if len(data) == 0 {
		return record(tx, "flag.updated", f, nil)
	}
	return record(tx, "flag.updated", f, map[string]any{"previous_attributes": map[string]any{"data": data}})
}

// recordRules tells who has a flag from now on, and who had it.
func recordRules(tx *identity.Tx, f, before *Flag, was access) error {
	now, err := accessOf(tx, f)
	if err != nil {
		return err
	}
	previous := map[string]any{}
	if before.Default != f.Default {
		previous["data"] = map[string]any{"default_value": before.Default}
	}
	if was.Type == now.Type {
		was.Type = ""
	}
	if reflect.DeepEqual(was.Targets, now.Targets) {
		was.Targets = nil
	}
	if was != (access{}) {
		previous["context"] = was
	}
	return record(tx, "flag.rule_updated", f, map[string]any{"access_type": now.Type, "configured_targets": now.Targets, "previous_attributes": previous})
}
