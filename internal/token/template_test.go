package token

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// templateContext is what templates of the tests see.
const templateContext = `{
	"user": {"email": "ada@example.com", "first_name": "Ada", "last_name": null, "email_verified": true,
		"metadata": {"language": "es", "quote": "say \"hi\" }} <b>", "a-b": "dash"}},
	"organization": {"name": "Acme", "metadata": {}, "domains": [{"domain": "acme.com"}, {"domain": "example.com"}]},
	"organization_membership": {"custom_attributes": {"department": "R&D", "levels": ["a", "b"], "grade": 7}}
}`

// render renders a template in templateContext.
func render(t *testing.T, text string) (string, int, error) {
	t.Helper()
	tpl, err := ParseTemplate(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	var context map[string]any
	if err := json.Unmarshal([]byte(templateContext), &context); err != nil {
		t.Fatal(err)
	}
	claims, strays, err := tpl.Render(context)
	var out []string
	for _, c := range claims {
		out = append(out, string(quoteJSON(c.Name))+":"+string(c.Value))
	}
	return "{" + strings.Join(out, ",") + "}", strays, err
}

func TestTemplateRender(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, template, want string }{
		{"plain", `{"a": 1, "b": [true, null, -2.5e3], "c": {"d": "e\n"}}`, `{"a":1,"b":[true,null,-2.5e3],"c":{"d":"e\n"}}`},
		{"empty", ` {} `, `{}`},
		{"value", `{"a": {{ user.email }}}`, `{"a":"ada@example.com"}`},
		{"no spaces", `{"a":{{user.email}}}`, `{"a":"ada@example.com"}`},
		{"typed", `{"a": {{ user.email_verified }}, "b": {{ organization_membership.custom_attributes.grade }}}`, `{"a":true,"b":7}`},
		{"in a string", `{"a": "<{{ user.first_name }} {{ user.last_name }}>"}`, `{"a":"<Ada >"}`},
		{"scalars in a string", `{"a": "{{ user.email_verified }}/{{ organization_membership.custom_attributes.grade }}"}`, `{"a":"true/7"}`},
		{"fallback", `{"a": {{ user.metadata.nickname || user.last_name || 'Guest' }}}`, `{"a":"Guest"}`},
		{"fallback to a path", `{"a": {{ user.last_name || user.first_name }}}`, `{"a":"Ada"}`},
		{"double quotes in a string", `{"a": "{{ organization.metadata.tier || "bronze" }}"}`, `{"a":"bronze"}`},
		{"constants", `{"a": {{ user.no || 5 }}, "b": {{ user.no || false }}, "c": {{ user.no || null || 'x' }}}`, `{"a":5,"b":false,"c":"x"}`},
		{"top nulls are dropped", `{"a": {{ user.last_name }}, "b": null, "c": {"d": {{ user.last_name }}}}`, `{"c":{"d":null}}`},
		{"whole objects", `{"a": {{ user.metadata }}, "b": {{ organization.domains }}}`,
			`{"a":{"a-b":"dash","language":"es","quote":"say \"hi\" }} <b>"},"b":[{"domain":"acme.com"},{"domain":"example.com"}]}`},
		{"indexes", `{"a": "{{ organization.domains.0.domain }}", "b": {{ organization.domains[1].domain }}, "c": {{ organization.domains.7.domain }}}`,
			`{"a":"acme.com","b":"example.com"}`},
		{"brackets", `{"a": {{ user.metadata["a-b"] }}, "b": {{ user.metadata['language'] }}}`, `{"a":"dash","b":"es"}`},
		{"values cannot break out", `{"a": "x{{ user.metadata.quote }}y", "b": {{ user.metadata.quote }}}`,
			`{"a":"xsay \"hi\" }} <b>y","b":"say \"hi\" }} <b>"}`},
		{"braces in quotes", `{"a": {{ user.no || '}} " {{' }}}`, `{"a":"}} \" {{"}`},
		{"escapes in quotes", `{"a": {{ user.no || 'it\'s' }}}`, `{"a":"it's"}`},
		{"filters", `{"a": {{ user.first_name | upcase }}, "b": "{{ user.email | split: '@' | last | capitalize }}", "c": {{ organization.domains | size }}}`,
			`{"a":"ADA","b":"Example.com","c":2}`},
		{"filter default", `{"a": {{ user.last_name | default: 'none' | downcase }}, "b": {{ organization_membership.custom_attributes.levels | join: '+' }}}`,
			`{"a":"none","b":"a+b"}`},
		{"filters of each alternative", `{"a": {{ user.last_name | upcase || user.first_name | prepend: '-' | append:'!' }}}`, `{"a":"-Ada!"}`},
		{"aud", `{"aud": ["a", "{{ organization.name | strip }}"]}`, `{"aud":["a","Acme"]}`},
		{"unicode", `{"é": "ü{{ user.first_name }}"}`, `{"é":"üAda"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, strays, err := render(t, c.template)
			if err != nil || strays != 0 {
				t.Fatalf("%v, %d strays", err, strays)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
			if !json.Valid([]byte(got)) {
				t.Errorf("not JSON: %s", got)
			}
		})
	}
}

func TestTemplateRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		``, `[]`, `"a"`, `{`, `{"a"}`, `{"a": }`, `{"a": 1,}`, `{"a": 1} x`, `{"a": 1 "b": 2}`, `{"a": tru}`, `{"a": 'x'}`, `{"a": "x`, `{"a": "\q"}`,
		`{"a": 1, "a": 2}`, `{"{{ user.email }}": 1}`, `{a: 1}`,
		`{"iss": "x"}`, `{"sub": "x"}`, `{"exp": 1}`, `{"iat": 1}`, `{"nbf": 1}`, `{"jti": {{ user.id }}}`, `{"\u0069ss": "x"}`,
		`{"a": {{ }}}`, `{"a": {{ user.email }`, `{"a": {{ user.email || }}}`, `{"a": {{ secrets.key }}}`, `{"a": {{ user..email }}}`, `{"a": {{ user.email | shout }}}`,
		`{"a": {{ user.email | append }}}`, `{"a": {{ user["x }}}`, `{"a": {{ user[ }}}`, `{"a": {{ 'x }}}`,
		`{"a": "{{ user.metadata }}"}`, `{"a": "{{ organization.domains }}"}`, `{"a": {% if user.email %}1{% endif %}}`,
		strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40),
		`{"a": "` + strings.Repeat("x", MaxTemplate) + `"}`, "{\"a\": \"\xff\"}",
	} {
		if _, err := ParseTemplate(text); err == nil {
			t.Errorf("accepted: %.80s", text)
		}
	}
}

func TestTemplateStray(t *testing.T) {
	t.Parallel()
	got, strays, err := render(t, `{"a": "x{{ organization_membership.custom_attributes.levels }}"}`)
	if err != nil || strays != 1 || got != `{"a":"x"}` {
		t.Errorf("%s, %d strays, %v", got, strays, err)
	}
}

func TestTemplateTooBig(t *testing.T) {
	t.Parallel()
	fits := `{"a":"` + strings.Repeat("x", MaxRendered-len(`{"a":""}`)) + `"}`
	if got, _, err := render(t, fits); err != nil || got != fits {
		t.Errorf("%d bytes refused: %v", len(got), err)
	}
	if _, _, err := render(t, strings.Replace(fits, "x", "xx", 1)); !errors.Is(err, ErrTokenTooBig) {
		t.Errorf("one byte more: %v", err)
	}
}

// FuzzTemplate checks that whatever parses renders to JSON, with no reserved claim.
func FuzzTemplate(f *testing.F) {
	for _, s := range []string{`{"a": "{{ user.email || 'x' }}", "b": [{{ organization.domains.0 | size }}]}`, `{"a": {{ user["x"].y | append: "z" }}}`, `{"a":"\u00e9{{user.first_name}}"}`} {
		f.Add(s)
	}
	var context map[string]any
	if err := json.Unmarshal([]byte(templateContext), &context); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tpl, err := ParseTemplate(text)
		if err != nil {
			return
		}
		claims, _, err := tpl.Render(context)
		if err != nil {
			return
		}
		for _, c := range claims {
			if !json.Valid(c.Value) {
				t.Errorf("%q: claim %q is %s", text, c.Name, c.Value)
			}
			for _, r := range reservedClaims {
				if c.Name == r {
					t.Errorf("%q renders %s", text, r)
				}
			}
		}
	})
}
