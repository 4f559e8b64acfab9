package dashboard

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"html/template"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/deployment"
	"github.com/lentil-dev/lentil/internal/platform"
)

// Visit is one look at a page, or one action: who asks, and what for. Templates see
// it as part of every view.
type Visit struct {
	*http.Request
	W http.ResponseWriter

	Actor    *platform.Actor
	Operator *platform.Operator
	Role     platform.Role // in the team of the address; "" on pages of no team

	Team    *platform.Team
	Project *platform.Project
	Row     *platform.Deployment // the deployment of the address

	// Alert says what was wrong with the form that was sent; what was typed is in
	// PostForm still, for Typed. Notice says what went well.
	Alert  *apierr.Error
	Notice string
	// Posted is the name of the action that was refused.
	Posted string

	site    *Site
	press   *press
	page    *page
	session string // text of the session's token
	regions map[string]string
	order   []string
	wake    []<-chan struct{} // what makes the page be printed again, besides what it read
	every   time.Duration     // likewise, after this time
	watch   []func() (<-chan struct{}, func())
	say     string
	still   map[string]bool
	alerted bool           // a form of the page shows the alert
	memory  map[string]any // what one picture of an event stream leaves to the next; nil elsewhere

	// Deployments are those of the project, to change between.
	Deployments []platform.Deployment
}

// scope says what an address is about, and so what must be found before its page.
type scope uint8

// The scopes, each of which has what the one before it has.
const (
	public scope = iota // nobody need be signed in
	house
	inTeam
	inProject
	inDeployment
)

// page is a row of the table of pages.
type page struct {
	path    string // pattern of net/http without the method
	scope   scope
	need    platform.Role // to see it; Viewer if empty
	show    func(*Visit) (view, error)
	actions []action
	// Where it stands among the pages of a deployment, if it does.
	nav   string // its name there
	group string
	icon  string
	key   string // pressed after g
}

// action is what a form of a page does.
type action struct {
	name string
	need platform.Role // in the team
	prod platform.Role // in a production deployment; need if empty
	// owner says that only owners of the house may.
	owner bool
	// file takes a file that a form uploads, in place of do.
	file func(*Visit, *multipart.Part) (string, error)
	// do returns where to go next; "" for the page itself.
	do func(*Visit) (string, error)
}

// view is what a page's template prints: a struct that embeds *Visit.
type view interface {
	template() string
	heading() string
}

// visit finds out who asks and what an address is about.
func (s *Site) visit(w http.ResponseWriter, r *http.Request, p *page) (*Visit, error) {
	v := &Visit{Request: r, W: w, site: s, press: s.print(), page: p, regions: map[string]string{}}
	if err := s.authenticate(v); err != nil && p.scope != public {
		return nil, err
	}
	if err := s.find(v); err != nil {
		return nil, err
	}
	need := p.need
	if need == "" {
		need = platform.Viewer
	}
	if v.Team != nil && !v.Role.Includes(need) {
		return nil, errRole(need)
	}
	return v, nil
}

// errRole is the refusal of someone whose role is too low.
func errRole(need platform.Role) error {
	return apierr.New(apierr.Forbidden, "NotAllowed", "That needs the role %s in this team. Ask one of its administrators.", need)
}

// find reads team, project and deployment of the address. What the operator may not
// see does not exist for them.
func (s *Site) find(v *Visit) (err error) {
	ctx := v.Context()
	switch v.page.scope {
	case public, house:
		return nil
	case inTeam, inProject:
		if v.Team, err = s.Platform.TeamBySlug(ctx, v.PathValue("team")); err != nil {
			return err
		}
		if v.page.scope == inProject {
			if v.Project, err = s.Platform.ProjectBySlug(ctx, v.Team.ID, v.PathValue("project")); err != nil {
				return err
			}
		}
	case inDeployment:
		if v.Row, err = s.Platform.Deployment(ctx, v.PathValue("deployment")); err != nil {
			return err
		}
		if v.Project, err = s.Platform.Project(ctx, v.Row.Project); err != nil {
			return err
		}
		if v.Team, err = s.Platform.Team(ctx, v.Project.Team); err != nil {
			return err
		}
	}
	if v.Role, err = s.Platform.RoleIn(ctx, v.Team.ID, v.Operator); err != nil {
		return err
	}
	if v.Role == "" {
		return apierr.New(apierr.NotFound, "PageNotFound", "There is no page at this address, or it belongs to a team that you are not in.")
	}
	if v.Project != nil {
		v.Deployments, err = s.Platform.DeploymentsOf(ctx, v.Project.ID)
	}
	return err
}

// Open gives the deployment of the address.
func (v *Visit) Open() (*deployment.Deployment, error) {
	return v.site.Platform.Fleet.Open(v.Context(), v.Row.Name)
}

// mayDo refuses an action whose role the operator has not.
func (v *Visit) mayDo(a *action) error {
	if a.owner && !v.Operator.Owner {
		return apierr.New(apierr.Forbidden, "NotAllowed", "Only an owner of this house may do that.")
	}
	if need := v.needs(a); need != "" && !v.Role.Includes(need) {
		return errRole(need)
	}
	return nil
}

// needs is the role that an action takes here.
func (v *Visit) needs(a *action) platform.Role {
	if a.prod != "" && v.Row != nil && v.Row.Kind.Production() {
		return a.prod
	}
	return a.need
}

// May says whether the operator may do an action of this page, for templates that
// would rather not show a form that is refused.
func (v *Visit) May(name string) (bool, error) {
	for i := range v.page.actions {
		if a := &v.page.actions[i]; a.name == name {
			return v.mayDo(a) == nil, nil
		}
	}
	return false, fmt.Errorf("dashboard: %s has no action %q", v.page.path, name)
}

// Base is the beginning of the addresses of the deployment's pages.
func (v *Visit) Base() string { return "/d/" + v.Row.Name }

// ProjectBase is the address of the project's page.
func (v *Visit) ProjectBase() string { return "/t/" + v.Team.Slug + "/" + v.Project.Slug }

// Say notes what went well; the next page shows it.
func (v *Visit) Say(format string, args ...any) { v.say = fmt.Sprintf(format, args...) }

// Again makes the page be printed again when c is closed or ready.
func (v *Visit) Again(c <-chan struct{}) { v.wake = append(v.wake, c) }

// Watch is Again for what has to be given up when it is not waited for any more: f is
// called by event streams alone.
func (v *Visit) Watch(f func() (changed <-chan struct{}, stop func())) { v.watch = append(v.watch, f) }

// Region prints a template as a part of the page that is kept up to date by itself.
func (v *Visit) Region(name string, data any) (template.HTML, error) {
	var b bytes.Buffer
	if err := v.press.templates.ExecuteTemplate(&b, name, data); err != nil {
		return "", err
	}
	if v.regions == nil {
		v.regions = map[string]string{}
	}
	if _, twice := v.regions[name]; twice {
		return "", fmt.Errorf("dashboard: region %s twice in a page", name)
	}
	v.regions[name] = b.String()
	v.order = append(v.order, name)
	if v.still[name] {
		return template.HTML(`<div id="` + name + `-still">` + b.String() + `</div>`), nil //nolint:gosec // likewise
	}
	return template.HTML(`<div id="` + name + `" data-region>` + b.String() + `</div>`), nil //nolint:gosec // printed by a template just now
}

// Still keeps a region as this answer shows it: what a form was answered with is in no
// later picture of the page.
func (v *Visit) Still(name string) {
	if v.still == nil {
		v.still = map[string]bool{}
	}
	v.still[name] = true
}

// digest is short for what the regions show.
func digest(regions map[string]string, order []string) string {
	h := sha256.New()
	for _, n := range order {
		fmt.Fprintf(h, "%s\x00%d\x00%s", n, len(regions[n]), regions[n])
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// Secret is what forms of this session carry: another site cannot know it.
func (v *Visit) Secret() string {
	if v.session == "" {
		return ""
	}
	sum := sha256.Sum256([]byte("lentil dashboard form\x00" + v.session))
	return hex.EncodeToString(sum[:16])
}

// formField is the name of the field with the session's secret.
const formField = "form"

// Form begins every form that posts: the session's secret and the action's name.
func (v *Visit) Form(action string) template.HTML {
	return template.HTML(`<input type="hidden" name="` + formField + `" value="` + v.Secret() + `"><input type="hidden" name="do" value="` + //nolint:gosec // escaped
		template.HTMLEscapeString(action) + `">`)
}

// checkForm refuses a post without the session's secret.
func (v *Visit) checkForm() error {
	if subtle.ConstantTimeCompare([]byte(v.PostForm.Get(formField)), []byte(v.Secret())) != 1 {
		return apierr.New(apierr.Forbidden, "StaleForm", "This form is from an earlier session. Load the page again and send it once more.")
	}
	return nil
}

// Typed is what was typed into a field of a form that was refused, or else the value
// that the field has.
func (v *Visit) Typed(action, field, value string) string {
	if v.Posted == action && v.PostForm.Has(field) {
		return v.PostForm.Get(field)
	}
	return value
}

// Refused says whether the form of an action was refused; its alert stands in it.
func (v *Visit) Refused(action string) *apierr.Error {
	if v.Posted == action && v.Alert != nil {
		v.alerted = true
		return v.Alert
	}
	return nil
}

// Untold is the alert if no form of the page has shown it.
func (v *Visit) Untold() *apierr.Error {
	if v.alerted {
		return nil
	}
	return v.Alert
}

// Q is a parameter of the address.
func (v *Visit) Q(name string) string { return v.URL.Query().Get(name) }

// With is the address of this page with other parameters: pairs of names and values,
// where an empty value takes one away.
func (v *Visit) With(pairs ...string) string {
	q := v.URL.Query()
	q.Del(liveParam)
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			q.Del(pairs[i])
		} else {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return address(v.URL.Path, q)
}

// address is a path with parameters, if there are any.
func address(path string, q url.Values) string {
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// ownPath is text if it is a path of this front, and "/" else.
func ownPath(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(u.Path, "//") || strings.ContainsAny(text, "\\\r\n") {
		return "/"
	}
	return address(u.EscapedPath(), u.Query())
}
