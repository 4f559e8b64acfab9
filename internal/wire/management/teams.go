package management

import (
	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/platform"
)

// region is where everything of a house is. The CLI asks people to choose one unless
// their team has a default; there is nothing to choose here.
const region = "local"

// class is the one size of deployments.
const class = "house"

// object is a JSON object.
type object = map[string]any

// teamShape is a team as the CLI reads it; times are milliseconds since 1970 throughout.
func teamShape(t *platform.Team) object {
	return object{"id": t.ID, "name": t.Name, "slug": t.Slug, "creator": t.Creator, "suspended": false, "referralCode": "", "defaultRegion": region}
}

// page wraps a whole list as the one page of it.
func page(items any) object {
	return object{"items": items, "pagination": object{"hasMore": false, "nextCursor": nil}}
}

// shapes makes a JSON array of a list, never null.
func shapes[T any](list []T, shape func(*T) object) []object {
	out := make([]object, 0, len(list))
	for i := range list {
		out = append(out, shape(&list[i]))
	}
	return out
}

func authorized(*API, *request) (any, error) { return object{}, nil }

// noOptIns says that there is nothing to agree to: a house has no terms of service.
func noOptIns(*API, *request) (any, error) { return object{"optInsToAccept": []object{}}, nil }

func listTeams(a *API, q *request) (any, error) {
	list, err := a.Platform.TeamsOf(q.Context(), q.actor)
	return shapes(list, teamShape), err
}

// createTeam makes a team. It has no WorkOS workspace yet: the CLI offers to make one.
func createTeam(a *API, q *request) (any, error) {
	var in struct {
		Name string `json:"name"`
	}
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	if q.actor.Operator == nil || !q.actor.Operator.Owner {
		return nil, apierr.New(apierr.Forbidden, "OwnerRequired", "Only the owner of this house makes teams.")
	}
	t, err := a.Platform.CreateTeam(q.Context(), in.Name, q.actor.Operator.ID)
	if err != nil {
		return nil, err
	}
	return teamShape(t), nil
}

func listRegions(a *API, q *request) (any, error) {
	if _, err := a.seenTeam(q, q.PathValue("team")); err != nil {
		return nil, err
	}
	return object{"items": []object{{"name": region, "displayName": "this house", "available": true}}}, nil
}

func listClasses(a *API, q *request) (any, error) {
	if _, err := a.seenTeam(q, q.PathValue("team")); err != nil {
		return nil, err
	}
	return object{"items": []object{{"type": class, "available": true}}}, nil
}

func listMembers(a *API, q *request) (any, error) {
	t, err := a.team(q, q.PathValue("team"), platform.Viewer)
	if err != nil {
		return nil, err
	}
	list, err := a.Platform.Members(q.Context(), t.ID)
	return object{"items": shapes(list, func(m *platform.Member) object {
		return object{"id": m.Operator.ID, "email": m.Operator.Email, "name": m.Operator.Name, "role": m.Role}
	})}, err
}

// usageState tells the truth about a house: there is no plan to exceed.
func usageState(a *API, q *request) (any, error) {
	_, err := a.seenTeam(q, q.PathValue("team"))
	return object{"usageState": "Default"}, err
}

func spendingLimits(a *API, q *request) (any, error) {
	_, err := a.seenTeam(q, q.PathValue("team"))
	return object{"disableThresholdCents": nil, "warningThresholdCents": nil, "state": nil}, err
}
