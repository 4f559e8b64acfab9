package workos

// operatorRoutes are about what an operator does beyond the public API.
func (a *API) operatorRoutes() []Route {
	return []Route{
		{"GET", "/_lentil/v1/settings", "", "key", corsNone, false, a.getSettings},
		{"PATCH", "/_lentil/v1/settings", "", "key", corsNone, false, a.patchSettings},
		{"GET", "/_lentil/v1/organizations/{id}/sign_in_policy", "", "key", corsNone, false, a.getSignInPolicy},
		{"PUT", "/_lentil/v1/organizations/{id}/sign_in_policy", "", "key", corsNone, false, a.putSignInPolicy},
		{"GET", "/_lentil/v1/operations", "", "key", corsNone, false, a.listOperations},
	}
}
