package workos

// organizationRoutes are about organizations and their domains.
func (a *API) organizationRoutes() []Route {
	return nil
}
