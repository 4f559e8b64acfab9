package workos

// invitationRoutes are about invitations.
func (a *API) invitationRoutes() []Route {
	return nil
}
