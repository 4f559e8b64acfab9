package workos

// groupRoutes are about groups of members.
func (a *API) groupRoutes() []Route {
	return nil
}
