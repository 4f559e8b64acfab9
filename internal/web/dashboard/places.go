package dashboard

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/wire"
)

// place is something that the palette leads to.
type place struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
	URL  string `json:"url"`
}

// maxPlaces bounds what the palette knows.
const maxPlaces = 3000

// listPlaces tells the palette where one can go from a page: the pages, tables and
// functions of its deployment, and all projects and deployments.
func (s *Site) listPlaces(w http.ResponseWriter, r *http.Request) error {
	v, err := s.visit(w, r, &page{scope: house})
	if err != nil {
		return err
	}
	list := []place{}
	if rest, ok := strings.CutPrefix(v.Q("from"), "/d/"); ok {
		name, _, _ := strings.Cut(rest, "/")
		if list, err = s.placesOf(r, w, name); err != nil {
			return err
		}
	}
	teams, err := s.Platform.TeamsOf(v.Context(), v.Actor)
	if err != nil {
		return err
	}
	for _, t := range teams {
		c, err := s.teamCard(v, t)
		if err != nil {
			return err
		}
		list = append(list, place{t.Name, "team", "/t/" + t.Slug}, place{"Members of " + t.Name, "team", "/t/" + t.Slug + "/-/members"})
		for _, p := range c.Projects {
			list = append(list, place{p.Name, "project", p.URL})
			for _, d := range p.Deployments {
				list = append(list, place{p.Name + " " + d.Reference + " " + d.Name, string(d.Kind) + " deployment", "/d/" + d.Name})
			}
		}
	}
	list = append(list, place{"Projects", "page", "/"}, place{"Sessions and tokens", "page", "/you"})
	return wire.WriteJSON(w, list[:min(len(list), maxPlaces)])
}

// placesOf lists what a deployment has.
func (s *Site) placesOf(r *http.Request, w http.ResponseWriter, name string) (list []place, err error) {
	r = r.Clone(r.Context())
	r.SetPathValue("deployment", name)
	v, err := s.visit(w, r, &page{scope: inDeployment})
	if err != nil {
		return []place{}, nil //nolint:nilerr // a page that is not there leads nowhere
	}
	for _, g := range v.Nav() {
		for _, i := range g.Items {
			list = append(list, place{i.Name, "page", i.URL})
		}
	}
	d, err := v.Open()
	if err != nil {
		return list, err
	}
	err = d.DB.View(r.Context(), func(tx *database.Tx) error {
		for _, t := range userTables(tx) {
			list = append(list, place{t, "table", address(v.Base()+"/data", url.Values{"table": {t}})})
		}
		rows, err := udf.LiveModules(r.Context(), tx)
		for i := range rows {
			for _, f := range rows[i].Functions {
				path := strings.TrimSuffix(rows[i].Path, ".js") + ":" + f.Name
				list = append(list, place{path, strings.ToLower(f.Kind.String()), v.functionURL("", path)})
			}
		}
		return err
	})
	return list, err
}
