package identity

import (
	"regexp"
	"testing"
	"time"
)

func TestNewIDSortsByTimeAndIsWellFormed(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^user_[0-7][0-9A-HJKMNP-TV-Z]{25}$`)
	a := NewID("user_")
	if !form.MatchString(a) || !ValidID("user_", a) {
		t.Errorf("id %q", a)
	}
	for _, bad := range []string{"", "user_", "user_x", a + "0", a[:len(a)-1], "org_" + a[5:], "user_" + "8" + a[6:], "user_" + "u" + a[6:]} {
		if ValidID("user_", bad) {
			t.Errorf("%q passes", bad)
		}
	}
	time.Sleep(2 * time.Millisecond) // ULIDs order by milliseconds of the real clock
	if b := NewID("user_"); b <= a {
		t.Errorf("%q is not after %q", b, a)
	}
}

func FuzzValidID(f *testing.F) {
	f.Add("user_01H")
	f.Add(NewID("user_"))
	f.Fuzz(func(t *testing.T, s string) {
		if ValidID("user_", s) && len(s) != 31 {
			t.Errorf("%q passes", s)
		}
	})
}
