package workos

import "strings"

// beyond are calls of the official Node.js client that the public description does
// not have. Those that no row offers are refused by the name of the client's method,
// rather than as if the address were wrong.
var beyond = []Operation{
	{Name: "agents.createBlueprint", Method: "POST", Path: "/agents/blueprints"},
	{Name: "agents.listBlueprints", Method: "GET", Path: "/agents/blueprints"},
	{Name: "agents.getBlueprint", Method: "GET", Path: "/agents/blueprints/{id}"},
	{Name: "agents.updateBlueprint", Method: "PATCH", Path: "/agents/blueprints/{id}"},
	{Name: "agents.deleteBlueprint", Method: "DELETE", Path: "/agents/blueprints/{id}"},
	{Name: "agents.mintToken", Method: "POST", Path: "/agents/blueprints/{id}/tokens"},
	{Name: "agents.listInstances", Method: "GET", Path: "/agents/instances"},
	{Name: "agents.getInstance", Method: "GET", Path: "/agents/instances/{id}"},
	{Name: "agents.deleteInstance", Method: "DELETE", Path: "/agents/instances/{id}"},
	{Name: "agents.listInstanceSessions", Method: "GET", Path: "/agents/sessions"},
	{Name: "agents.getInstanceSession", Method: "GET", Path: "/agents/sessions/{id}"},
	{Name: "agents.revokeInstanceSession", Method: "POST", Path: "/agents/sessions/{id}/revoke"},
	{Name: "passwordless.createSession", Method: "POST", Path: "/passwordless/sessions"},
	{Name: "passwordless.sendSession", Method: "POST", Path: "/passwordless/sessions/{id}/send"},
	{Name: "pipes.getOrganizationDataIntegration", Method: "GET", Path: "/data-integrations/{slug}/organization"},
	{Name: "pipes.updateOrganizationDataIntegration", Method: "PUT", Path: "/data-integrations/{slug}/organization"},
	{Name: "pipes.deleteOrganizationDataIntegration", Method: "DELETE", Path: "/data-integrations/{slug}/organization"},
}

// lookupBeyond finds a call of the client among these; nil if it is none.
func lookupBeyond(method, path string) *Operation {
	got := segments(path)
	for i := range beyond {
		want := segments(beyond[i].Path)
		if beyond[i].Method != method || len(want) != len(got) {
			continue
		}
		fits := true
		for j, w := range want {
			fits = fits && (w == got[j] || strings.HasPrefix(w, "{") && got[j] != "")
		}
		if fits {
			return &beyond[i]
		}
	}
	return nil
}
