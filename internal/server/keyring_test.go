package server

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/token"
)

// ringOf opens a directory, gives its ring and closes it.
func ringOf(t *testing.T, dir string, masters ...[]byte) *token.Ring {
	t.Helper()
	d, err := openDataDir(dir, masters)
	if err != nil {
		t.Fatal(err)
	}
	d.close()
	return d.ring
}

func TestDirectoryOfBeforeKeepsItsRoot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	root := bytes.Repeat([]byte{9}, 32)
	if err := os.WriteFile(filepath.Join(dir, secretName), []byte(hex.EncodeToString(root)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, houseName), 0o700); err != nil {
		t.Fatal(err)
	}
	old := token.NewSealer(root).Seal("purpose", []byte("text"))
	for range 2 {
		ring := ringOf(t, dir)
		if !bytes.Equal(ring.Root, root) || len(ring.Keys) != 1 {
			t.Fatalf("ring %+v", ring)
		}
		if b, err := ring.Sealer().Open("purpose", old); err != nil || string(b) != "text" {
			t.Errorf("%q, %v", b, err)
		}
	}
	if b, err := os.ReadFile(filepath.Join(dir, secretName)); err != nil || strings.Contains(string(b), hex.EncodeToString(root)) {
		t.Errorf("the root is still in %s (%v)", secretName, err)
	}
}

func TestDirectoryUnderAMasterKeyFromOutside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	one, two, three := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32), bytes.Repeat([]byte{3}, 32)
	ring := ringOf(t, dir, one)
	if _, err := os.Stat(filepath.Join(dir, secretName)); err == nil {
		t.Error("there is a key in the directory")
	}
	for _, masters := range [][][]byte{nil, {two}} {
		if _, err := openDataDir(dir, masters); err == nil || !strings.Contains(explain(dir, err).Error(), "LENTIL_MASTER_KEY") {
			t.Errorf("opened with %d other keys: %v", len(masters), err)
		}
	}
	if got := ringOf(t, dir, two, one); !bytes.Equal(got.Root, ring.Root) { // the new key takes over
		t.Error("another root")
	}
	if got := ringOf(t, dir, two); !bytes.Equal(got.Root, ring.Root) {
		t.Error("the new key has not taken over")
	}
	if _, err := openDataDir(dir, [][]byte{one}); err == nil {
		t.Error("the old key still opens")
	}
	inside := t.TempDir()
	ring = ringOf(t, inside)
	if got := ringOf(t, inside, three); !bytes.Equal(got.Root, ring.Root) { // from a key inside to one from outside
		t.Error("another root")
	}
	if _, err := os.Stat(filepath.Join(inside, secretName)); err == nil {
		t.Error("the key inside is still there")
	}
}

// TestCrashWhileTheMasterIsRenewed opens a directory as each of the three writes
// of a renewal leaves it.
func TestCrashWhileTheMasterIsRenewed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ring := ringOf(t, dir)
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	secret, wrapped := read(secretName), read(keyringName)
	d, err := openDataDir(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.renewMaster(d.ring, nil); err != nil {
		t.Fatal(err)
	}
	d.close()
	secretAfter, wrappedAfter := read(secretName), read(keyringName)
	if bytes.Equal(secret, secretAfter) || bytes.Equal(wrapped, wrappedAfter) {
		t.Fatal("nothing was renewed")
	}
	both := append(append([]byte(nil), secretAfter...), secret...)
	for i, files := range [][2][]byte{{secret, wrapped}, {both, wrapped}, {both, wrappedAfter}, {secretAfter, wrappedAfter}} {
		at := t.TempDir()
		for j, name := range []string{secretName, keyringName} {
			if err := os.WriteFile(filepath.Join(at, name), files[j], 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := ringOf(t, at); !bytes.Equal(got.Root, ring.Root) {
			t.Errorf("after %d writes: another root", i)
		}
	}
	at := t.TempDir()
	for name, b := range map[string][]byte{secretName: secret, keyringName: wrappedAfter} {
		if err := os.WriteFile(filepath.Join(at, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := openDataDir(at, nil); err == nil {
		t.Error("a key that was renewed opens what came after it")
	}
}

func TestParseMasters(t *testing.T) {
	t.Parallel()
	hex32, text := strings.Repeat("ab", 32), strings.Repeat("x-", 20)
	keys, err := parseMasters(" " + hex32 + ",\n" + text + "\n")
	if err != nil || len(keys) != 2 || len(keys[0]) != 32 || string(keys[1]) != text {
		t.Errorf("%q, %v", keys, err)
	}
	for _, bad := range []string{"short", "abcd", hex32 + ",short"} {
		if _, err := parseMasters(bad); err == nil || !strings.Contains(err.Error(), "openssl rand -hex 32") || strings.Contains(err.Error(), bad) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
