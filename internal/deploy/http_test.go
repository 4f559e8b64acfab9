package deploy

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestPushTellsRoutes(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := h.start(bundleOf(module("http.js", `
function handle() {}
export default { isRouter: true, getRoutes: () => [["/a", "GET", { _handler: handle }], ["/b/*", "POST", { _handler: handle }]], lookup: () => null };`)))
	got := string(p.Analysis[""].Functions["http.js"].HTTPRoutes)
	if !strings.HasPrefix(got, `[{"route":{"path":"/a","method":"GET"},"pos":`) || strings.Count(got, `"route"`) != 2 {
		t.Errorf("httpRoutes %s", got)
	}
	routes, err := json.Marshal(p.App.HTTPRoutes)
	if want := `{"httpModuleRoutes":[{"path":"/a","method":"GET"},{"path":"/b/*","method":"POST"}],"mounts":[]}`; err != nil || string(routes) != want {
		t.Errorf("routes of the app: %s, %v", routes, err)
	}
}
