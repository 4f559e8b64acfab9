package authflow

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/sso"
)

// update rewrites the transcripts' answers: go test -run Transcript -update.
var update = flag.Bool("update", false, "rewrite testdata")

// A transcript is a conversation with the machine. Lines that begin with
//
//	>   are inputs: an answer or an outcome, with its fields, "_" for an empty one
//	+   let time pass; "code" sets the next fresh code; "closed" ends sign-ups;
//	    "without" takes a method away; "mfa" sets the policy, "asked" the
//	    organization that the application asked for, "invited" the address of an
//	    invitation; "reset" begins with a mailed link for a new password
//	<   are steps, ~ effects: what the machine answered
//
// and all others are comments.
func TestMachineTranscripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := replay(t, string(want))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if d := cmp.Diff(string(want), got); d != "" && !*update {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

// replay runs the inputs of a transcript and writes it anew.
func replay(t *testing.T, text string) string {
	var out strings.Builder
	a := attempt{ID: "attempt_1", Stage: atSignIn}
	w := world{Now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), Code: "111111", SignUpAllowed: true, Secret: "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		verb, rest, _ := strings.Cut(line, " ")
		if verb == "<" || verb == "~" {
			continue
		}
		fmt.Fprintln(&out, line)
		switch verb {
		case "+":
			d, err := time.ParseDuration(rest)
			if err != nil {
				t.Fatal(err)
			}
			w.Now = w.Now.Add(d)
		case "code":
			w.Code = rest
		case "mfa":
			w.MFA = identity.MFAPolicy(rest)
		case "invited":
			a.Invitation, a.Invited = "invitation_1", rest
		case "reset":
			a.Stage, a.User, a.Email, a.ResetToken = atNewPassword, "user_1", rest, "sealed"
		case "asked":
			a.Organization = identity.OrganizationID(rest)
		case "closed":
			w.SignUpAllowed = false
		case "without":
			w.Methods.NoPassword = w.Methods.NoPassword || rest == "password"
			w.Methods.NoMagicCode = w.Methods.NoMagicCode || rest == "magic code"
		case ">":
			var s Step
			var fx []effect
			a, s, fx = next(a, parseInput(t, strings.ReplaceAll(rest, "$TOTP", identity.TOTPCode(w.Secret, w.Now))), w)
			if _, ok := s.(*Done); ok && a.Stage == atDone {
				fmt.Fprintf(&out, "< Done by %s\n", showProof(a.Proof))
			} else if s != nil {
				fmt.Fprintf(&out, "< %s\n", showStep(s))
			}
			for _, e := range fx {
				if _, ok := e.(register); ok && a.Proof.User == "" {
					a.Proof.User = "user_1" // as the shell does
				}
				fmt.Fprintf(&out, "~ %s\n", strings.TrimPrefix(fmt.Sprintf("%T%+v", e, e), "authflow."))
			}
		}
	}
	return out.String()
}

// parseInput reads "EnterPassword ada@example.com secret".
func parseInput(t *testing.T, s string) input {
	f := strings.Fields(s)
	arg := func(i int) string {
		if i >= len(f) || f[i] == "_" {
			return ""
		}
		return strings.ReplaceAll(f[i], "·", " ")
	}
	switch f[0] {
	case "EnterPassword":
		return EnterPassword{arg(1), arg(2)}
	case "AskForCode":
		return AskForCode{arg(1)}
	case "Register":
		return Register{Email: arg(1), Password: arg(2), FirstName: arg(3), LastName: arg(4)}
	case "EnterCode":
		return EnterCode{arg(1)}
	case "ForgotPassword":
		return ForgotPassword{arg(1)}
	case "ChoosePassword":
		return ChoosePassword{arg(1)}
	case "SendAgain":
		return SendAgain{}
	case "GoTo":
		return GoTo{Place: Place(arg(1)), Email: arg(2)}
	case "passwordChecked":
		return passwordChecked{User: identity.UserID(arg(1))}
	case "standing":
		st := standing{User: identity.UserID(arg(1))}
		for _, what := range f[2:] {
			org, member := strings.CutPrefix(what, "member:")
			switch {
			case what == "verified":
				st.Verified = true
			case what == "factor":
				st.Factor = true
			case strings.HasPrefix(what, "home:"):
				st.Home, st.HomeOf = "conn_home", identity.OrganizationID(what[len("home:"):])
			case strings.HasPrefix(what, "invited:"):
				st.Invited.Organization = identity.OrganizationID(what[len("invited:"):])
				st.Members = append(st.Members, membership{Organization: st.Invited.Organization})
			case strings.HasPrefix(what, "fault:"):
				st.Invited.Fault = LinkFault(what[len("fault:"):])
			case member:
				m := membership{Organization: identity.OrganizationID(strings.TrimSuffix(org, "!"))}
				if strings.HasSuffix(org, "!") {
					m.MFA = identity.MFARequired
				}
				st.Members = append(st.Members, m)
			default:
				t.Fatalf("unknown standing %q", what)
			}
		}
		return st
	case "GoAway":
		return GoAway{arg(1)}
	case "goHome":
		return goHome{arg(1), sso.ConnectionID(arg(2))}
	case "wayOut":
		if arg(1) == "" {
			return wayOut{Problem: &Problem{Code: "provider_unavailable", Message: "Not now."}}
		}
		return wayOut{Connection: sso.ConnectionID(arg(1))}
	case "ComeBack":
		return ComeBack{arg(1)}
	case "returned":
		r := returned{Key: "key", Method: identity.Method(arg(1)), User: identity.UserID(arg(2)), Email: arg(3)}
		for _, what := range f[4:] {
			org, of := strings.CutPrefix(what, "of:")
			switch {
			case what == "trusted":
				r.Trusted = true
			case what == "no", what == "no!":
				r.Problem, r.Tell = &Problem{Code: "access_denied", Message: "You said no."}, what == "no!"
			case of:
				r.Organization = identity.OrganizationID(org)
			default:
				t.Fatalf("unknown return %q", what)
			}
		}
		return r
	case "EnterRecoveryCode":
		return EnterRecoveryCode{arg(1)}
	case "ChooseOrganization":
		return ChooseOrganization{identity.OrganizationID(arg(1))}
	case "Continue":
		return Continue{}
	case "RenewCodes":
		return RenewCodes{}
	case "GiveUp":
		return GiveUp{}
	case "factorChecked":
		left, _ := strconv.Atoi(arg(2))
		return factorChecked{OK: arg(1) == "right", Left: left}
	case "passwordHashed":
		return passwordHashed{arg(1)}
	case "accountLooked":
		return accountLooked{identity.UserID(arg(1))}
	case "guessedTooMuch":
		d, err := time.ParseDuration(arg(1))
		if err != nil {
			t.Fatal(err)
		}
		return guessedTooMuch{d}
	}
	t.Fatalf("unknown input %q", s)
	return nil
}

// showProof writes what was shown, without what is empty.
func showProof(p proof) string {
	out := []string{string(p.Method), string(p.User)}
	for what, is := range map[string]bool{"mailbox": p.Mailbox, "fresh": p.Fresh, p.Second: p.Second != "", string(p.Organization): p.Organization != ""} {
		if is {
			out = append(out, what)
		}
	}
	slices.Sort(out[2:])
	return strings.Join(out, " ")
}

// showStep writes a step in one line, without what is the same everywhere.
func showStep(s Step) string {
	show := func(name string, sc Screen, rest string) string {
		if sc.Problem != nil {
			rest += fmt.Sprintf(" — %s %s: %s", sc.Problem.Field, sc.Problem.Code, sc.Problem.Message)
		}
		if sc.Notice != "" {
			rest += " — " + sc.Notice
		}
		return name + rest
	}
	switch s := s.(type) {
	case *AskSignIn:
		return show("AskSignIn", s.Screen, " "+s.Email)
	case *AskSignUp:
		return show("AskSignUp", s.Screen, fmt.Sprintf(" %s %q %q", s.Email, s.FirstName, s.LastName))
	case *AskCode:
		return show("AskCode", s.Screen, fmt.Sprintf(" %s %s", s.For, s.Email))
	case *AskForgot:
		return show("AskForgot", s.Screen, " "+s.Email)
	case *AskNewPassword:
		return show("AskNewPassword", s.Screen, " "+s.Email)
	case *AskFactor:
		return show("AskFactor", s.Screen, " "+s.Email)
	case *AskRecoveryCode:
		return show("AskRecoveryCode", s.Screen, " "+s.Email)
	case *TellCodesLeft:
		return show("TellCodesLeft", s.Screen, fmt.Sprintf(" %d", s.Left))
	case *AskEnroll:
		return show("AskEnroll", s.Screen, " "+s.Email+" "+s.Secret)
	case *TellRecoveryCodes:
		return show("TellRecoveryCodes", s.Screen, "")
	case *AskOrganization:
		return show("AskOrganization", s.Screen, " "+s.Email)
	case *TellNotMember:
		return show("TellNotMember", s.Screen, " "+s.Email)
	case *TellInvitation:
		return show("TellInvitation", s.Screen, fmt.Sprintf(" %s %s", s.Fault, s.Email))
	case *Over:
		return show("Over", s.Screen, " "+string(s.Reason))
	case *Leave:
		return "Leave"
	case *Done:
		return "Done"
	}
	return fmt.Sprintf("%T", s)
}

// FuzzMachine feeds the machine inputs in any order: it never panics, never ends
// without a proof, and never shows a code.
func FuzzMachine(f *testing.F) {
	f.Add([]byte{0, 7, 2, 4}, "ada@example.com", "correct horse battery")
	f.Add([]byte{6, 1, 8, 2, 2, 2, 5, 5, 5}, "a@b.c", "111111")
	f.Add([]byte{6, 3, 9, 2, 4, 8}, "x", "")
	f.Fuzz(func(t *testing.T, moves []byte, email, secret string) {
		if len(moves) > 64 {
			return
		}
		a := attempt{ID: "attempt_1", Stage: atSignIn}
		w := world{Now: time.Unix(1_000_000, 0), Code: "111111", SignUpAllowed: true}
		asked := false // the machine asked for what an outcome answers
		for _, m := range moves {
			var in input
			switch m % 20 {
			case 0:
				in = EnterPassword{email, secret}
			case 1:
				in = Register{Email: email, Password: secret, FirstName: email}
			case 2:
				in = EnterCode{secret}
			case 3:
				in = ForgotPassword{email}
			case 4:
				in = ChoosePassword{secret}
			case 5:
				in = SendAgain{}
			case 6:
				in = GoTo{Place: []Place{SignIn, SignUp, Forgot, RecoveryCode, Authenticator, "x"}[int(m/20)%6], Email: email}
			case 7, 8, 9:
				if !asked {
					continue // outcomes come from the shell, and only when asked for
				}
				in = []input{passwordChecked{}, passwordHashed{"h"}, accountLooked{}}[m%20-7]
			case 10:
				in = guessedTooMuch{time.Minute}
			case 13:
				in = AskForCode{email}
			case 14:
				in = EnterRecoveryCode{secret}
			case 15:
				in = ChooseOrganization{"org_1"}
			case 16:
				in = Continue{}
			case 17:
				in = GiveUp{}
			case 18, 19:
				if !asked {
					continue
				}
				if in = (factorChecked{OK: m/20%2 == 0}); m%20 == 19 {
					in = standing{User: "user_1", Verified: true, Factor: m/20%2 == 0, Members: []membership{{"org_1", identity.MFARequired}, {"org_2", ""}}}
				}
			case 12:
				if !asked {
					continue
				}
				in = standing{User: a.Proof.User, Verified: m/20%2 == 0}
			case 11:
				w.Now = w.Now.Add(time.Minute)
				continue
			}
			before := a
			var s Step
			var fx []effect
			a, s, fx = next(a, in, w)
			asked = s == nil
			if asked != (len(fx) > 0 && asking(fx[len(fx)-1])) {
				t.Fatalf("%T at %s: step %T with effects %v", in, before.Stage, s, fx)
			}
			if a.Stage == atDone && before.Stage != atDone {
				if _, gaveUp := in.(GiveUp); before.Proof.Method == "" && !gaveUp {
					t.Fatalf("%T at %s ended the attempt", in, before.Stage)
				}
			}
			if s != nil && strings.Contains(showStep(s), w.Code) && !strings.Contains(email+secret, w.Code) {
				t.Fatalf("the code is on the page: %s", showStep(s))
			}
			if a.Mailed.Sends > maxSends {
				t.Fatalf("%d codes sent", a.Mailed.Sends)
			}
		}
	})
}

// asking reports whether an effect's outcome goes back into the machine.
func asking(fx effect) bool {
	switch fx.(type) {
	case checkCredentials, hashPassword, lookAccount, lookStanding, checkFactor, checkRecoveryCode:
		return true
	}
	return false
}

func FuzzReadCode(f *testing.F) {
	f.Add("123 456")
	f.Add("１２３４５６")
	f.Fuzz(func(t *testing.T, s string) {
		code, ok := readCode(s)
		if !ok {
			return
		}
		if len(code) != 6 || strings.Trim(code, "0123456789") != "" {
			t.Errorf("%q reads as %q", s, code)
		}
	})
}
