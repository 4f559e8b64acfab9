package server_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/server"
)

func TestMetricsTellWhatHappened(t *testing.T) {
	t.Parallel()
	s, _ := start(t, func(c *server.Config) { c.MetricsToken = "a token of the metrics" })
	a := s.Addresses()
	asServer := map[string]string{"Authorization": "Bearer " + a.APIKey, "Content-Type": "application/json"}
	if code, body := fetch(t, http.MethodPost, a.AuthKitURL+"/user_management/users", `{"email":"ada@example.com","password":"correct horse battery staple","email_verified":true}`, asServer); code != 201 {
		t.Fatalf("%d %s", code, body)
	}
	for _, password := range []string{"correct horse battery staple", "wrong"} {
		fetch(t, http.MethodPost, a.AuthKitURL+"/user_management/authenticate", fmt.Sprintf(`{"grant_type":"password","client_id":%q,"client_secret":%q,"email":"ada@example.com","password":%q}`, a.ClientID, a.APIKey, password), asServer)
	}
	fetch(t, http.MethodPost, a.AuthKitURL+"/user_management/authenticate", fmt.Sprintf(`{"grant_type":"refresh_token","client_id":%q,"client_secret":%q,"refresh_token":"none"}`, a.ClientID, a.APIKey), asServer)
	if code, body := fetch(t, http.MethodPost, a.AuthKitURL+"/user_management/invitations", `{"email":"bob@example.com"}`, asServer); code != 201 {
		t.Fatalf("%d %s", code, body)
	}
	fetch(t, http.MethodGet, a.URL+"/instance_name", "", nil)
	fetch(t, http.MethodGet, a.SiteURL+"/nothing", "", nil)

	var code int
	var text string
	// Mail leaves by itself a moment later.
	patience := time.After(time.Minute)
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		if code, text = fetch(t, http.MethodGet, a.ControlURL+"/metrics", "", nil); code != 200 {
			t.Fatalf("%d %s", code, text)
		}
		if strings.Contains(text, "lentil_mails_total{") {
			break
		}
		select {
		case <-tick.C:
			continue
		case <-patience:
		}
		t.Error("no mail was counted")
		break
	}
	for _, want := range []string{
		`lentil_build_info{version="test"} 1`, `lentil_ready 1`, `lentil_deployments_open 1`,
		fmt.Sprintf(`lentil_requests_total{deployment=%q,front="functions",code="2xx"} 2`, a.Deployment),
		fmt.Sprintf(`lentil_requests_total{deployment=%q,front="site",code="4xx"} 2`, a.Deployment),
		fmt.Sprintf(`lentil_request_seconds_count{deployment=%q,front="functions"} 2`, a.Deployment),
		`lentil_sign_ins_total{method="password",outcome="succeeded"} 1`,
		`lentil_sign_ins_total{method="password",outcome="failed"} 1`,
		`lentil_events_total{event="user.created"} 1`,
		`lentil_refreshes_total{outcome="refused"} 1`, `lentil_mails_total{outcome="sent"} 1`,
		fmt.Sprintf(`lentil_sockets{deployment=%q} 0`, a.Deployment), `lentil_store_bytes{deployment=""} `,
		`lentil_workers{state="limit"} 2`, `process_open_fds `,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	line := regexp.MustCompile(`^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{([a-z]+="([^"\\]|\\.)*",?)+\})? -?[0-9.]+)$`)
	for l := range strings.Lines(text) {
		if !line.MatchString(strings.TrimSuffix(l, "\n")) {
			t.Errorf("not in the text format: %s", l)
		}
	}

	for name, header := range map[string]map[string]string{
		"a wrong token": {"Authorization": "Bearer another"}, "a proxy": {"X-Forwarded-For": "192.0.2.1"},
	} {
		if code, body := fetch(t, http.MethodGet, a.ControlURL+"/metrics", "", header); code != 401 || !strings.Contains(body, "metrics.token") {
			t.Errorf("%s: %d %s", name, code, body)
		}
	}
	if code, _ := fetch(t, http.MethodGet, a.ControlURL+"/metrics", "", map[string]string{"Authorization": "Bearer a token of the metrics", "X-Forwarded-For": "192.0.2.1"}); code != 200 {
		t.Errorf("the token: %d", code)
	}
}
