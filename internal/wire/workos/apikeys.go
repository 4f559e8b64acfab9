package workos

// keyRoutes are about API keys.
func (a *API) keyRoutes() []Route {
	return nil
}
