package udf

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/token"
)

func TestInstallModules(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	long := strings.Repeat("// ünïcödé\n", 60_000) // several parts, cut between bytes of a letter
	p := Package{Config: Config{ServerVersion: "1.48.0", ImportPhaseRngSeed: [32]byte{1, 2}, ImportPhaseUnixTimestampMS: 1766500000000}}
	p.Modules = []ModuleRow{
		{Path: "messages.js", Environment: "isolate", Source: long, SourceMap: `{"version":3}`, Analysis: []byte(`{"httpRoutes":null}`), Functions: []FunctionRow{
			{Name: "list", Kind: Query, Public: true, Args: validator(t, `{"type":"object","value":{}}`), Pos: &Position{"messages.ts", 3, 7}},
			{Name: "send", Kind: Mutation, Returns: validator(t, `{"type":"null"}`)},
		}},
		{Path: "_deps/X.js", Environment: "isolate", Source: "export {}"},
		{Path: "empty.js", Environment: "isolate", Hash: HashModule("", "")},
	}
	h.update(func(tx *database.Tx) error { return InstallModules(t.Context(), tx, p) })
	err := h.DB.View(t.Context(), func(tx *database.Tx) error {
		rows, err := LiveModules(t.Context(), tx)
		if err != nil {
			return err
		}
		if len(rows) != 3 || rows[0].Path != "_deps/X.js" || rows[2].Path != "messages.js" {
			t.Fatalf("%+v", rows)
		}
		m := rows[2]
		if m.Hash != HashModule(long, `{"version":3}`) || string(m.Analysis) != `{"httpRoutes":null}` || m.Source != "" || len(m.Functions) != 2 {
			t.Errorf("%+v", m)
		}
		if f := m.Functions[0]; f.Kind != Query || !f.Public || f.Args == nil || f.Returns != nil || *f.Pos != (Position{"messages.ts", 3, 7}) {
			t.Errorf("%+v", f)
		}
		if err := LoadSources(t.Context(), tx, rows); err != nil {
			return err
		}
		if rows[2].Source != long || rows[2].SourceMap != `{"version":3}` || rows[0].Source != "export {}" {
			t.Error("sources came back changed")
		}
		c, ok, err := LiveConfig(t.Context(), tx)
		if !ok || c.ServerVersion != "1.48.0" || c.ImportPhaseRngSeed != p.Config.ImportPhaseRngSeed || c.ImportPhaseUnixTimestampMS != 1766500000000 || c.Digest == "" {
			t.Errorf("%+v, %v", c, ok)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	// An unchanged module is pushed by its hash alone; one that was never stored is asked for.
	next := Package{Config: p.Config, Modules: []ModuleRow{{Path: "messages.js", Environment: "isolate", Hash: HashModule(long, `{"version":3}`)}}}
	h.update(func(tx *database.Tx) error { return InstallModules(t.Context(), tx, next) })
	next.Modules = append(next.Modules, ModuleRow{Path: "b.js", Hash: strings.Repeat("0", 64)})
	_, err = h.DB.Update(t.Context(), func(tx *database.Tx) error { return InstallModules(t.Context(), tx, next) })
	if e, ok := apierr.As(err); !ok || e.Code != "MissingExistingModule" {
		t.Error(err)
	}
	if err := h.sweep(t.Context(), time.Now().Add(48*time.Hour)); err != nil {
		t.Fatal(err)
	}
	err = h.DB.View(t.Context(), func(tx *database.Tx) error {
		if err := LoadSources(t.Context(), tx, []ModuleRow{{Path: "_deps/X.js", Hash: HashModule("export {}", "")}}); err == nil {
			t.Error("the source of a module that went away is still there")
		}
		return LoadSources(t.Context(), tx, []ModuleRow{{Path: "messages.js", Hash: HashModule(long, `{"version":3}`)}})
	})
	if err != nil {
		t.Error(err)
	}
}

func TestSetEnvironment(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	set := func(changes ...EnvChange) error {
		_, err := h.DB.Update(t.Context(), func(tx *database.Tx) error { return SetEnvironment(t.Context(), tx, changes) })
		return err
	}
	v := func(s string) *string { return &s }
	if err := set(EnvChange{"B", v("2")}, EnvChange{"A", v("1")}, EnvChange{"_c1", v("")}); err != nil {
		t.Fatal(err)
	}
	if err := set(EnvChange{"A", nil}, EnvChange{"NONE", nil}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		change EnvChange
		code   string
	}{
		{EnvChange{"", v("1")}, "EnvironmentVariableNameInvalid"}, {EnvChange{"1A", v("1")}, "EnvironmentVariableNameInvalid"},
		{EnvChange{"A-B", v("1")}, "EnvironmentVariableNameInvalid"}, {EnvChange{"Ä", nil}, "EnvironmentVariableNameInvalid"},
		{EnvChange{strings.Repeat("A", 257), v("1")}, "EnvironmentVariableNameTooLong"},
		{EnvChange{"A", v(strings.Repeat("x", 8193))}, "EnvironmentVariableValueTooLarge"},
		{EnvChange{"CONVEX_SITE_URL", v("x")}, "EnvironmentVariableNameForbidden"},
	} {
		if e, ok := apierr.As(set(EnvChange{"OK", v("1")}, c.change)); !ok || e.Code != c.code {
			t.Errorf("%.40s: %v, want %s", c.change.Name, e, c.code)
		}
	}
	var many []EnvChange
	for i := range 513 {
		many = append(many, EnvChange{fmt.Sprintf("V%d", i), v("")})
	}
	if e, ok := apierr.As(set(many...)); !ok || e.Code != "EnvVarLimitMet" {
		t.Error(e)
	}
	for i := range 70 {
		many[i].Value = v(strings.Repeat("x", 8192))
	}
	if e, ok := apierr.As(set(many[:70]...)); !ok || e.Code != "EnvVarLimitMet" {
		t.Error(e)
	}
	err := h.DB.View(t.Context(), func(tx *database.Tx) error {
		env, err := Environment(t.Context(), tx)
		if diff := cmp.Diff(map[string]string{"B": "2", "_c1": ""}, env); diff != "" {
			t.Error(diff)
		}
		if err != nil {
			return err
		}
		env, err = h.Runner.Environment(t.Context(), tx)
		if env["CONVEX_CLOUD_URL"] != "http://cloud.test" || env["CONVEX_SITE_URL"] != "http://site.test" || env["B"] != "2" {
			t.Error(env)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAuthProvidersAndSchema(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	want := []token.Provider{
		{Type: token.TypeCustomJWT, Issuer: "https://api.workos.com/", JWKS: "https://api.workos.com/sso/jwks/client_1", Algorithm: "RS256", ApplicationID: "client_1"},
		{Type: token.TypeOIDC, Issuer: "https://oidc.test", ApplicationID: "app"},
	}
	text := []byte(`{"tables":[{"tableName":"rows","indexes":[],"searchIndexes":[],"vectorIndexes":[],"documentType":null}],"schemaValidation":false}`)
	h.update(func(tx *database.Tx) error {
		if s, err := ActiveSchema(t.Context(), tx); s != nil || err != nil {
			t.Error(s, err)
		}
		if err := SetActiveSchema(t.Context(), tx, text); err != nil {
			return err
		}
		return SetAuthProviders(t.Context(), tx, want)
	})
	h.update(func(tx *database.Tx) error {
		got, err := AuthProviders(t.Context(), tx)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Error(diff, err)
		}
		s, err := ActiveSchema(t.Context(), tx)
		if err != nil || len(s.Tables) != 1 {
			t.Error(s, err)
		}
		if got, err := ActiveSchemaJSON(t.Context(), tx); string(got) != string(text) || err != nil {
			t.Error(string(got), err)
		}
		if err := SetAuthProviders(t.Context(), tx, nil); err != nil {
			return err
		}
		return SetActiveSchema(t.Context(), tx, nil)
	})
	err := h.DB.View(t.Context(), func(tx *database.Tx) error {
		if got, err := AuthProviders(t.Context(), tx); len(got) != 0 || err != nil {
			t.Error(got, err)
		}
		s, err := ActiveSchema(t.Context(), tx)
		if s != nil {
			t.Error(s)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestPlain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want bool
	}{
		{`null`, true}, {`{"a":[1,2,"x,[{\"\\"]}`, true}, {`[` + strings.Repeat("0,", 8191) + `0]`, true}, {`[` + strings.Repeat("0,", 8192) + `0]`, false},
		{strings.Repeat("[", 64) + strings.Repeat("]", 64), true}, {strings.Repeat("[", 65) + strings.Repeat("]", 65), false},
		{`[[` + strings.Repeat(`{"a":1,"b":2},`, 5000) + `0]]`, true},
		{``, false}, {`{`, false}, {`1,2`, false}, {`]`, false}, {`\`, false}, {`"` + strings.Repeat("x", 4<<20) + `"`, false},
	} {
		if got := plain(c.text); got != c.want {
			t.Errorf("plain(%.40q…) = %v", c.text, got)
		}
	}
	for _, text := range []string{`[` + strings.Repeat("0,", 8192) + `0]`, strings.Repeat("[", 65) + strings.Repeat("]", 65), `{"$what":1}x`} {
		if err := checkResult(&FunctionRow{}, funcPath{"m.js", "f"}, text, nil, false); err == nil {
			t.Errorf("%.20s passed", text)
		}
	}
	if err := checkResult(&FunctionRow{}, funcPath{"m.js", "f"}, `"`+strings.Repeat("x", 4<<20)+`"`, nil, false); err != nil {
		t.Error(err)
	}
}
