package deploy

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/udf"
)

// set is a change of variables: names and values in turn; "-" removes.
func set(pairs ...string) *UpdateEnvironmentRequest {
	var r UpdateEnvironmentRequest
	for i := 0; i < len(pairs); i += 2 {
		c := udf.EnvChange{Name: pairs[i], Value: &pairs[i+1]}
		if pairs[i+1] == "-" {
			c.Value = nil
		}
		r.Changes = append(r.Changes, c)
	}
	return &r
}

// workos is the configuration that the guide of the vendor shows.
const workos = `const clientId = process.env.WORKOS_CLIENT_ID;
export default { providers: [
  { type: "customJwt", issuer: "https://api.workos.com/", algorithm: "RS256", applicationID: clientId, jwks: ` + "`https://api.workos.com/sso/jwks/${clientId}`" + ` },
  { type: "customJwt", issuer: ` + "`https://api.workos.com/user_management/${clientId}`" + `, algorithm: "RS256", jwks: ` + "`https://api.workos.com/sso/jwks/${clientId}`" + ` },
]};`

// issuers are the issuers that are accepted now.
func (h *house) issuers() string {
	h.Helper()
	var list []string
	if err := h.DB.View(h.Context(), func(tx *database.Tx) error {
		providers, err := udf.AuthProviders(h.Context(), tx)
		for _, p := range providers {
			list = append(list, p.Issuer)
		}
		return err
	}); err != nil {
		h.Fatal(err)
	}
	return strings.Join(list, " ")
}

func TestAuthConfig(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var log strings.Builder
	h.Service.Log = slog.New(slog.NewTextHandler(&log, nil))
	r := bundleOf(module("messages.js", messages), module("auth.config.js", workos))
	_, err := h.StartPush(t.Context(), r)
	h.refused(err, "AuthConfigMissingEnvironmentVariable", "Environment variable WORKOS_CLIENT_ID is used in auth config file but its value was not set.")
	if e, _ := apierr.As(err); !strings.HasPrefix(e.Message, "Environment variable") {
		t.Errorf("message %q", e.Message)
	}
	if said := log.String(); !strings.Contains(said, "provision-environment") {
		t.Errorf("the log does not say where a client id comes from: %q", said)
	}
	if err := h.UpdateEnvironment(t.Context(), set("WORKOS_CLIENT_ID", "client_1", "GREETING", "hello")); err != nil {
		t.Fatal(err)
	}
	diff := h.push(r)
	if len(diff.AuthDiff.Added) != 2 || !strings.Contains(diff.AuthDiff.Added[0], `"applicationID":"client_1"`) {
		t.Errorf("diff %+v", diff.AuthDiff)
	}
	if got := h.issuers(); got != "https://api.workos.com/ https://api.workos.com/user_management/client_1" {
		t.Error(got)
	}
	// auth.config follows the variables it reads.
	if err := h.UpdateEnvironment(t.Context(), set("WORKOS_CLIENT_ID", "client_2")); err != nil {
		t.Fatal(err)
	}
	if got := h.issuers(); got != "https://api.workos.com/ https://api.workos.com/user_management/client_2" {
		t.Error(got)
	}
	h.refused(h.UpdateEnvironment(t.Context(), set("GREETING", "bye", "WORKOS_CLIENT_ID", "-")), "AuthConfigMissingEnvironmentVariable", "WORKOS_CLIENT_ID")
	if got := h.run("messages:hidden", "{}"); got != `"hello"` {
		t.Errorf("a refused change left %s", got)
	}
	if err := h.UpdateEnvironment(t.Context(), set("GREETING", "-")); err != nil {
		t.Fatal(err)
	}
	if got := h.run("messages:hidden", "{}"); got != `"unset"` {
		t.Errorf("after removal: %s", got)
	}
}

func TestAuthConfigRefusals(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, c := range []struct{ source, code, text string }{
		{"export const x = 1", "AuthConfigMissingExportError", "default export"},
		{"export default {}", "AuthConfigNotMatchingSchemaError", "providers"},
		{`export default { providers: [{ type: "saml", domain: "x" }] }`, "AuthConfigNotMatchingSchemaError", "type `saml`"},
		{`export default { providers: [{ domain: "https://x.test", applicationId: "y" }] }`, "AuthConfigNotMatchingSchemaError", "applicationID"},
		{`export default { providers: [{ type: "customJwt", issuer: "https://api.workos.com", jwks: "https://x.test", algorithm: "RS256" }] }`, "InsecureConfiguration", "applicationID"},
		{`export default { providers: [{ domain: '"https://x.test"', applicationID: "y" }] }`, "InvalidProviderDomainUrl", ""},
		{`throw new Error("oh")`, "InvalidAuthConfig", "The pushed auth config is invalid: Uncaught Error: oh"},
		{`export default { providers: [{ domain: process.env.NOT_SET ?? "https://x.test", applicationID: "y" }] }`, "AuthConfigMissingEnvironmentVariable", "Environment variable NOT_SET is used"},
	} {
		_, err := h.StartPush(t.Context(), bundleOf(module("auth.config.js", c.source)))
		if err == nil {
			t.Errorf("%s was taken", c.source)
			continue
		}
		h.refused(err, c.code, c.text)
	}
	p := h.start(bundleOf(module("auth.config.js", `export default { providers: [{ domain: process.env.CONVEX_SITE_URL, applicationID: "convex" }] }`)))
	if string(p.AppAuth) != `[{"applicationID":"convex","domain":"http://site.test"}]` {
		t.Errorf("appAuth %s", p.AppAuth)
	}
}

func TestFinishEnvironment(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := h.start(bundleOf(module("messages.js", messages)))
	h.wait(p)
	if err := h.UpdateEnvironment(t.Context(), set("GREETING", "hello")); err != nil {
		t.Fatal(err)
	}
	_, err := h.finish(p)
	h.refused(err, "RaceDetected", "Environment variables have changed during push")

	r := bundleOf(module("messages.js", messages))
	r.AppDefinition.Definition.Source = `export default { export() { return JSON.stringify({ definitionType: {type: "app"}, childComponents: [], httpMounts: {}, exports: {type: "branch", branch: []},
		envVars: [["GREETING", {type: "value", value: '{"type":"string"}'}], ["TOKEN", {type: "value", value: '{"type":"string"}'}], ["MAYBE", {type: "value", value: '{"type":"string"}', optional: true}]] }) } };`
	p = h.start(r)
	if got := string(p.Analysis[""].Definition.EnvVars); !strings.Contains(got, `["MAYBE"`) {
		t.Errorf("envVars %s", got)
	}
	h.wait(p)
	_, err = h.finish(p)
	h.refused(err, "MissingEnvironmentVariables", "Required environment variables are not set: TOKEN.")
	if err := h.UpdateEnvironment(t.Context(), set("TOKEN", "x")); err != nil {
		t.Fatal(err)
	}
	h.push(r)
	if got := h.run("messages:hidden", "{}"); got != `"hello"` {
		t.Errorf("variable in a function: %s", got)
	}
}

func TestUpdateEnvironmentRefusals(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, c := range []struct{ name, value, code string }{
		{"1X", "v", "EnvironmentVariableNameInvalid"}, {"", "v", "EnvironmentVariableNameInvalid"}, {strings.Repeat("x", 300), "v", "EnvironmentVariableNameTooLong"},
		{"X", strings.Repeat("x", 9000), "EnvironmentVariableValueTooLarge"},
	} {
		h.refused(h.UpdateEnvironment(t.Context(), set(c.name, c.value)), c.code, "")
	}
}
