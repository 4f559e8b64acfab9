package workos

// ssoRoutes are about connections and single sign-on.
func (a *API) ssoRoutes() []Route {
	return nil
}
