package authkit

import (
	"strings"
	"testing"
	"time"
)

// These were sealed by iron-session 8.0.4 with this password.
const (
	officialPassword = "a-cookie-password-of-32-characters!"
	officialSession  = "Fe26.2*1*8f7dea4e7a6ff1766b8b4920cb3aa1f06f9f955ba5fa7e3d111c6f31c289f585*RLkm9dI_mMAX9RcdsHtVnw*cxtP8vjOqGhxsGQLrZ3dK8D_Cwwb2MeS7chKcHNXaKWRRB-JeBndOrwCNakbw_zArzMawwAfjHFXT_-tntBkmetoW4EPOt9TZi1J3E3pbE08t5EQwZZG42Dv-Yjz5cc9Z5Gg6Wo1kneWwDjU-mnHJw**8bc82b8dbfccc6e20ff037cd9852e73550be8da48cc54ceb969434a05c7c3c4f*cAOTPv4deupV7icjWaLKNyWGG-JOMQz-__ukkRt0DbM~2"
	officialState    = "Fe26.2*1*3d433617c383891babc21261a2eeeca23663ee4c9db5a7387de4e9ae900ee1bb*_w1p2wQ673Jbl0vIPaW6iw*4YTfZzvzyio2qGn7-XqCGg*1795661870339*bd6d9fbfccc6fa69b7f80ad5da431ffe3d1c69fe19d3341549d98e7741495387*h_DiqOjDFEpdo0wkzuv6LtoQDCGkfWEJ4ctlNqejS7s~2"
)

func TestOfficialSealsAreRead(t *testing.T) {
	t.Parallel()
	var s sealedSession
	if err := unseal(officialSession, officialPassword, time.Now(), &s); err != nil || s.AccessToken != "a.b.c" || s.RefreshToken != "r" || s.User.Email != "ada@example.com" {
		t.Errorf("session = %+v, %v", s, err)
	}
	end := time.UnixMilli(1795661870339)
	var st sealedState
	if err := unseal(officialState, officialPassword, end, &st); err != nil || st.Nonce != "n" {
		t.Errorf("state in time = %+v, %v", st, err)
	}
	if err := unseal(officialState, officialPassword, end.Add(2*time.Minute), &st); err == nil {
		t.Error("a state is read after its end")
	}
}

func TestSealsAreTight(t *testing.T) {
	t.Parallel()
	now := time.Now()
	in := sealedState{Nonce: "n", CodeVerifier: strings.Repeat("v", 50), ReturnPathname: "/é"}
	sealed, err := seal(in, officialPassword, time.Minute, now)
	if err != nil {
		t.Fatal(err)
	}
	var out sealedState
	if err := unseal(sealed, officialPassword, now, &out); err != nil || out != in {
		t.Fatalf("round trip = %+v, %v", out, err)
	}
	if unseal(sealed, officialPassword+"x", now, &out) == nil {
		t.Error("another password opens it")
	}
	for i := range sealed {
		changed := []byte(sealed)
		changed[i] ^= 1
		if unseal(string(changed), officialPassword, now, &out) == nil {
			t.Errorf("a change at %d of %d is not seen", i, len(sealed))
		}
	}
}

func FuzzUnseal(f *testing.F) {
	for _, s := range []string{officialSession, officialState, "", "~2", "Fe26.2*1*******~2", strings.Repeat("*", 7) + "~2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var out sealedSession
		if err := unseal(s, officialPassword, time.Now(), &out); err == nil && s != officialSession && s != officialState {
			t.Errorf("%q is taken for a seal", s)
		}
	})
}

func TestOnlyPathsOfThisSiteAreReturnedTo(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"/a/b?c=d": "/a/b?c=d", "": "/", "a": "/", "//evil.example": "/", "https://evil.example": "/", "/\\evil.example": "/", "/\t/evil.example": "/", "javascript:alert(1)": "/",
	} {
		if got := local(in); got != want {
			t.Errorf("%q → %q, want %q", in, got, want)
		}
	}
}
