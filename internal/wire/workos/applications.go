package workos

// applicationRoutes are about connected applications and their secrets.
func (a *API) applicationRoutes() []Route {
	return nil
}
