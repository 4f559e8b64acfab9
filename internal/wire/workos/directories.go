package workos

import (
	"net/http"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/directory"
	"github.com/lentil-dev/lentil/internal/identity"
)

// directoryRoutes are about directory sync. Directories come into being by the
// operator's routes: the imitated service has no operation for it.
func (a *API) directoryRoutes() []Route {
	return []Route{
		{"GET", "/directories", "listDirectories", "key", corsNone, false, a.listDirectories},
		{"GET", "/directories/{id}", "getDirectory", "key", corsNone, false, a.getDirectory},
		{"DELETE", "/directories/{id}", "deleteDirectory", "key", corsNone, false, a.deleteDirectory},
		{"GET", "/directory_groups", "listDirectoryGroups", "key", corsNone, false, a.listDirectoryGroups},
		{"GET", "/directory_groups/{id}", "getDirectoryGroup", "key", corsNone, false, a.getDirectoryGroup},
		{"GET", "/directory_users", "listDirectoryUsers", "key", corsNone, false, a.listDirectoryUsers},
		{"GET", "/directory_users/{id}", "getDirectoryUser", "key", corsNone, false, a.getDirectoryUser},
		{"POST", "/_lentil/v1/directories", "", "key", corsNone, false, a.createDirectory},
		{"GET", "/_lentil/v1/directories/{id}", "", "key", corsNone, false, a.describeDirectory},
		{"PATCH", "/_lentil/v1/directories/{id}", "", "key", corsNone, false, a.configureDirectory},
		{"POST", "/_lentil/v1/directories/{id}/token", "", "key", corsNone, false, a.rotateDirectoryToken},
		{"DELETE", "/_lentil/v1/directories/{id}", "", "key", corsNone, false, a.deleteDirectory},
	}
}

// directoryObject is a directory on the wire.
type directoryObject struct {
	Object         string             `json:"object"`
	ID             string             `json:"id"`
	OrganizationID string             `json:"organization_id"`
	ExternalKey    string             `json:"external_key"`
	Type           string             `json:"type"`
	State          string             `json:"state"`
	Name           string             `json:"name"`
	Domain         string             `json:"domain,omitempty"`
	Metadata       *directoryMetadata `json:"metadata,omitempty"`
	CreatedAt      string             `json:"created_at"`
	UpdatedAt      string             `json:"updated_at"`
}

// directoryMetadata counts what a directory holds; only a single directory shows it.
type directoryMetadata struct {
	Users struct {
		Active   int `json:"active"`
		Inactive int `json:"inactive"`
	} `json:"users"`
	Groups int `json:"groups"`
}

// newDirectoryObject shows d.
func newDirectoryObject(d *directory.Directory) directoryObject {
	return directoryObject{
		Object: "directory", ID: string(d.ID), OrganizationID: string(d.Organization), ExternalKey: d.ExternalKey, Type: string(d.Type), State: string(d.State),
		Name: d.Name, Domain: d.Domain, CreatedAt: identity.FormatTime(d.Created), UpdatedAt: identity.FormatTime(d.Updated),
	}
}

// directoryID is the id in the path.
func directoryID(r *http.Request) directory.ID { return directory.ID(r.PathValue("id")) }

// listDirectories is GET /directories.
func (a *API) listDirectories(w http.ResponseWriter, r *http.Request) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	list, err := a.Directory.Directories(r.Context(), environment(r).ID, directory.Query{
		Page: page, Organization: identity.OrganizationID(q.Get("organization_id")), Search: q.Get("search"), Domain: q.Get("domain"),
	})
	if err != nil {
		return err
	}
	return writeList(w, list, newDirectoryObject)
}

// getDirectory is GET /directories/{id}.
func (a *API) getDirectory(w http.ResponseWriter, r *http.Request) error {
	d, c, err := a.Directory.Directory(r.Context(), environment(r).ID, directoryID(r))
	if err != nil {
		return err
	}
	o := newDirectoryObject(d)
	o.Metadata = &directoryMetadata{Groups: c.Groups}
	o.Metadata.Users.Active, o.Metadata.Users.Inactive = c.Active, c.Inactive
	writeJSON(w, http.StatusOK, o)
	return nil
}

// deleteDirectory is DELETE /directories/{id}. The description knows no 404: a
// directory that is not there is as good as deleted.
func (a *API) deleteDirectory(w http.ResponseWriter, r *http.Request) error {
	if err := a.Directory.Delete(r.Context(), environment(r).ID, directoryID(r)); err != nil && apierr.KindOf(err) != apierr.NotFound {
		return err
	}
	writeJSON(w, http.StatusAccepted, struct{}{})
	return nil
}

// directoryUserObject is a user of a directory with the groups it is in.
type directoryUserObject struct {
	directory.UserData
	Groups []directory.GroupData `json:"groups"`
}

// newDirectoryUserObject shows u.
func newDirectoryUserObject(u *directory.UserWithGroups) directoryUserObject {
	o := directoryUserObject{UserData: u.Data(), Groups: make([]directory.GroupData, len(u.Groups))}
	for i := range u.Groups {
		o.Groups[i] = u.Groups[i].Data()
	}
	return o
}

// listDirectoryUsers is GET /directory_users.
func (a *API) listDirectoryUsers(w http.ResponseWriter, r *http.Request) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	list, err := a.Directory.Users(r.Context(), environment(r).ID, directory.UserQuery{
		Page: page, Directory: directory.ID(q.Get("directory")), Group: directory.GroupID(q.Get("group")), IdpID: q.Get("idp_id"), Email: q.Get("email"),
	})
	if err != nil {
		return err
	}
	return writeList(w, list, newDirectoryUserObject)
}

// getDirectoryUser is GET /directory_users/{id}.
func (a *API) getDirectoryUser(w http.ResponseWriter, r *http.Request) error {
	u, err := a.Directory.User(r.Context(), environment(r).ID, directory.UserID(r.PathValue("id")))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, newDirectoryUserObject(u))
	return nil
}

// listDirectoryGroups is GET /directory_groups.
func (a *API) listDirectoryGroups(w http.ResponseWriter, r *http.Request) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	list, err := a.Directory.Groups(r.Context(), environment(r).ID, directory.GroupQuery{
		Page: page, Directory: directory.ID(q.Get("directory")), User: directory.UserID(q.Get("user")),
	})
	if err != nil {
		return err
	}
	return writeList(w, list, (*directory.Group).Data)
}

// getDirectoryGroup is GET /directory_groups/{id}.
func (a *API) getDirectoryGroup(w http.ResponseWriter, r *http.Request) error {
	g, err := a.Directory.Group(r.Context(), environment(r).ID, directory.GroupID(r.PathValue("id")))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, g.Data())
	return nil
}

// operatedDirectory is a directory as its operator sees it, with the token once.
type operatedDirectory struct {
	directoryObject
	Endpoint    string            `json:"endpoint"`
	Token       string            `json:"token,omitempty"`
	TokenSuffix string            `json:"token_suffix"`
	GroupRoles  map[string]string `json:"group_roles"`
	DefaultRole *string           `json:"default_role"`
}

// writeOperated answers an operator.
func (a *API) writeOperated(w http.ResponseWriter, r *http.Request, status int, d *directory.Directory, token string) {
	o := operatedDirectory{directoryObject: newDirectoryObject(d), Endpoint: d.Endpoint(a.baseURL(r)), Token: token, TokenSuffix: d.TokenSuffix,
		GroupRoles: d.Roles, DefaultRole: orNull(d.DefaultRole)}
	if o.GroupRoles == nil {
		o.GroupRoles = map[string]string{}
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, status, o)
}

// createDirectory is POST /_lentil/v1/directories.
func (a *API) createDirectory(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		OrganizationID string            `json:"organization_id"`
		Name           string            `json:"name"`
		Type           string            `json:"type"`
		Domain         string            `json:"domain"`
		GroupRoles     map[string]string `json:"group_roles"`
		DefaultRole    string            `json:"default_role"`
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	d, token, err := a.Directory.Create(r.Context(), environment(r).ID, directory.New{Organization: identity.OrganizationID(b.OrganizationID), Name: b.Name,
		Type: directory.Type(b.Type), Domain: b.Domain, Roles: b.GroupRoles, DefaultRole: b.DefaultRole})
	if err != nil {
		return err
	}
	a.writeOperated(w, r, http.StatusCreated, d, token)
	return nil
}

// describeDirectory is GET /_lentil/v1/directories/{id}.
func (a *API) describeDirectory(w http.ResponseWriter, r *http.Request) error {
	d, _, err := a.Directory.Directory(r.Context(), environment(r).ID, directoryID(r))
	if err != nil {
		return err
	}
	a.writeOperated(w, r, http.StatusOK, d, "")
	return nil
}

// configureDirectory is PATCH /_lentil/v1/directories/{id}.
func (a *API) configureDirectory(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		Name        *string           `json:"name"`
		Domain      *string           `json:"domain"`
		GroupRoles  map[string]string `json:"group_roles"`
		DefaultRole *string           `json:"default_role"`
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	d, err := a.Directory.Configure(r.Context(), environment(r).ID, directoryID(r), directory.Settings{Name: b.Name, Domain: b.Domain, Roles: b.GroupRoles, DefaultRole: b.DefaultRole})
	if err != nil {
		return err
	}
	a.writeOperated(w, r, http.StatusOK, d, "")
	return nil
}

// rotateDirectoryToken is POST /_lentil/v1/directories/{id}/token.
func (a *API) rotateDirectoryToken(w http.ResponseWriter, r *http.Request) error {
	d, token, err := a.Directory.RotateToken(r.Context(), environment(r).ID, directoryID(r))
	if err != nil {
		return err
	}
	a.writeOperated(w, r, http.StatusOK, d, token)
	return nil
}
