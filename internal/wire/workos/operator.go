package workos

// operatorRoutes are about what an operator does beyond the public API.
func (a *API) operatorRoutes() []Route {
	return nil
}
