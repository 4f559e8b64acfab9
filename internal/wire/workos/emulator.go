package workos

// emulatorRoutes are about tests: what the official emulator offers.
func (a *API) emulatorRoutes() []Route {
	return nil
}
