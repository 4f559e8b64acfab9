package workos

import (
	"net/http"

	"github.com/lentil-dev/lentil/internal/connector"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/sso"
)

// connectionQuery reads the parameters of a list of connections.
func connectionQuery(r *http.Request) (sso.Query, error) {
	page, err := pageOf(r)
	q := r.URL.Query()
	return sso.Query{Page: page, Type: clip(q.Get("connection_type"), 100), Domain: clip(q.Get("domain"), 253), Search: clip(q.Get("search"), 100),
		Organization: identity.OrganizationID(clip(q.Get("organization_id"), 100))}, err
}

// listConnections is GET /connections.
func (a *API) listConnections(w http.ResponseWriter, r *http.Request) error {
	q, err := connectionQuery(r)
	if err != nil {
		return err
	}
	list, err := a.SSO.Connections(r.Context(), environment(r).ID, q)
	if err != nil {
		return err
	}
	return writeList(w, list, (*sso.Connection).Data)
}

// connection finds the connection of the request's path.
func (a *API) connection(r *http.Request) (c *sso.Connection, err error) {
	err = a.Identity.View(r.Context(), func(tx *identity.Tx) error {
		c, err = a.SSO.Connection(tx, environment(r).ID, sso.ConnectionID(r.PathValue("id")))
		return err
	})
	return c, err
}

// getConnection is GET /connections/{id}.
func (a *API) getConnection(w http.ResponseWriter, r *http.Request) error {
	c, err := a.connection(r)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, c.Data())
	return nil
}

// deleteConnection is DELETE /connections/{id}.
func (a *API) deleteConnection(w http.ResponseWriter, r *http.Request) error {
	if err := a.SSO.DeleteConnection(r.Context(), environment(r).ID, sso.ConnectionID(r.PathValue("id"))); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// ownConnection is a connection as its operator sees it: with what the other side
// must be told, and all settings but secrets.
func (a *API) ownConnection(c *sso.Connection) map[string]any {
	m := c.Data()
	m["external_key"], m["config"], m["test"] = c.ExternalKey, c.Config, c.Config.Test
	if c.Config.Protocol == sso.SAML {
		m["acs_url"], m["sp_entity_id"], m["sp_metadata_url"] = a.SSO.ACSURL(c), a.SSO.EntityID(c), a.SSO.EntityID(c)
	} else {
		m["redirect_uri"] = a.SSO.CallbackURL(c)
	}
	if c.Config.Test {
		m["test_idp_url"] = a.SSO.TestIssuer(c.ID)
	}
	return m
}

// listOwnConnections is GET /_lentil/v1/connections.
func (a *API) listOwnConnections(w http.ResponseWriter, r *http.Request) error {
	q, err := connectionQuery(r)
	if err != nil {
		return err
	}
	list, err := a.SSO.Connections(r.Context(), environment(r).ID, q)
	if err != nil {
		return err
	}
	return writeList(w, list, a.ownConnection)
}

// getOwnConnection is GET /_lentil/v1/connections/{id}.
func (a *API) getOwnConnection(w http.ResponseWriter, r *http.Request) error {
	c, err := a.connection(r)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, a.ownConnection(c))
	return nil
}

// createConnection is POST /_lentil/v1/connections.
func (a *API) createConnection(w http.ResponseWriter, r *http.Request) error {
	var b sso.NewConnection
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	c, err := a.SSO.CreateConnection(r.Context(), environment(r).ID, b)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, a.ownConnection(c))
	return nil
}

// patchConnection is PATCH /_lentil/v1/connections/{id}.
func (a *API) patchConnection(w http.ResponseWriter, r *http.Request) error {
	var b sso.Settings
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	c, err := a.SSO.UpdateConnection(r.Context(), environment(r).ID, sso.ConnectionID(r.PathValue("id")), b)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, a.ownConnection(c))
	return nil
}

// listProviders is GET /_lentil/v1/providers: every social provider that is known,
// with its connection if it is set up.
func (a *API) listProviders(w http.ResponseWriter, r *http.Request) error {
	data := []any{}
	err := a.Identity.View(r.Context(), func(tx *identity.Tx) error {
		data = data[:0]
		all, err := a.SSO.Socials(tx, environment(r).ID)
		if err != nil {
			return err
		}
		for _, f := range connector.Families {
			row := map[string]any{"object": "provider", "type": f.Type, "name": f.Name, "connection": nil}
			for i := range all {
				if all[i].Type == f.Type {
					row["connection"] = a.ownConnection(&all[i])
				}
			}
			data = append(data, row)
		}
		return nil
	})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, listObject[any]{Object: "list", Data: data})
	return nil
}

// putProvider is PUT /_lentil/v1/providers/{type}.
func (a *API) putProvider(w http.ResponseWriter, r *http.Request) error {
	var b sso.Settings
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	c, err := a.SSO.SetProvider(r.Context(), environment(r).ID, r.PathValue("type"), b)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, a.ownConnection(c))
	return nil
}

// deleteProvider is DELETE /_lentil/v1/providers/{type}.
func (a *API) deleteProvider(w http.ResponseWriter, r *http.Request) error {
	env := environment(r).ID
	var c *sso.Connection
	err := a.Identity.View(r.Context(), func(tx *identity.Tx) (err error) {
		f, _ := connector.FamilyOf(r.PathValue("type"))
		c, err = a.SSO.Social(tx, env, f.Type)
		return err
	})
	if err != nil {
		return err
	}
	if c == nil {
		w.WriteHeader(http.StatusNoContent) // deleting is the same twice
		return nil
	}
	if err := a.SSO.DeleteConnection(r.Context(), env, c.ID); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
