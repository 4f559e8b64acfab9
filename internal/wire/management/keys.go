package management

import (
	"slices"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/platform"
)

// newKey is the body of requests that make a token or key.
type newKey struct {
	Name      string `json:"name"`
	ExpiresAt *int64 `json:"expiresAt"`
}

// maxKeyName bounds the names of tokens and keys, in bytes.
const maxKeyName = 100

// mint makes a token or key and gives its text. Names are unique among those that
// are listed together, because the CLI deletes keys by name.
func (a *API) mint(q *request, beside []platform.Credential, n platform.NewCredential, in newKey) (string, error) {
	n.Name = strings.TrimSpace(in.Name)
	if n.Name == "" || len(n.Name) > maxKeyName || strings.ContainsFunc(n.Name, func(r rune) bool { return r < ' ' }) {
		return "", apierr.New(apierr.BadRequest, "InvalidName", "The name of a token or key has 1 to %d bytes and no control characters.", maxKeyName)
	}
	if slices.ContainsFunc(beside, func(c platform.Credential) bool { return c.Kind == n.Kind && c.Name == n.Name }) {
		return "", apierr.New(apierr.Conflict, "NameTaken", "There is a key %q already. Choose another name, or delete that one.", n.Name)
	}
	var err error
	if n.Expires, err = a.expiry(in.ExpiresAt); err != nil {
		return "", err
	}
	if q.actor.Operator != nil {
		n.Operator = q.actor.Operator.ID
	}
	c, text, err := a.Platform.CreateCredential(q.Context(), n)
	if err != nil {
		return "", err
	}
	a.Log.Info("made a key", "kind", c.Kind, "name", c.Name, "key", c.ID, "operator", c.Operator)
	return text, nil
}

// keyShape describes a token or key.
func keyShape(c *platform.Credential) object {
	out := object{"id": c.ID, "name": c.Name, "creationTime": c.Created.UnixMilli(), "creator": c.Operator, "expiresAt": nil, "lastUsedTime": nil, "allowedActions": []string{}}
	if !c.Expires.IsZero() {
		out["expiresAt"] = c.Expires.UnixMilli()
	}
	if !c.LastUsed.IsZero() {
		out["lastUsedTime"] = c.LastUsed.UnixMilli()
	}
	return out
}

// ofKind filters a list of credentials.
func ofKind(list []platform.Credential, kind platform.CredentialKind) []platform.Credential {
	return slices.DeleteFunc(list, func(c platform.Credential) bool { return c.Kind != kind })
}

// revoke ends the one of a list that id means: its id, its name, or the text of the
// key without what stands before the bar, as the CLI sends it.
func (a *API) revoke(q *request, list []platform.Credential) (any, error) {
	var in struct {
		ID string `json:"id"`
	}
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	meant := in.ID
	if actor, err := a.Platform.Authenticate(q.Context(), in.ID); err == nil && actor.Credential != nil {
		meant = actor.Credential.ID
	}
	for _, c := range list {
		if c.ID == meant || c.Name == meant {
			a.Log.Info("revoked a key", "kind", c.Kind, "name", c.Name, "key", c.ID)
			return object{}, a.Platform.RevokeCredential(q.Context(), c.ID)
		}
	}
	return nil, apierr.New(apierr.NotFound, "AccessTokenNotFound", "There is no such token or key here.")
}

// keysOf finds a deployment's keys for somebody who may make and delete them.
func (a *API) keysOf(q *request) (*platform.Deployment, []platform.Credential, error) {
	d, err := a.deployment(q, q.PathValue("deployment"), platform.Developer)
	if err == nil && d.Kind.Production() {
		d, err = a.deployment(q, d.Name, platform.Administrator)
	}
	if err != nil {
		return nil, nil, err
	}
	list, err := a.Platform.DeployKeys(q.Context(), d.Name)
	return d, list, err
}

func createDeployKey(a *API, q *request) (any, error) {
	var in newKey
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	if !q.actor.Person() {
		return nil, errPersonOnly // a key that leaked would live on in those that it made
	}
	d, list, err := a.keysOf(q)
	if err != nil {
		return nil, err
	}
	text, err := a.mint(q, list, platform.NewCredential{Kind: platform.DeployKey, Deployment: d.Name}, in)
	return object{"deployKey": text}, err
}

func listDeployKeys(a *API, q *request) (any, error) {
	_, list, err := a.keysOf(q)
	return shapes(list, keyShape), err
}

func deleteDeployKey(a *API, q *request) (any, error) {
	_, list, err := a.keysOf(q)
	if err != nil {
		return nil, err
	}
	if !q.actor.Person() { // itself, at the most
		list = slices.DeleteFunc(list, func(c platform.Credential) bool { return q.actor.Credential == nil || c.ID != q.actor.Credential.ID })
	}
	return a.revoke(q, list)
}

// projectKeys serves the keys of a project of one kind: those for previews, and those
// for everything in it.
func projectKeys(kind platform.CredentialKind, member string) (create, list, remove handler) {
	find := func(a *API, q *request) (*platform.Project, []platform.Credential, error) {
		p, err := a.projectByID(q, q.PathValue("project"), platform.Administrator)
		if err != nil {
			return nil, nil, err
		}
		all, err := a.Platform.ProjectCredentials(q.Context(), p.ID)
		return p, ofKind(all, kind), err
	}
	create = func(a *API, q *request) (any, error) {
		var in newKey
		if err := q.decode(&in); err != nil {
			return nil, err
		}
		p, beside, err := find(a, q)
		if err != nil {
			return nil, err
		}
		text, err := a.mint(q, beside, platform.NewCredential{Kind: kind, Project: p.ID}, in)
		return object{member: text}, err
	}
	list = func(a *API, q *request) (any, error) {
		_, keys, err := find(a, q)
		return object{"items": shapes(keys, keyShape)}, err
	}
	remove = func(a *API, q *request) (any, error) {
		_, keys, err := find(a, q)
		if err != nil {
			return nil, err
		}
		return a.revoke(q, keys)
	}
	return create, list, remove
}

// ownTokens lists the actor's tokens for programs.
func (a *API) ownTokens(q *request) ([]platform.Credential, error) {
	if q.actor.Operator == nil {
		return nil, errPersonOnly
	}
	list, err := a.Platform.Credentials(q.Context(), q.actor.Operator.ID)
	return ofKind(list, platform.PersonalToken), err
}

// createPersonalToken ends a login: the CLI keeps what it gets in its own file. It
// names it after the machine, and may do so again and again.
func createPersonalToken(a *API, q *request) (any, error) {
	var in newKey
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	if q.actor.Operator == nil {
		return nil, errPersonOnly
	}
	text, err := a.mint(q, nil, platform.NewCredential{Kind: platform.PersonalToken}, in)
	return object{"accessToken": text}, err
}

// exchangeOld is how CLIs before 1.40 end a login: what the login gave stands in the
// body, not in the header.
func exchangeOld(a *API, q *request) (any, error) {
	var in struct {
		AuthnToken string `json:"authnToken"`
		DeviceName string `json:"deviceName"`
	}
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	var err error
	if q.actor, err = a.Platform.Authenticate(q.Context(), in.AuthnToken); err != nil {
		return nil, err
	}
	if !q.actor.Person() || q.actor.Operator == nil {
		return nil, errPersonOnly
	}
	text, err := a.mint(q, nil, platform.NewCredential{Kind: platform.PersonalToken}, newKey{Name: in.DeviceName})
	return object{"accessToken": text}, err
}

func listPersonalTokens(a *API, q *request) (any, error) {
	list, err := a.ownTokens(q)
	return page(shapes(list, keyShape)), err
}

func deletePersonalToken(a *API, q *request) (any, error) {
	list, err := a.ownTokens(q)
	if err != nil {
		return nil, err
	}
	return a.revoke(q, list)
}

// tokenDetails says what the credential of the request is.
func tokenDetails(_ *API, q *request) (any, error) {
	c := q.actor.Credential
	if c == nil && q.actor.AdminOf != "" {
		return object{"type": "deployKey", "name": "The admin key of the deployment", "deploymentName": q.actor.AdminOf}, nil
	}
	if c == nil {
		return object{"type": "houseToken", "name": "The token of this house"}, nil
	}
	out := object{"id": c.ID, "name": c.Name, "createTime": c.Created.UnixMilli()}
	switch c.Kind {
	case platform.ProjectKey, platform.PreviewKey:
		out["type"], out["projectId"] = "projectToken", c.Project
	case platform.DeployKey:
		out["type"], out["deploymentName"] = "deployKey", c.Deployment
	default:
		out["type"] = "personalToken"
	}
	return out, nil
}
