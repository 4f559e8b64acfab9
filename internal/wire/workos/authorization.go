package workos

// authorizationRoutes are about resources, role assignments and checks.
func (a *API) authorizationRoutes() []Route {
	return nil
}
