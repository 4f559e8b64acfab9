package workos

// directoryRoutes are about directory sync.
func (a *API) directoryRoutes() []Route {
	return nil
}
