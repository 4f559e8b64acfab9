package workos

// radarRoutes are about risk assessment.
func (a *API) radarRoutes() []Route {
	return nil
}
