package workos

// pipeRoutes are about data integrations.
func (a *API) pipeRoutes() []Route {
	return nil
}
