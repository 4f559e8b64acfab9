package server

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestRestoredDirectoryIsItsOwnersAlone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "there already")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	site, err := Restoration{To: dir}.clear()
	if err != nil {
		t.Fatal(err)
	}
	defer site.close()
	if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != fs.FileMode(0o700) {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	for _, name := range []string{"", "..", "deployments/..", "deployments/a/b", "deployments/", "house/../x", "/etc"} {
		if at, err := site.dir(name); err == nil {
			t.Errorf("a backup's store %q is put at %s", name, at)
		}
	}
}
