package workos

// eventRoutes are about events and webhook endpoints.
func (a *API) eventRoutes() []Route {
	return nil
}
