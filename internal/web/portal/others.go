package portal

import (
	"net/http"
	"strings"

	"github.com/lentil-dev/lentil/internal/directory"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/sso"
)

// directoriesPage lists the directories of an organisation.
type directoriesPage struct {
	Directories []directory.Directory
	Base        string
	Token       string // a fresh one, shown once
	Of          directory.ID
}

// showDirectories prints the list.
func (p *Portal) showDirectories(w http.ResponseWriter, r *http.Request, v *visitor, status int, alert, token string, of directory.ID) error {
	list, err := p.Directory.ByOrganization(r.Context(), v.Environment, v.Organization)
	if err != nil {
		return err
	}
	return p.show(w, status, "directories.html", v, "Directory sync", alert, directoriesPage{list, p.BaseURL + directory.EndpointPath, token, of})
}

// directories is the list.
func (p *Portal) directories(w http.ResponseWriter, r *http.Request, v *visitor) error {
	if !v.may(sso.IntentDirectory) {
		return nothing()
	}
	return p.showDirectories(w, r, v, http.StatusOK, "", "", "")
}

// addDirectory makes one and shows its token.
func (p *Portal) addDirectory(w http.ResponseWriter, r *http.Request, v *visitor) error {
	if !v.may(sso.IntentDirectory) {
		return nothing()
	}
	// One is what the page offers; a second would be a form that was sent again.
	if list, err := p.Directory.ByOrganization(r.Context(), v.Environment, v.Organization); err != nil || len(list) > 0 {
		if err != nil {
			return err
		}
		return to(w, "/portal/directory")
	}
	name := strings.TrimSpace(r.PostForm.Get("name"))
	if name == "" {
		name = v.Org.Name
	}
	d, token, err := p.Directory.Create(r.Context(), v.Environment, directory.New{Organization: v.Organization, Name: name, Type: directory.Type(r.PostForm.Get("type"))})
	if err != nil {
		if text, ok := problem(err); ok {
			return p.showDirectories(w, r, v, http.StatusUnprocessableEntity, text, "", "")
		}
		return err
	}
	return p.showDirectories(w, r, v, http.StatusOK, "", token, d.ID)
}

// rotate gives a directory a new token.
func (p *Portal) rotate(w http.ResponseWriter, r *http.Request, v *visitor) error {
	if !v.may(sso.IntentDirectory) {
		return nothing()
	}
	list, err := p.Directory.ByOrganization(r.Context(), v.Environment, v.Organization)
	if err != nil {
		return err
	}
	for i := range list {
		if string(list[i].ID) == r.PathValue("id") {
			_, token, err := p.Directory.RotateToken(r.Context(), v.Environment, list[i].ID)
			if err != nil {
				return err
			}
			return p.showDirectories(w, r, v, http.StatusOK, "", token, list[i].ID)
		}
	}
	return nothing()
}

// showDomains prints the domains of an organisation.
func (p *Portal) showDomains(w http.ResponseWriter, r *http.Request, v *visitor, status int, alert string) error {
	org, err := p.SSO.Identity.Organization(r.Context(), v.Environment, v.Organization)
	if err != nil {
		return err
	}
	return p.show(w, status, "domains.html", v, "Domains", alert, org.Domains)
}

// domains is the list.
func (p *Portal) domains(w http.ResponseWriter, r *http.Request, v *visitor) error {
	if !v.may(sso.IntentDomains) {
		return nothing()
	}
	return p.showDomains(w, r, v, http.StatusOK, "")
}

// addDomain adds a domain that is then to be verified.
func (p *Portal) addDomain(w http.ResponseWriter, r *http.Request, v *visitor) error {
	if !v.may(sso.IntentDomains) {
		return nothing()
	}
	_, err := p.SSO.Identity.CreateDomain(r.Context(), v.Environment, v.Organization, identity.NewDomain{Name: r.PostForm.Get("domain"), State: identity.DomainPending})
	if err != nil {
		if text, ok := problem(err); ok {
			return p.showDomains(w, r, v, http.StatusUnprocessableEntity, text)
		}
		return err
	}
	return to(w, "/portal/domains")
}

// checkDomain looks for the domain's record in the DNS.
func (p *Portal) checkDomain(w http.ResponseWriter, r *http.Request, v *visitor) error {
	if !v.may(sso.IntentDomains) {
		return nothing()
	}
	for _, d := range v.Org.Domains {
		if string(d.ID) != r.PathValue("id") {
			continue
		}
		d, err := p.SSO.Identity.VerifyDomain(r.Context(), v.Environment, d.ID)
		text, known := problem(err)
		switch {
		case err != nil && !known:
			return err
		case err == nil && d.State.Verified():
			return to(w, "/portal/domains")
		case err == nil:
			text = "The record was not found yet. It may take a while until it is seen everywhere; we keep looking."
		}
		return p.showDomains(w, r, v, http.StatusOK, text)
	}
	return nothing()
}
