package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ErrChanged is a file that is not as it was when the repair was thought of.
var ErrChanged = errors.New("the file was changed in the meantime")

// Apply makes a repair in the project of dir. A file is replaced in one step and
// keeps its mode; a new one that may hold keys is its owner's alone.
func (r *Repair) Apply(ctx context.Context, dir string) error {
	if r.Do != nil {
		return r.Do(ctx)
	}
	path := filepath.Join(dir, filepath.FromSlash(r.Path))
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // a link stays one
	}
	now, err := os.ReadFile(path)
	mode := fs.FileMode(0o644)
	switch {
	case errors.Is(err, fs.ErrNotExist) && len(r.Old) == 0:
		if strings.HasPrefix(filepath.Base(r.Path), ".env") {
			mode = 0o600
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
	case err != nil:
		return err
	case !bytes.Equal(now, r.Old):
		return fmt.Errorf("%s: %w", r.Path, ErrChanged)
	default:
		if st, err := os.Stat(path); err == nil {
			mode = st.Mode().Perm()
		}
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(r.New)
	if err == nil {
		err = f.Chmod(mode)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return err
}

// Diff shows what a repair does to its file, secrets masked: lines that go begin
// with "-", lines that come with "+", two lines around them with a blank.
func (r *Repair) Diff() []string {
	if r.Do != nil {
		return []string{r.Call}
	}
	before, after := lines(r.Old), lines(r.New)
	// What is common at both ends is left out: a repair touches one place, or a few
	// near each other, and two files of settings need no more than that.
	head := 0
	for head < len(before) && head < len(after) && before[head] == after[head] {
		head++
	}
	tail := 0
	for tail < len(before)-head && tail < len(after)-head && before[len(before)-1-tail] == after[len(after)-1-tail] {
		tail++
	}
	const around = 2
	var out []string
	add := func(sign string, list []string) {
		for _, line := range list {
			out = append(out, sign+mask(line))
		}
	}
	add(" ", before[max(0, head-around):head])
	add("-", before[head:len(before)-tail])
	add("+", after[head:len(after)-tail])
	add(" ", before[len(before)-tail:min(len(before), len(before)-tail+around)])
	return out
}

// lines cuts a text into lines without their ends.
func lines(b []byte) []string {
	if len(b) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}

// mask hides the value of a secret variable.
func mask(line string) string {
	name, value, ok := strings.Cut(line, "=")
	if !ok || !secretName(name) || strings.ContainsAny(strings.TrimSpace(name), " ({<") {
		return line
	}
	return name + "=" + strings.Repeat("•", min(len(value), 8))
}
