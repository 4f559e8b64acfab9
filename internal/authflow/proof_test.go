package authflow

import (
	"testing"

	"github.com/lentil-dev/lentil/internal/identity"
)

// TestAfterProofAsksForASecondFactor goes through methods and policies: what was
// shown, what the environment and the organization want, and what the account has.
func TestAfterProofAsksForASecondFactor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		method      identity.Method
		second      string
		env, org    identity.MFAPolicy
		has         bool
		wantedStage stage
	}{
		{"nobody wants one", identity.MethodPassword, "", "", "", false, atDone},
		{"the account has one", identity.MethodPassword, "", "", "", true, atFactor},
		{"the account has one, a code by mail", identity.MethodMagicAuth, "", "", "", true, atFactor},
		{"the account has one, another service's word", identity.MethodGoogleOAuth, "", "", "", true, atFactor},
		{"the account has one, and it was shown", identity.MethodPassword, secondOTP, "", "", true, atDone},
		{"switched off", identity.MethodPassword, "", identity.MFAOff, "", true, atDone},
		{"required", identity.MethodPassword, "", identity.MFARequired, "", false, atEnroll},
		{"required of somebody who has one", identity.MethodMagicAuth, "", identity.MFARequired, "", true, atFactor},
		{"required and shown", identity.MethodMagicAuth, secondOTP, identity.MFARequired, "", true, atDone},
		{"required, an organization's identity provider", identity.MethodSSO, "", identity.MFARequired, identity.MFARequired, true, atDone},
		{"required, a passkey", identity.MethodPasskey, "", identity.MFARequired, "", false, atDone},
		{"the organization alone", identity.MethodPassword, "", "", identity.MFARequired, false, atEnroll},
		{"the organization alone, switched off elsewhere", identity.MethodPassword, "", identity.MFAOff, identity.MFARequired, true, atFactor},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := attempt{ID: "attempt_1", Stage: atSignIn, Proof: proof{User: "user_1", Method: c.method, Second: c.second}}
			st := standing{User: "user_1", Verified: true, Factor: c.has, Members: []membership{{Organization: "org_1", MFA: c.org}}}
			a, _, effects := afterProof(a, st, world{MFA: c.env, SignUpAllowed: true})
			if a.Stage != c.wantedStage {
				t.Errorf("stands at %s, want %s", a.Stage, c.wantedStage)
			}
			if (a.Stage == atDone) != (len(effects) > 0) {
				t.Errorf("at %s with effects %v", a.Stage, effects)
			}
		})
	}
}
