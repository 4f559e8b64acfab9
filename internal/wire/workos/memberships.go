package workos

// membershipRoutes are about organization memberships.
func (a *API) membershipRoutes() []Route {
	return nil
}
