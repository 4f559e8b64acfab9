package workos

import (
	"strings"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/identity"
)

func TestFactorsOfAUser(t *testing.T) {
	t.Parallel()
	h := newHouse(t, &scripted{})
	user := h.call("POST", "/user_management/users", map[string]any{"email": "ada@example.com"}).want(201).at("id").(string)
	path := "/user_management/users/" + user + "/auth_factors"
	h.call("POST", path, map[string]any{"type": "sms"}).want(422)
	h.call("POST", path, map[string]any{"type": "totp", "totp_secret": "not base32!"}).want(422)
	made := h.call("POST", path, map[string]any{"type": "totp", "totp_issuer": "Soup", "totp_user": "ada"}).want(201)
	totp := made.at("authentication_factor", "totp").(map[string]any)
	if totp["issuer"] != "Soup" || totp["user"] != "ada" || !strings.HasPrefix(totp["qr_code"].(string), "data:image/png;base64,") ||
		!strings.HasPrefix(totp["uri"].(string), "otpauth://totp/Soup:ada?secret="+totp["secret"].(string)) {
		t.Errorf("%s", made.raw)
	}
	factor, challenge := made.at("authentication_factor", "id").(string), made.at("authentication_challenge", "id").(string)
	code := identity.TOTPCode(totp["secret"].(string), time.Now())
	wrong := "000000"
	if code == wrong {
		wrong = "000001"
	}
	verify := func(id, code string) *answer {
		return h.call("POST", "/auth/challenges/"+id+"/verify", map[string]any{"code": code})
	}
	if a := verify(challenge, wrong).want(201); a.at("valid") != false {
		t.Errorf("%s", a.raw)
	}
	if a := verify(challenge, code).want(201); a.at("valid") != true || a.at("challenge", "authentication_factor_id") != factor {
		t.Errorf("%s", a.raw)
	}
	if a := verify(challenge, code).want(422); a.at("code") != "one_time_code_previously_used" {
		t.Errorf("%s", a.raw)
	}
	second := h.call("POST", "/auth/factors/"+factor+"/challenge", map[string]any{}).want(201).at("id").(string)
	if a := verify(second, code).want(201); a.at("valid") != false {
		t.Errorf("the code of a moment ago: %s", a.raw)
	}
	for range 5 {
		verify(second, wrong)
	}
	if a := verify(second, wrong).want(400); a.at("code") != "one_time_code_too_many_attempts" {
		t.Errorf("%s", a.raw)
	}
	// Nothing shows the secret again.
	for _, target := range []string{path, "/auth/factors/" + factor} {
		if a := h.call("GET", target, nil).want(200); strings.Contains(string(a.raw), totp["secret"].(string)) {
			t.Errorf("%s", a.raw)
		}
	}
	if a := h.call("GET", path, nil).want(200); a.at("data", 0, "id") != factor {
		t.Errorf("%s", a.raw)
	}
	h.call("DELETE", "/auth/factors/"+factor, nil).want(204)
	h.call("GET", "/auth/factors/"+factor, nil).want(404)
	if a := h.call("GET", path, nil).want(200); len(a.at("data").([]any)) != 0 {
		t.Errorf("%s", a.raw)
	}
}

func TestFactorsOfNobody(t *testing.T) {
	t.Parallel()
	h := newHouse(t, &scripted{})
	h.call("POST", "/auth/factors/enroll", map[string]any{"type": "totp"}).want(422)
	h.call("POST", "/auth/factors/enroll", map[string]any{"type": "sms"}).want(422)
	h.call("POST", "/auth/factors/enroll", map[string]any{"type": "pigeon"}).want(422)
	h.call("POST", "/auth/factors/enroll", map[string]any{"type": "totp", "totp_issuer": "Soup", "totp_user": "ada"}).want(201)
	for _, body := range []map[string]any{{"type": "sms", "phone_number": "+15551234567"}, {"type": "generic_otp"}} {
		f := h.call("POST", "/auth/factors/enroll", body).want(201)
		c := h.call("POST", "/auth/factors/"+f.at("id").(string)+"/challenge", nil).want(201)
		if a := h.call("POST", "/auth/challenges/"+c.at("id").(string)+"/verify", map[string]any{"code": c.at("code")}).want(201); a.at("valid") != true {
			t.Errorf("%s", a.raw)
		}
	}
}

func TestMagicAuthObjects(t *testing.T) {
	t.Parallel()
	h := newHouse(t, &scripted{})
	h.call("POST", "/user_management/magic_auth", map[string]any{"email": "nobody"}).want(422)
	made := h.call("POST", "/user_management/magic_auth", map[string]any{"email": "ada@example.com", "ip_address": "10.0.0.1"}).want(201)
	got := h.call("GET", "/user_management/magic_auth/"+made.at("id").(string), nil).want(200)
	if len(made.at("code").(string)) != 6 || string(made.raw) != string(got.raw) {
		t.Errorf("%s, then %s", made.raw, got.raw)
	}
	h.call("GET", "/user_management/users/"+made.at("user_id").(string), nil).want(200)
	h.call("GET", "/user_management/magic_auth/magic_auth_01HXNOTHINGNOTHINGNOTHIN00", nil).want(404)
	_, err := h.Identity.ChangeSettings(t.Context(), h.env.ID, func(s *identity.Settings) { s.SignUpDisabled = true })
	check(t, err)
	if a := h.call("POST", "/user_management/magic_auth", map[string]any{"email": "new@example.com"}).want(400); a.at("error") != "sign_up_not_allowed" {
		t.Errorf("%s", a.raw)
	}
}
