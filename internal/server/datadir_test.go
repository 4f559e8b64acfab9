package server

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/lentil-dev/lentil/internal/persistence"
)

func TestOpenDataDirKeepsItsSecretAndLocksOthersOut(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	d, err := openDataDir(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = openDataDir(dir, nil)
	if want := fmt.Sprintf("%s is already open in another process (process %d); stop it first, or use another directory", dir, os.Getpid()); err == nil || explain(dir, err).Error() != want {
		t.Errorf("second open: %v, want %s", explain(dir, err), want)
	}
	secret := string(d.ring.Root)
	if len(secret) != 32 {
		t.Fatalf("the secret has %d bytes", len(secret))
	}
	d.close()
	if d, err = openDataDir(dir, nil); err != nil {
		t.Fatal(err)
	}
	defer d.close()
	if string(d.ring.Root) != secret {
		t.Error("the secret changed")
	}
	for name, mode := range map[string]fs.FileMode{"": 0o700, secretName: 0o600, keyringName: 0o600, lockName: 0o600} {
		if st, err := os.Stat(filepath.Join(dir, name)); err != nil || st.Mode().Perm() != mode {
			t.Errorf("%s: mode %v, %v", name, st.Mode(), err)
		}
	}
}

// TestOpenDataDirKeepsRootOut holds that root leaves no files in another user's house.
func TestOpenDataDirKeepsRootOut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d, err := openDataDir(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	lock := filepath.Join(dir, lockName)
	if os.Geteuid() == 0 {
		if err := os.Chown(lock, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		if _, err := openDataDir(dir, nil); !errors.Is(err, persistence.ErrLocked) {
			t.Errorf("a house that runs is not told apart: %v", err)
		}
		if err := os.Chown(lock, 0, 0); err != nil {
			t.Fatal(err)
		}
	}
	d.close()
	if os.Geteuid() == 0 {
		if err := checkOwner(dir, 0); err != nil {
			t.Errorf("root's own house: %v", err)
		}
		if err := os.Chown(lock, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	if err := checkOwner(dir, 0); err == nil || !strings.Contains(explain(dir, err).Error(), "run this as that user, as in runuser -u ") {
		t.Errorf("err = %v", err)
	}
	if err := checkOwner(dir, 65534); err != nil {
		t.Errorf("the user's own house: %v", err)
	}
	if err := checkOwner(filepath.Join(dir, "nothing"), 0); err != nil {
		t.Errorf("no house yet: %v", err)
	}
}

func TestOpenDataDirNeverReplacesALostSecret(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, houseName), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := openDataDir(dir, nil); err == nil || !strings.Contains(err.Error(), "keyring and secret.key are missing") {
		t.Errorf("err = %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, secretName), []byte("not hex"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openDataDir(dir, nil); err == nil || !strings.Contains(err.Error(), "put both back from a backup") {
		t.Errorf("err = %v", err)
	}
}

func TestExplainGivesOneLine(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("pebble: %w", persistence.ErrNewerFormat), "written by a newer version"},
		{fmt.Errorf("pebble: %w", syscall.ENOSPC), "is full"},
		{&fs.PathError{Op: "mkdir", Path: "/d/x", Err: syscall.EROFS}, "read-only"},
		{&fs.PathError{Op: "open", Path: "/d/x", Err: syscall.EACCES}, "no permission to read and write /d/x"},
		{&fs.PathError{Op: "mkdir", Path: "/d", Err: syscall.ENOTDIR}, "/d is not a directory"},
		{errors.New("something else"), "open /d: something else"},
	} {
		got := explain("/d", tt.err)
		if !strings.Contains(got.Error(), tt.want) || strings.Contains(got.Error(), "\n") {
			t.Errorf("%v: %q", tt.err, got)
		}
		if !errors.Is(got, tt.err) {
			t.Errorf("%v is lost", tt.err)
		}
	}
}
