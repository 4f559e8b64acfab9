package workos

// vaultRoutes are about the vault.
func (a *API) vaultRoutes() []Route {
	return nil
}
