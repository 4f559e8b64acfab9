package server

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/persistence"
)

// TestUpgradeKeepsAWayBack runs steps over a directory, with a crash in the middle.
func TestUpgradeKeepsAWayBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put := func(name, content string) {
		t.Helper()
		at := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	get := func(name string) string {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	put("secret.key", "secret")
	put("house/000002.log", "old")
	put("house/000004.sst", "table")
	put("deployments/a-b-1/blobs/ab/abcdef", "upload")
	put("node/cache", "no part of it")
	put("before-format-2.part/house/000009.log", "of a copy that a kill broke off")
	d := &dataDir{path: dir}
	crash := errors.New("the power went")
	change := func(fails error) []step {
		return []step{{from: 1, plain: true}, {from: 2, run: func(dir string) error {
			put("house/000002.log", "new")
			return fails
		}}}
	}
	if err := d.upgrade(change(crash), 3); !errors.Is(err, crash) {
		t.Fatalf("err = %v", err)
	}
	if at, err := d.format(); err != nil || at != 2 {
		t.Errorf("format %d, %v", at, err)
	}
	if err := d.upgrade(change(nil), 3); err != nil {
		t.Fatal(err)
	}
	if at, err := d.format(); err != nil || at != 3 || get("house/000002.log") != "new" {
		t.Errorf("format %d, %v", at, err)
	}
	// What the version before would open is as it was.
	for name, want := range map[string]string{
		"format": "2\n", "secret.key": "secret", "house/000002.log": "old", "house/000004.sst": "table", "deployments/a-b-1/blobs/ab/abcdef": "upload",
	} {
		if got := get("before-format-2/" + name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	for _, name := range []string{"before-format-2.part", "before-format-2/house/000009.log"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s of a copy that was broken off is there", name)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "before-format-2", "node")); err == nil {
		t.Error("what can be made again was kept")
	}
	linked := func(name string) bool {
		a, err := os.Stat(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.Stat(filepath.Join(dir, "before-format-2", filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		return os.SameFile(a, b)
	}
	if !linked("house/000004.sst") || !linked("deployments/a-b-1/blobs/ab/abcdef") || linked("secret.key") {
		t.Error("what never changes is not linked, or what changes is")
	}
	before := &dataDir{path: filepath.Join(dir, "before-format-2")}
	if at, err := before.format(); err != nil || at != 2 {
		t.Errorf("format %d, %v", at, err)
	}
	if err := d.upgrade(change(nil)[:1], 2); !errors.Is(err, persistence.ErrNewerFormat) {
		t.Errorf("err = %v", err)
	}
	if err := d.upgrade(nil, 4); err == nil {
		t.Error("a step that is missing went unnoticed")
	}
	put("format", "many\n")
	if err := d.upgrade(nil, 4); err == nil {
		t.Error("a format that is no number went unnoticed")
	}
}

// TestEveryFormatHasAStep holds that a directory of any version can be opened.
func TestEveryFormatHasAStep(t *testing.T) {
	t.Parallel()
	for i, s := range steps {
		if s.from != i+1 {
			t.Errorf("step %d is from format %d", i, s.from)
		}
		if _, err := os.Stat(fmt.Sprintf("testdata/format-%d.tar.gz", s.from)); err != nil {
			t.Errorf("no directory that a version of format %d has written is upgraded by a test: %v", s.from, err)
		}
	}
	if len(steps) != dirFormat-1 {
		t.Errorf("%d steps lead to format %d", len(steps), dirFormat)
	}
}

// TestARestoreKeepsTheFormat holds that what is restored is not taken for older than it is,
// and that a backup of a newer version is refused before anything is written.
func TestARestoreKeepsTheFormat(t *testing.T) {
	t.Parallel()
	site := &restoreSite{dataDir: dataDir{path: t.TempDir()}}
	for text, want := range map[string]string{"99\n": "is of a newer version of Lentil (format 99", "many\n": "does not hold a number", "2\n": "has no ring of keys"} {
		if err := site.Check(map[string][]byte{formatName: []byte(text)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if err := site.File(formatName, []byte("2\n")); err != nil {
		t.Fatal(err)
	}
	if at, err := site.format(); err != nil || at != 2 {
		t.Errorf("format %d, %v", at, err)
	}
}
