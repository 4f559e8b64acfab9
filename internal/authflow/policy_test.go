package authflow

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/identity"
)

// policyDocument is what is promised to operators.
func policyDocument(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/security/POLICY.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// mustSay fails for each line that the document lacks.
func mustSay(t *testing.T, lines ...string) {
	t.Helper()
	doc := strings.Join(strings.Fields(policyDocument(t)), " ")
	for _, l := range lines {
		if !strings.Contains(doc, strings.Join(strings.Fields(l), " ")) {
			t.Errorf("docs/security/POLICY.md does not say: %s", l)
		}
	}
}

func TestPolicyTellsHowGuessingIsHeldBack(t *testing.T) {
	t.Parallel()
	for what, l := range map[string]limit{
		"wrong passwords for one account, from anywhere": limitAccount, "wrong codes for one account, from anywhere": limitCode,
		"failures from one address, for any account": limitAddress, "mails to one mailbox": limitSend, "mails caused from one address": limitSendFrom,
		"sign-ins begun from one address": limitBegin,
	} {
		mustSay(t, fmt.Sprintf("| %s | %d | %v | %v | %v |", what, l.free, l.first, l.longest, l.forget))
	}
	mustSay(t, fmt.Sprintf("lives %v, dies after %d wrong entries", codeLifetime, maxWrongCodes), "Nobody can lock an owner out")
}

func TestPolicyTellsWhichPasswordsAreRefused(t *testing.T) {
	t.Parallel()
	var words []string
	for _, w := range ourWords {
		words = append(words, "`"+w+"`")
	}
	mustSay(t, fmt.Sprintf("From %d to %d characters of any kind", minPassword, maxPassword), strings.Join(words, ", "),
		fmt.Sprintf("some %d,000 common passwords", len(commonLines())/1000), "LENTIL_BREACHED_PASSWORDS")
}

func TestPolicyTellsHowLongSessionsLast(t *testing.T) {
	t.Parallel()
	s := identity.Settings{}.Defaulted()
	for what, d := range map[string]time.Duration{
		"access token": s.AccessTokenLifetime, "session, unused": s.InactivityTimeout, "session, however busy": s.SessionLifetime,
		"refresh token, after it was exchanged": s.RefreshReuseWindow, "authorization code": grantLifetime,
	} {
		mustSay(t, fmt.Sprintf("| %s | %v |", what, d))
	}
	mustSay(t, "A person may have any number of sessions at once", "How they hang together.")
}

// TestPolicyTellsEveryWayToSignIn compares the document with the methods that a
// session can have.
func TestPolicyTellsEveryWayToSignIn(t *testing.T) {
	t.Parallel()
	mustSay(t, "| password | one factor |", "| code by mail | one factor |", "| passkey,", "| social provider |", "| single sign-on (OIDC, SAML) |",
		"| invitation, link for a new password |", "| device |", "| impersonation |", "| a server of the app, with its secret |", "`afterProof`")
}
