package workos

// agentRoutes are about agents.
func (a *API) agentRoutes() []Route {
	return nil
}
