package authflow

import (
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/sideprocess"
)

func TestHasherVerifies(t *testing.T) {
	t.Parallel()
	h := &Hasher{}
	hash, err := h.Hash(t.Context(), "correct horse battery staple")
	if err != nil || !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatalf("%q %v", hash, err)
	}
	if ok, stale, err := h.Verify(t.Context(), hash, "correct horse battery staple"); !ok || stale || err != nil {
		t.Errorf("right: %v %v %v", ok, stale, err)
	}
	if ok, _, _ := h.Verify(t.Context(), hash, "wrong"); ok {
		t.Error("wrong password passes")
	}
	for _, none := range []string{"", "x", "$argon2id$v=19$m=99999999,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"} {
		if ok, _, err := h.Verify(t.Context(), none, ""); ok || err != nil {
			t.Errorf("%q: %v %v", none, ok, err)
		}
	}
}

func TestHasherRefusesWhatItCannotServe(t *testing.T) {
	t.Parallel()
	h := &Hasher{Workers: 1, Queue: 2}
	leave, err := h.enter(t.Context()) // holds the only slot
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	results := make(chan error, 10)
	for range 10 {
		wg.Go(func() {
			_, err := h.Hash(t.Context(), "p")
			results <- err
		})
	}
	for range 8 { // two wait, eight are refused at once
		if err := <-results; apierr.KindOf(err) != apierr.Overloaded {
			t.Errorf("got %v", err)
		}
	}
	leave()
	wg.Wait()
	for range 2 {
		if err := <-results; err != nil {
			t.Errorf("waiting one: %v", err)
		}
	}
}

func FuzzParsePHC(f *testing.F) {
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$argon2id$$$$")
	f.Fuzz(func(t *testing.T, s string) {
		if p, ok := parsePHC(s); ok && (p.memory > maxArgonMemory || p.passes > maxArgonPasses || p.lanes > maxArgonLanes || p.passes == 0 || p.lanes == 0) {
			t.Errorf("%q: %+v", s, p)
		}
	})
}

func TestCheckPassword(t *testing.T) {
	t.Parallel()
	for password, want := range map[string]string{
		"correct horse battery": "", "Tr0ub4dor&3x": "", "ünïcödé wörds": "", "lentil-soup-42": "",
		"": "password_missing", "short": "password_too_short", strings.Repeat("ab1 ", 100): "password_too_long",
		"ada.lovelace@example.com": "password_is_email", "Ada.Lovelace": "password_is_email", "ada.lovelace1": "password_is_email",
		"aaaaaaaaaaaa": "password_too_common", "1234567890": "password_too_common", "password123": "password_too_common",
		"Password2026!": "password_too_common", "basketball": "password_too_common", "Christopher99": "password_too_common", "monkey123456": "password_too_common",
		"my password is long": "", "x-lentil-2026": "password_too_close", "SoupKitchen1!": "password_too_close", "soupkitchen of dreams": "", "AUTHKIT--AUTHKIT": "password_too_close", "qwertyuiop": "password_too_common", "bad\x00bytes here": "password_unreadable", "bad\xffbytes here": "password_unreadable",
	} {
		got := ""
		if p := checkPassword(password, "ada.lovelace@example.com", "soupkitchen", "com"); p != nil {
			got = p.Code
		}
		if got != want {
			t.Errorf("%q: %q, want %q", password, got, want)
		}
	}
}

func TestCommonPasswordsAreManyAndSorted(t *testing.T) {
	t.Parallel()
	lines := commonLines()
	if !slices.IsSorted(lines) {
		t.Error("the list is not sorted, and is searched as if it were")
	}
	long := 0
	for _, l := range lines {
		if utf8.RuneCountInString(l) >= minPassword {
			long++
			if p := checkPassword(l, "ada@example.com"); p == nil {
				t.Errorf("%q is accepted", l)
			}
		}
	}
	if long < 3000 {
		t.Errorf("%d common passwords are long enough, want 3000 (ASVS 6.2.4)", long)
	}
}

// TestVerifyWorksAsHardForNobody compares the memory that is filled, which is the
// work; clocks are of no use on a busy machine. It must not run beside others.
func TestVerifyWorksAsHardForNobody(t *testing.T) {
	h := &Hasher{}
	hash, err := h.Hash(t.Context(), "correct horse battery staple")
	if err != nil {
		t.Fatal(err)
	}
	filled := func(hash string) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, _, err := h.Verify(t.Context(), hash, "guess"); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		return (after.TotalAlloc - before.TotalAlloc) >> 20
	}
	if somebody, nobody := filled(hash), filled(""); somebody != nobody || nobody < 19 {
		t.Errorf("somebody %d MiB, nobody %d MiB", somebody, nobody)
	}
}

// sideFlag makes the test binary hash for TestHasherComputesBeside.
const sideFlag = "-hash-passwords"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == sideFlag {
		if err := ServeHashes(); err != nil {
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func TestHasherComputesBeside(t *testing.T) {
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	side := &sideprocess.Pool{Command: []string{path, sideFlag}}
	t.Cleanup(func() { side.Close() })
	here, there := &Hasher{Memory: 64, Passes: 1}, &Hasher{Memory: 64, Passes: 1, Side: side}
	hash, err := there.Hash(t.Context(), "correct horse battery staple")
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range []*Hasher{here, there} {
		for password, want := range map[string]bool{"correct horse battery staple": true, "correct horse battery stapl": false, "": false} {
			if ok, stale, err := h.Verify(t.Context(), hash, password); ok != want || stale || err != nil {
				t.Errorf("Verify(%q) = %v, %v, %v", password, ok, stale, err)
			}
		}
		if ok, _, err := h.Verify(t.Context(), "", "anything"); ok || err != nil {
			t.Errorf("nobody's password matches: %v, %v", ok, err)
		}
	}
	side.Close()
	if _, _, err := there.Verify(t.Context(), hash, "correct horse battery staple"); err == nil {
		t.Error("a pool that is closed verifies")
	}
}
