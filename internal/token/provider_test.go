package token_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/token"
)

func TestParseProvidersRefuses(t *testing.T) {
	t.Parallel()
	j := func(members string) string {
		return `{"providers":[{"type":"customJwt","issuer":"https://i.example.com","jwks":"https://i.example.com/k","algorithm":"RS256"` + members + `}]}`
	}
	tests := []struct{ name, config, code, want string }{
		{"no export", ``, "AuthConfigMissingExportError", "default export"},
		{"undefined export", `undefined`, "AuthConfigMissingExportError", "default export"},
		{"null", `null`, "AuthConfigNotMatchingSchemaError", "providers"},
		{"array", `[]`, "AuthConfigNotMatchingSchemaError", "object"},
		{"no providers", `{}`, "AuthConfigNotMatchingSchemaError", "providers"},
		{"providers no list", `{"providers":{}}`, "AuthConfigNotMatchingSchemaError", "providers"},
		{"provider no object", `{"providers":["x"]}`, "AuthConfigNotMatchingSchemaError", "object"},
		{"misspelt applicationId", j(`,"applicationId":"x"`), "AuthConfigNotMatchingSchemaError", "applicationID"},
		{"unknown type", `{"providers":[{"type":"saml","domain":"https://x.com","applicationID":"a"}]}`, "AuthConfigNotMatchingSchemaError", "saml"},
		{"customJwt with domain", j(`,"domain":"https://x.com"`), "AuthConfigNotMatchingSchemaError", "domain"},
		{"oidc with issuer", `{"providers":[{"issuer":"https://x.com","applicationID":"a"}]}`, "AuthConfigNotMatchingSchemaError", "issuer"},
		{"oidc without applicationID", `{"providers":[{"domain":"https://x.com"}]}`, "AuthConfigNotMatchingSchemaError", "applicationID"},
		{"oidc without domain", `{"providers":[{"applicationID":"a"}]}`, "AuthConfigNotMatchingSchemaError", "domain"},
		{"customJwt without jwks", `{"providers":[{"type":"customJwt","issuer":"https://x.com","algorithm":"RS256"}]}`, "AuthConfigNotMatchingSchemaError", "jwks"},
		{"other algorithm", `{"providers":[{"type":"customJwt","issuer":"https://x.com","jwks":"https://x.com","algorithm":"HS256"}]}`, "AuthConfigNotMatchingSchemaError", "algorithm"},
		{"number for a string", j(`,"applicationID":3`), "AuthConfigNotMatchingSchemaError", "string"},
		{"shared issuer without audience", `{"providers":[{"type":"customJwt","issuer":"https://api.workos.com/","jwks":"https://x.com","algorithm":"RS256"}]}`, "InsecureConfiguration", "applicationID"},
		{"shared issuer without slash", `{"providers":[{"type":"customJwt","issuer":"https://api.workos.com","jwks":"https://x.com","algorithm":"RS256"}]}`, "InsecureConfiguration", "applicationID"},
		{"quoted", `{"providers":[{"domain":"\"https://x.com\"","applicationID":"a"}]}`, "InvalidProviderDomainUrl", "quotation"},
		{"no real TLD", `{"providers":[{"domain":"my-issuer","applicationID":"a"}]}`, "InvalidProviderDomainUrl", "top-level"},
		{"other scheme", `{"providers":[{"domain":"ftp://x.com","applicationID":"a"}]}`, "InvalidProviderDomainUrl", "http"},
		{"no host", `{"providers":[{"domain":"https://","applicationID":"a"}]}`, "InvalidProviderDomainUrl", "host"},
		{"empty", `{"providers":[{"domain":"","applicationID":"a"}]}`, "InvalidProviderDomainUrl", "empty"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := token.ParseProviders([]byte(tt.config))
			e, ok := apierr.As(err)
			if !ok || e.Kind != apierr.BadRequest || e.Code != tt.code || !strings.Contains(e.Message, tt.want) {
				t.Fatalf("error = %v, want %s with %q", err, tt.code, tt.want)
			}
		})
	}
}

func TestParseProvidersAcceptsAndWritesAppAuth(t *testing.T) {
	t.Parallel()
	const config = `{"providers":[
		{"type":"customJwt","issuer":"https://api.workos.com/","algorithm":"RS256","applicationID":"client_1","jwks":"https://api.workos.com/sso/jwks/client_1","extra":true},
		{"type":"customJwt","issuer":"http://localhost:4100/x","algorithm":"ES256","jwks":"data:text/plain,{}"},
		{"domain":"tenant.eu.auth0.com","applicationID":"a"},
		{"type":"oidc","domain":"localhost:3000","applicationID":"b"}]}`
	p, err := token.ParseProviders([]byte(config))
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"type":"customJwt","applicationID":"client_1","issuer":"https://api.workos.com/","jwks":"https://api.workos.com/sso/jwks/client_1","algorithm":"RS256"},` +
		`{"type":"customJwt","applicationID":null,"issuer":"http://localhost:4100/x","jwks":"data:text/plain,{}","algorithm":"ES256"},` +
		`{"applicationID":"a","domain":"https://tenant.eu.auth0.com"},{"applicationID":"b","domain":"https://localhost:3000"}]`
	if d := cmp.Diff(want, string(b)); d != "" {
		t.Errorf("appAuth (-want +got):\n%s", d)
	}
	var again []token.Provider
	if err := json.Unmarshal(b, &again); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(p, again); d != "" {
		t.Errorf("read back (-want +got):\n%s", d)
	}
}

func FuzzParseProviders(f *testing.F) {
	f.Add([]byte(`{"providers":[{"domain":"https://x.com","applicationID":"a"}]}`))
	f.Add([]byte(`{"providers":[{"type":"customJwt","issuer":"a.io","jwks":"data:,{}","algorithm":"RS256"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := token.ParseProviders(b)
		if err != nil {
			if _, ok := apierr.As(err); !ok {
				t.Fatalf("an error of ours: %v", err)
			}
			return
		}
		out, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var again []token.Provider
		if err := json.Unmarshal(out, &again); err != nil {
			t.Fatalf("%s does not read back: %v", out, err)
		}
	})
}
