package workos

// flagRoutes are about feature flags.
func (a *API) flagRoutes() []Route {
	return nil
}
