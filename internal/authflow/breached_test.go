package authflow

import (
	"bytes"
	"crypto/sha1"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/identity"
)

// breachedFile writes a list of some passwords in the form of the downloader.
func breachedFile(t testing.TB, newline string, passwords ...string) *Breached {
	t.Helper()
	var lines []string
	for i, p := range passwords {
		lines = append(lines, fmt.Sprintf("%X:%d", sha1.Sum([]byte(p)), i*i*i+1))
	}
	slices.Sort(lines)
	path := filepath.Join(t.TempDir(), "pwned.txt")
	if err := os.WriteFile(path, []byte(strings.Join(lines, newline)+newline), 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := OpenBreached(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func TestBreachedFindsEveryLineAndNoOther(t *testing.T) {
	t.Parallel()
	for _, newline := range []string{"\n", "\r\n"} {
		for _, n := range []int{1, 2, 3, 10, 1000} {
			var all []string
			for i := range n {
				all = append(all, fmt.Sprint("password number ", i))
			}
			b := breachedFile(t, newline, all...)
			for _, p := range all {
				if ok, err := b.Has(p); !ok || err != nil {
					t.Errorf("of %d: %q = %v, %v", n, p, ok, err)
				}
				if ok, err := b.Has(p + " "); ok || err != nil {
					t.Errorf("of %d: stranger %q = %v, %v", n, p, ok, err)
				}
			}
		}
	}
}

func TestBreachedRefusesOtherFiles(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "list")
	for _, content := range []string{"", "hello\nworld\n", strings.Repeat("g", 60)} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenBreached(path); err == nil || !strings.Contains(err.Error(), "HASH:COUNT") {
			t.Errorf("%q: %v", content, err)
		}
	}
	if _, err := OpenBreached(path + "2"); err == nil {
		t.Error("a file that is not there is opened")
	}
}

func TestBreachedPasswordsAreRefused(t *testing.T) {
	t.Parallel()
	p := Policy{Breached: breachedFile(t, "\n", "an unlikely sentence", "x")}
	e := &identity.Environment{Name: "soup"}
	for password, want := range map[string]string{"an unlikely sentence": "password_pwned", "another unlikely one": "", "short": "password_too_short"} {
		got := ""
		pb, err := p.Check(e, password, "ada@example.com")
		if err != nil {
			t.Fatal(err)
		}
		if pb != nil {
			got = pb.Code
		}
		if got != want {
			t.Errorf("%q: %q, want %q", password, got, want)
		}
	}
}

func FuzzBreached(f *testing.F) {
	f.Add([]byte(strings.Repeat("A", 40)+":1\n"+strings.Repeat("B", 40)+":2\n"), "x")
	f.Add([]byte("\n\n\n"), "y")
	f.Fuzz(func(t *testing.T, file []byte, password string) {
		b := &Breached{file: bytes.NewReader(file), size: int64(len(file))}
		want := bytes.Contains(file, fmt.Appendf(nil, "%X", sha1.Sum([]byte(password))))
		if got, err := b.Has(password); err == nil && got && !want {
			t.Errorf("%q is found and is not there", password)
		}
	})
}
