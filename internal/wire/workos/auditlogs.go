package workos

// auditLogRoutes are about audit logs.
func (a *API) auditLogRoutes() []Route {
	return nil
}
