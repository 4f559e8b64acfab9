package workos

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// settingRow is a row of the table of settings: how one is shown and how it is set.
// Rows without set are only shown.
type settingRow struct {
	name string
	get  func(e *identity.Environment) any
	set  func(s *identity.Settings, v json.RawMessage) error
}

// environmentSettings is what an operator may see and change of an environment.
var environmentSettings = []settingRow{
	{"client_id", func(e *identity.Environment) any { return e.ClientID }, nil},
	{"name", func(e *identity.Environment) any { return e.Name }, nil},
	{"kind", func(e *identity.Environment) any { return e.Kind }, nil},
	{"authentication_methods", func(e *identity.Environment) any { return newMethodsObject(e.Settings.SignIn) }, setMethods},
	{"mfa_policy", func(e *identity.Environment) any { return showMFA(e.Settings.MFA) }, func(s *identity.Settings, v json.RawMessage) error {
		var p identity.MFAPolicy
		err := json.Unmarshal(v, &p)
		s.MFA = readMFA(p)
		return err
	}},
	{"sign_up_allowed", func(e *identity.Environment) any { return !e.Settings.SignUpDisabled }, func(s *identity.Settings, v json.RawMessage) error {
		var yes bool
		err := json.Unmarshal(v, &yes)
		s.SignUpDisabled = !yes
		return err
	}},
	{"default_role", func(e *identity.Environment) any { return e.Settings.Defaulted().DefaultRole },
		func(s *identity.Settings, v json.RawMessage) error { return setText(&s.DefaultRole, v) }},
	{"multiple_roles", func(e *identity.Environment) any { return !e.Settings.SingleRole }, func(s *identity.Settings, v json.RawMessage) error {
		yes := true // the default, which null gives back
		err := json.Unmarshal(v, &yes)
		s.SingleRole = !yes
		return err
	}},
	{"fixed_code", func(e *identity.Environment) any { return orNull(e.Settings.FixedCode) },
		func(s *identity.Settings, v json.RawMessage) error { return setText(&s.FixedCode, v) }},
	{"emulator_payloads", func(e *identity.Environment) any { return e.Settings.EmulatorPayloads },
		func(s *identity.Settings, v json.RawMessage) error { return json.Unmarshal(v, &s.EmulatorPayloads) }},
	{"initiate_login_uri", func(e *identity.Environment) any { return orNull(e.Settings.InitiateLoginURI) },
		func(s *identity.Settings, v json.RawMessage) error { return setText(&s.InitiateLoginURI, v) }},
	{"impersonation_allowed", func(e *identity.Environment) any { return !e.Settings.ImpersonationOff }, func(s *identity.Settings, v json.RawMessage) error {
		yes := true // the default, which null gives back
		err := json.Unmarshal(v, &yes)
		s.ImpersonationOff = !yes
		return err
	}},
	{"impersonation_notice", func(e *identity.Environment) any { return e.Settings.ImpersonationNotice },
		func(s *identity.Settings, v json.RawMessage) error { return json.Unmarshal(v, &s.ImpersonationNotice) }},
	{"app_homepage_url", func(e *identity.Environment) any { return orNull(e.Settings.HomepageURL) },
		func(s *identity.Settings, v json.RawMessage) error { return setText(&s.HomepageURL, v) }},
	{"logout_redirect_uris", func(e *identity.Environment) any { return append([]string{}, e.Settings.LogoutRedirects...) },
		func(s *identity.Settings, v json.RawMessage) error {
			var list []string
			err := json.Unmarshal(v, &list)
			s.LogoutRedirects = list
			return err
		}},
	{"issuer", func(e *identity.Environment) any { return e.Settings.Defaulted().IssuerTemplate },
		func(s *identity.Settings, v json.RawMessage) error { return setText(&s.IssuerTemplate, v) }},
	{"audience", func(e *identity.Environment) any { return orNull(string(e.Settings.Audience)) },
		func(s *identity.Settings, v json.RawMessage) error { return setText(&s.Audience, v) }},
	{"authentication_domain", func(e *identity.Environment) any { return orNull(e.Settings.Domain) },
		func(s *identity.Settings, v json.RawMessage) error { return setText(&s.Domain, v) }},
	{"amr_claim", func(e *identity.Environment) any { return e.Settings.AMR }, func(s *identity.Settings, v json.RawMessage) error {
		return json.Unmarshal(v, &s.AMR)
	}},
	{"signing_key_rotation", func(e *identity.Environment) any {
		if e.Settings.KeyRotation == 0 {
			return nil
		}
		return seconds(e.Settings.KeyRotation)
	}, func(s *identity.Settings, v json.RawMessage) error { return setSeconds(&s.KeyRotation, v) }},
	{"access_token_lifetime", func(e *identity.Environment) any { return seconds(e.Settings.Defaulted().AccessTokenLifetime) },
		func(s *identity.Settings, v json.RawMessage) error { return setSeconds(&s.AccessTokenLifetime, v) }},
	{"connections_end_with_token", func(e *identity.Environment) any { return e.Settings.EndWithToken }, func(s *identity.Settings, v json.RawMessage) error {
		return json.Unmarshal(v, &s.EndWithToken)
	}},
	{"session_lifetime", func(e *identity.Environment) any { return seconds(e.Settings.Defaulted().SessionLifetime) },
		func(s *identity.Settings, v json.RawMessage) error { return setSeconds(&s.SessionLifetime, v) }},
	{"inactivity_timeout", func(e *identity.Environment) any { return seconds(e.Settings.Defaulted().InactivityTimeout) },
		func(s *identity.Settings, v json.RawMessage) error { return setSeconds(&s.InactivityTimeout, v) }},
	{"refresh_reuse_window", func(e *identity.Environment) any { return seconds(e.Settings.Defaulted().RefreshReuseWindow) },
		func(s *identity.Settings, v json.RawMessage) error { return setSeconds(&s.RefreshReuseWindow, v) }},
}

// methodsObject is the setting authentication_methods.
type methodsObject struct {
	Password  bool     `json:"password"`
	MagicCode bool     `json:"magic_code"`
	Passkey   bool     `json:"passkey"`
	Social    []string `json:"social"`
}

// newMethodsObject shows m.
func newMethodsObject(m identity.SignInMethods) methodsObject {
	return methodsObject{!m.NoPassword, !m.NoMagicCode, m.Passkeys, append([]string{}, m.Social...)}
}

// setMethods changes the methods that are named and leaves the rest.
func setMethods(s *identity.Settings, v json.RawMessage) error {
	m := newMethodsObject(s.SignIn)
	if err := json.Unmarshal(v, &m); err != nil {
		return err
	}
	s.SignIn = identity.SignInMethods{NoPassword: !m.Password, NoMagicCode: !m.MagicCode, Passkeys: m.Passkey, Social: m.Social}
	return nil
}

// showMFA writes out the policy, whose default is empty.
func showMFA(p identity.MFAPolicy) identity.MFAPolicy {
	if p == identity.MFAOptional {
		return "optional"
	}
	return p
}

// readMFA is the reverse of showMFA.
func readMFA(p identity.MFAPolicy) identity.MFAPolicy {
	if p == "optional" {
		return identity.MFAOptional
	}
	return p
}

// seconds is d as settings show it.
func seconds(d time.Duration) int64 { return int64(d / time.Second) }

// setSeconds reads a number of seconds; null is the default.
func setSeconds(d *time.Duration, v json.RawMessage) error {
	var n int64
	if err := json.Unmarshal(v, &n); err != nil {
		return err
	}
	if *d = time.Duration(min(max(n, -1), 1<<31)) * time.Second; string(v) != "null" && n <= 0 {
		*d = -1 // which the check refuses
	}
	return nil
}

// setText reads a string; null is none.
func setText[T ~string](to *T, v json.RawMessage) error {
	var s *T
	if err := json.Unmarshal(v, &s); err != nil {
		return err
	}
	if *to = ""; s != nil {
		*to = *s
	}
	return nil
}

// settingsObject shows an environment's settings.
func settingsObject(e *identity.Environment) map[string]any {
	out := map[string]any{"object": "environment_settings", "environment_id": e.ID, "updated_at": identity.FormatTime(e.Updated)}
	for _, row := range environmentSettings {
		out[row.name] = row.get(e)
	}
	return out
}

// getSettings is GET /_lentil/v1/settings.
func (a *API) getSettings(w http.ResponseWriter, r *http.Request) error {
	e, err := a.Identity.Environment(r.Context(), environment(r).ID)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, settingsObject(e))
	return nil
}

// patchSettings is PATCH /_lentil/v1/settings. Members that are not named stay; a
// name that is no setting, or none that can be changed, is refused: a typo must not
// look like success.
func (a *API) patchSettings(w http.ResponseWriter, r *http.Request) error {
	var body map[string]json.RawMessage
	if err := decodeBody(r, &body); err != nil {
		return err
	}
	var faults []fieldFault
	var sets []func(*identity.Settings) error
	for _, name := range slices.Sorted(maps.Keys(body)) {
		i := slices.IndexFunc(environmentSettings, func(row settingRow) bool { return row.name == name && row.set != nil })
		if i < 0 {
			faults = append(faults, fieldFault{"unknown", clip(name, 64), "There is no setting of this name that can be changed."})
			continue
		}
		set, v := environmentSettings[i].set, body[name]
		if err := set(&identity.Settings{}, v); err != nil {
			faults = append(faults, fieldFault{"invalid", name, "The value is not of the kind that this setting has."})
		}
		sets = append(sets, func(s *identity.Settings) error { return set(s, v) })
	}
	if faults != nil {
		return invalid("These settings cannot be changed so: %s", faultNames(faults)).With(faults)
	}
	e, err := a.Identity.ChangeSettings(r.Context(), environment(r).ID, func(s *identity.Settings) {
		for _, set := range sets {
			_ = set(s) // it was tried above
		}
	})
	if refused, ok := apierr.As(err); ok && refused.Kind == apierr.BadRequest {
		return invalid("%s", refused.Message).Wrap(err)
	}
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, settingsObject(e))
	return nil
}

// faultNames lists the members that faults are about.
func faultNames(faults []fieldFault) string {
	var names []string
	for _, f := range faults {
		names = append(names, f.Field)
	}
	return strings.Join(names, ", ")
}
