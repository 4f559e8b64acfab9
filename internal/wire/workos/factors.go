package workos

// factorRoutes are about second factors and one-time codes.
func (a *API) factorRoutes() []Route {
	return nil
}
