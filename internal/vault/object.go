package vault

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
)

// Object is a secret with a name, without its value.
type Object struct {
	ID          string
	Environment identity.EnvironmentID
	Name        string
	Context     Context
	KeyID       string
	Version     string
	number      int // of the version: ids of one millisecond do not sort
	UpdatedBy   Actor
	Created     time.Time
	Updated     time.Time
}

// Version is one value that an object had.
type Version struct {
	ID      string
	ETag    string // of the sealed value
	Size    int    // of the value, in bytes
	Created time.Time
}

// objectRow writes an object.
func objectRow(o *Object) identity.Row {
	return identity.Row{
		identity.Text("id", o.ID), identity.Text("environment", o.Environment), identity.Text("name", o.Name), identity.Map("context", o.Context),
		identity.Text("key", o.KeyID), identity.Text("version", o.Version), identity.Number("number", o.number), identity.Text("by_id", o.UpdatedBy.ID),
		identity.Text("by_name", o.UpdatedBy.Name), identity.Time("created", o.Created), identity.Time("updated", o.Updated),
	}
}

// readObject is the reverse of objectRow.
func readObject(r identity.Record) *Object {
	o := &Object{ID: r.Text("id"), Environment: identity.EnvironmentID(r.Text("environment")), Name: r.Text("name"), Context: r.Map("context"),
		KeyID: r.Text("key"), Version: r.Text("version"), number: int(r.Number("number")), UpdatedBy: Actor{r.Text("by_id"), r.Text("by_name")},
		Created: r.Time("created"), Updated: r.Time("updated")}
	if o.Context == nil {
		o.Context = Context{}
	}
	return o
}

// binding is what a value of the object is sealed together with.
func (o *Object) binding() []byte {
	return bind("object", string(o.Environment), o.ID, o.Version, o.Context.canonical())
}

// write seals a value as the object's present version.
func (s *Service) write(tx *identity.Tx, o *Object, k *kek, value string) error {
	o.Version, o.KeyID, o.Updated = tx.NewID("vault_version_"), k.id, tx.Now()
	o.number++
	key := newKey()
	sealed := aead(key).Seal(nil, nil, []byte(value), o.binding())
	etag := sha256.Sum256(sealed)
	err := tx.Add(tableValues, identity.Row{
		identity.Text("version", o.Version), identity.Text("environment", o.Environment),
		identity.Bytes("data_key", aead(k.key).Seal(nil, nil, key, o.binding())), identity.Bytes("value", sealed),
	})
	if err != nil {
		return err
	}
	return tx.Add(tableVersions, identity.Row{
		identity.Text("id", o.Version), identity.Text("environment", o.Environment), identity.Text("object", o.ID), identity.Number("number", o.number),
		identity.Text("key", k.id), identity.Text("etag", hex.EncodeToString(etag[:16])), identity.Number("size", len(value)), identity.Time("created", tx.Now()),
	})
}

// forget removes a version and its value.
func forget(tx *identity.Tx, version *identity.Found) error {
	f, err := tx.First(tableValues, "on_version", version.Text("environment"), version.Text("id"))
	if err != nil {
		return err
	}
	if f != nil {
		if err := tx.Remove(f); err != nil {
			return err
		}
	}
	return tx.Remove(version)
}

// open reads the object's present value.
func (s *Service) open(tx *identity.Tx, o *Object) (string, error) {
	f, err := tx.First(tableValues, "on_version", string(o.Environment), o.Version)
	if err != nil {
		return "", err
	}
	if f == nil {
		return "", fmt.Errorf("vault: version %s of %s is gone", o.Version, o.ID)
	}
	k, err := s.keyByID(tx, o.Environment, o.KeyID)
	if err != nil {
		return "", err
	}
	if k == nil {
		return "", fmt.Errorf("vault: key %s of %s is gone", o.KeyID, o.ID)
	}
	key, err := aead(k.key).Open(nil, nil, f.Bytes("data_key"), o.binding())
	if err != nil || len(key) != keySize {
		return "", fmt.Errorf("vault: the data key of %s does not open: %w", o.ID, err)
	}
	value, err := aead(key).Open(nil, nil, f.Bytes("value"), o.binding())
	if err != nil {
		return "", fmt.Errorf("vault: the value of %s does not open: %w", o.ID, err)
	}
	return string(value), nil
}

// find finds an object by the index and value given.
func find(tx *identity.Tx, env identity.EnvironmentID, index, id string) (*identity.Found, *Object, error) {
	f, err := tx.First(tableObjects, index, string(env), id)
	if err != nil {
		return nil, nil, err
	}
	if f == nil {
		return nil, nil, identity.NotFound("Object", id)
	}
	return f, readObject(f.Record), nil
}

// written is the data of the events that tell of a new value.
type written struct {
	access
	Name    string  `json:"kv_name"`
	KeyID   string  `json:"key_id"`
	Context Context `json:"key_context"`
}

// Create stores a secret under a name that is free.
func (s *Service) Create(ctx context.Context, env identity.EnvironmentID, name string, c Context, value string, by Actor) (o *Object, err error) {
	switch {
	case name == "" || utf8.RuneCountInString(name) > maxName:
		return nil, bad("An object needs a name of at most %d characters.", maxName)
	case len(value) > maxValue:
		return nil, apierr.New(apierr.TooLarge, "value_too_large", "A value has at most %d bytes; larger things are encrypted with a data key.", maxValue)
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		taken, err := tx.First(tableObjects, "on_name", string(env), name)
		if err != nil {
			return err
		}
		if taken != nil {
			return apierr.New(apierr.Conflict, "object_exists", "There is an object of the name %q already; update it by its id.", name)
		}
		k, err := s.keyFor(tx, env, c, by)
		if err != nil {
			return err
		}
		o = &Object{ID: tx.NewID("secret_"), Environment: env, Name: name, Context: k.context, UpdatedBy: by, Created: tx.Now()}
		if err := s.write(tx, o, k, value); err != nil {
			return err
		}
		if err := tx.Add(tableObjects, objectRow(o)); err != nil {
			return err
		}
		return tx.Record(env, "vault.data.created", written{by.by(), name, k.id, o.Context})
	})
	return o, err
}

// Read gives an object and its value.
func (s *Service) Read(ctx context.Context, env identity.EnvironmentID, id string, by Actor) (*Object, string, error) {
	return s.read(ctx, env, "on_environment", id, by)
}

// ReadByName gives the object of a name and its value.
func (s *Service) ReadByName(ctx context.Context, env identity.EnvironmentID, name string, by Actor) (*Object, string, error) {
	return s.read(ctx, env, "on_name", name, by)
}

// read is Read by either index.
func (s *Service) read(ctx context.Context, env identity.EnvironmentID, index, id string, by Actor) (o *Object, value string, err error) {
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		if _, o, err = find(tx, env, index, id); err != nil {
			return err
		}
		if value, err = s.open(tx, o); err != nil {
			return err
		}
		return tx.Record(env, "vault.data.read", struct {
			access
			Name  string `json:"kv_name"`
			KeyID string `json:"key_id"`
		}{by.by(), o.Name, o.KeyID})
	})
	return o, value, err
}

// named is the data of the events that tell of an object without its key.
type named struct {
	access
	Name string `json:"kv_name"`
}

// Describe gives an object without its value.
func (s *Service) Describe(ctx context.Context, env identity.EnvironmentID, id string, by Actor) (o *Object, err error) {
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		if _, o, err = find(tx, env, "on_environment", id); err != nil {
			return err
		}
		return tx.Record(env, "vault.metadata.read", named{by.by(), o.Name})
	})
	return o, err
}

// checkVersion refuses a change that was meant for another version.
func (o *Object) checkVersion(want string) error {
	if want != "" && want != o.Version {
		return apierr.New(apierr.Conflict, "version_conflict",
			"The object has another version by now; read it again and decide anew. (present version %s)", o.Version)
	}
	return nil
}

// Write gives an object a new value; version, unless empty, must be its present one.
func (s *Service) Write(ctx context.Context, env identity.EnvironmentID, id, value, version string, by Actor) (o *Object, err error) {
	if len(value) > maxValue {
		return nil, apierr.New(apierr.TooLarge, "value_too_large", "A value has at most %d bytes; larger things are encrypted with a data key.", maxValue)
	}
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		var f *identity.Found
		if f, o, err = find(tx, env, "on_environment", id); err != nil {
			return err
		}
		if err := o.checkVersion(version); err != nil {
			return err
		}
		k, err := s.keyFor(tx, env, o.Context, by)
		if err != nil {
			return err
		}
		o.UpdatedBy = by
		if err := s.write(tx, o, k, value); err != nil {
			return err
		}
		if err := tx.Put(f.Doc, objectRow(o)); err != nil {
			return err
		}
		if err := forgetOld(tx, o); err != nil {
			return err
		}
		return tx.Record(env, "vault.data.updated", written{by.by(), o.Name, k.id, o.Context})
	})
	return o, err
}

// forgetOld removes the versions of o beyond the newest maxVersions.
func forgetOld(tx *identity.Tx, o *Object) error {
	rows, err := tx.All(tableVersions, "on_object", string(o.Environment), o.ID)
	if err != nil {
		return err
	}
	for i := 0; i < len(rows)-maxVersions; i++ {
		if err := forget(tx, &rows[i]); err != nil {
			return err
		}
	}
	return nil
}

// Delete removes an object with all its versions; version, unless empty, must be its
// present one.
func (s *Service) Delete(ctx context.Context, env identity.EnvironmentID, id, version string, by Actor) (o *Object, err error) {
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		var f *identity.Found
		if f, o, err = find(tx, env, "on_environment", id); err != nil {
			return err
		}
		if err := o.checkVersion(version); err != nil {
			return err
		}
		rows, err := tx.All(tableVersions, "on_object", string(env), o.ID)
		if err != nil {
			return err
		}
		for i := range rows {
			if err := forget(tx, &rows[i]); err != nil {
				return err
			}
		}
		if err := tx.Remove(f); err != nil {
			return err
		}
		return tx.Record(env, "vault.data.deleted", named{by.by(), o.Name})
	})
	return o, err
}

// Query narrows a list of objects.
type Query struct {
	identity.Page
	Search       string    // part of the name, whatever its case
	UpdatedAfter time.Time // zero for any
}

// List lists an environment's objects.
func (s *Service) List(ctx context.Context, env identity.EnvironmentID, q Query, by Actor) (l *identity.List[Object], err error) {
	part := strings.ToLower(q.Search)
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		l, err = identity.PageOf(tx, tableObjects, "on_environment", []string{string(env)}, q.Page, func(r identity.Record) (Object, string, bool) {
			o := readObject(r)
			return *o, o.ID, strings.Contains(strings.ToLower(o.Name), part) && o.Updated.After(q.UpdatedAfter)
		})
		if err != nil {
			return err
		}
		return tx.Record(env, "vault.names.listed", by.by())
	})
	return l, err
}

// Versions lists the versions of an object, newest first, and tells which is the
// present one.
func (s *Service) Versions(ctx context.Context, env identity.EnvironmentID, id string, by Actor) (list []Version, present string, err error) {
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		_, o, err := find(tx, env, "on_environment", id)
		if err != nil {
			return err
		}
		list, present = nil, o.Version
		err = tx.Each(tableVersions, "on_object", database.Prefix(identity.Key(string(env), id)), database.Desc, func(f identity.Found) (bool, error) {
			list = append(list, Version{ID: f.Text("id"), ETag: f.Text("etag"), Size: int(f.Number("size")), Created: f.Time("created")})
			return true, nil
		})
		if err != nil {
			return err
		}
		return tx.Record(env, "vault.metadata.read", named{by.by(), o.Name})
	})
	return list, present, err
}
