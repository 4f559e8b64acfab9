package identity_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"image/png"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lentil-dev/lentil/internal/identity"
)

// TestTOTPVectors holds the codes against RFC 6238, appendix B (the last six digits,
// as ours are six long).
func TestTOTPVectors(t *testing.T) {
	t.Parallel()
	const secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" // "12345678901234567890"
	for at, want := range map[int64]string{59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130"} {
		if got := identity.TOTPCode(secret, time.Unix(at, 0)); got != want {
			t.Errorf("at %d: %s, want %s", at, got, want)
		}
	}
}

func TestTOTPStepWindow(t *testing.T) {
	t.Parallel()
	secret := identity.NewTOTPSecret()
	now := time.Unix(1_800_000_000, 0)
	for off, want := range map[int]bool{-2: false, -1: true, 0: true, 1: true, 2: false} {
		if _, ok := identity.TOTPStep(secret, identity.TOTPCode(secret, now.Add(time.Duration(off)*30*time.Second)), now); ok != want {
			t.Errorf("code %d steps away: %v", off, ok)
		}
	}
	for _, bad := range []string{"", "12345", "1234567", "abcdef"} {
		if _, ok := identity.TOTPStep(secret, bad, now); ok {
			t.Errorf("%q passed", bad)
		}
	}
}

func TestTOTPURI(t *testing.T) {
	t.Parallel()
	got := identity.TOTPURI("My App & Co", "ada@example.com", "ABC")
	if want := "otpauth://totp/My%20App%20&%20Co:ada@example.com?secret=ABC&issuer=My%20App%20%26%20Co"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestQRCode(t *testing.T) {
	t.Parallel()
	q, err := identity.NewQRCode("otpauth://totp/a?secret=b")
	if err != nil {
		t.Fatal(err)
	}
	if !q.Dark(0, 0) || q.Dark(1, 1) || !q.Dark(3, 3) { // the finder pattern
		t.Error("no finder pattern at the corner")
	}
	if !strings.HasPrefix(q.Path(), "M4 4h7v1h-7z") {
		t.Errorf("path begins %.40s", q.Path())
	}
	uri, err := q.DataURI()
	if err != nil {
		t.Fatal(err)
	}
	b, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(uri, "data:image/png;base64,"))
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(b))
	if err != nil || img.Bounds().Dx() < 200 {
		t.Fatal(img.Bounds(), err)
	}
}

func TestFactorLife(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, e := house(t, identity.Settings{})
		u, other := user(t, s, e, "ada@example.com"), user(t, s, e, "eve@example.com")
		strange, err := s.CreateEnvironment(t.Context(), identity.NewEnvironment{Name: "other"})
		if err != nil {
			t.Fatal(err)
		}
		var f *identity.Factor
		var secret string
		do := func(g func(tx *identity.Tx) error) error { return s.Update(t.Context(), g) }
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(do(func(tx *identity.Tx) (err error) {
			f, secret, err = tx.EnrollFactor(e.ID, identity.NewFactor{User: u.ID, Type: identity.FactorTOTP, Issuer: "Test", Account: u.Email})
			return err
		}))
		verify := func(env identity.EnvironmentID, user identity.UserID, code string) (ok bool) {
			t.Helper()
			must(do(func(tx *identity.Tx) (err error) {
				ok, err = tx.VerifyAnyFactor(env, user, code)
				return err
			}))
			return ok
		}
		code1 := identity.TOTPCode(secret, time.Now())
		for name, ok := range map[string]bool{
			"another user's":        verify(e.ID, other.ID, code1),
			"another environment's": verify(strange.ID, u.ID, code1),
			"nobody's":              verify(e.ID, "", code1),
			"an empty one":          verify(e.ID, u.ID, ""),
		} {
			if ok {
				t.Errorf("%s code passed", name)
			}
		}
		if !verify(e.ID, u.ID, code1) {
			t.Error("the right code failed")
		}
		if verify(e.ID, u.ID, code1) {
			t.Error("the same code passed twice")
		}
		if old := identity.TOTPCode(secret, time.Now().Add(-30*time.Second)); verify(e.ID, u.ID, old) {
			t.Error("a code from before the last one passed")
		}
		time.Sleep(30 * time.Second)

		var c *identity.Challenge
		challenge := func() {
			must(do(func(tx *identity.Tx) (err error) {
				c, _, err = tx.ChallengeFactor(e.ID, f.ID)
				return err
			}))
		}
		answer := func(text string) (valid bool, refusal string) {
			err := do(func(tx *identity.Tx) (err error) {
				_, valid, err = tx.VerifyChallenge(e.ID, c.ID, text)
				return err
			})
			if err != nil {
				refusal = code(err)
			}
			return valid, refusal
		}
		challenge()
		if ok, _ := answer("000000"); ok {
			t.Error("a wrong code passed a challenge")
		}
		if ok, r := answer(identity.TOTPCode(secret, time.Now())); !ok {
			t.Error("the right code failed a challenge", r)
		}
		if _, r := answer(identity.TOTPCode(secret, time.Now())); r != "one_time_code_previously_used" {
			t.Error("a challenge was answered twice:", r)
		}
		challenge()
		for range 5 {
			answer("000000")
		}
		if _, r := answer(identity.TOTPCode(secret, time.Now())); r != "one_time_code_too_many_attempts" {
			t.Error("the sixth guess:", r)
		}
		challenge()
		time.Sleep(10 * time.Minute)
		if _, r := answer(identity.TOTPCode(secret, time.Now())); r != "one_time_code_expired" {
			t.Error("late:", r)
		}

		seed := make([]byte, identity.RecoverySeed)
		rand.Read(seed)
		codes := identity.RecoveryCodes(seed)
		must(do(func(tx *identity.Tx) error { return tx.SetRecoveryCodes(u.ID, codes) }))
		use := func(user identity.UserID, text string) (ok bool, left int) {
			t.Helper()
			must(do(func(tx *identity.Tx) (err error) {
				ok, left, err = tx.UseRecoveryCode(user, text)
				return err
			}))
			return ok, left
		}
		if ok, _ := use(other.ID, codes[0]); ok {
			t.Error("another user's recovery code passed")
		}
		if ok, left := use(u.ID, " "+strings.ToUpper(strings.ReplaceAll(codes[0], "-", " "))); !ok || left != 9 {
			t.Error("a recovery code failed", ok, left)
		}
		if ok, left := use(u.ID, codes[0]); ok || left != 9 {
			t.Error("a recovery code passed twice", ok, left)
		}

		if err := do(func(tx *identity.Tx) error { return tx.DeleteFactor(strange.ID, f.ID) }); code(err) != "entity_not_found" {
			t.Error("another environment deleted the factor:", err)
		}
		must(do(func(tx *identity.Tx) error { return tx.DeleteFactor(e.ID, f.ID) }))
		if ok, _ := use(u.ID, codes[1]); ok {
			t.Error("recovery codes outlived the last factor")
		}
	})
}

func TestFactorRefused(t *testing.T) {
	t.Parallel()
	s, e := house(t, identity.Settings{})
	for name, n := range map[string]identity.NewFactor{
		"unknown type":  {Type: "voice"},
		"unknown user":  {Type: identity.FactorTOTP, User: "user_none"},
		"short secret":  {Type: identity.FactorTOTP, Secret: "ABC"},
		"no base32":     {Type: identity.FactorTOTP, Secret: "0189!!!!!!!!!!!!!!!!!!!!!!!!!!!!"},
		"sms, no phone": {Type: identity.FactorSMS},
		"long issuer":   {Type: identity.FactorTOTP, Issuer: strings.Repeat("x", 129)},
	} {
		if err := s.Update(t.Context(), func(tx *identity.Tx) error { _, _, err := tx.EnrollFactor(e.ID, n); return err }); err == nil {
			t.Errorf("%s: enrolled", name)
		}
	}
}

func TestRecoveryCodesAreLongEnoughForAPlainHash(t *testing.T) {
	t.Parallel()
	seed := make([]byte, identity.RecoverySeed)
	rand.Read(seed)
	codes := identity.RecoveryCodes(seed)
	seen := map[string]bool{}
	for _, c := range codes {
		plain := strings.ReplaceAll(c, "-", "")
		if len(plain)*5 < 112 {
			t.Errorf("%d bits", len(plain)*5)
		}
		if strings.Trim(plain, "abcdefghjkmnopqrstuvwxyz23456789") != "" || seen[c] {
			t.Errorf("the code %q", c)
		}
		seen[c] = true
	}
	if len(codes) != 10 {
		t.Errorf("%d codes", len(codes))
	}
	// Every bit of the seed counts.
	for i := range seed {
		seed[i] ^= 1
		if slices.Equal(codes, identity.RecoveryCodes(seed)) {
			t.Fatalf("byte %d does not count", i)
		}
		seed[i] ^= 1
	}
}
