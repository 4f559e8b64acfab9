package workos

// roleRoutes are about roles and permissions.
func (a *API) roleRoutes() []Route {
	return nil
}
