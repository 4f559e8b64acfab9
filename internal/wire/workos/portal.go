package workos

// portalRoutes are about the admin portal and widgets.
func (a *API) portalRoutes() []Route {
	return nil
}
