package scaffold

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
)

// ignored is a new project's .gitignore, whatever the template's own says of its place.
const ignored = `node_modules/
dist/
.next/
next-env.d.ts
.output/
.tanstack/
.lentil/
.env.local
.convex/
*.tsbuildinfo
`

// Errors of Write that a person can do something about.
var (
	// ErrNotEmpty is a folder with files in it.
	ErrNotEmpty = errors.New("the folder is not empty")
	// ErrNotFolder is a file where the folder should be.
	ErrNotFolder = errors.New("it is a file")
	// ErrName is a folder that cannot name an npm package.
	ErrName = errors.New("use lower-case letters, digits, hyphens and dots in the folder's name, which becomes that of the package")
)

// packageForm is what npm takes for a new package's name.
var packageForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,213}$`) })

// allowed may lie in a folder that is otherwise empty.
var allowed = map[string]bool{".git": true, ".DS_Store": true}

// Write puts a template's files into dir, under the name of dir, and gives their
// paths.
func Write(template fs.FS, dir string) (paths []string, err error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	name := filepath.Base(abs)
	if !packageForm().MatchString(name) {
		return nil, fmt.Errorf("%q: %w", name, ErrName)
	}
	made, err := prepare(abs)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			for i := len(paths) - 1; i >= 0; i-- {
				err = errors.Join(err, os.Remove(filepath.Join(abs, paths[i])))
			}
			paths = nil
			if made {
				err = errors.Join(err, os.RemoveAll(abs))
			}
		}
	}()
	put := func(path string, text []byte) error {
		to := filepath.Join(abs, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return err
		}
		paths = append(paths, path)
		_, err = f.Write(text)
		return errors.Join(err, f.Close())
	}
	err = fs.WalkDir(template, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path == ".gitignore" {
			return err
		}
		text, err := fs.ReadFile(template, path)
		if err != nil {
			return err
		}
		if path == "package.json" || path == "package-lock.json" {
			if text, err = rename(text, name); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
		}
		if path == "README.md" {
			text = readme(text)
		}
		return put(path, text)
	})
	if err == nil {
		err = put(".gitignore", []byte(ignored))
	}
	return paths, err
}

// prepare makes the folder, or finds it empty; made says that it was not there.
func prepare(dir string) (made bool, err error) {
	list, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return true, os.MkdirAll(dir, 0o755)
	}
	if st, serr := os.Stat(dir); serr == nil && !st.IsDir() {
		return false, ErrNotFolder
	}
	if err != nil {
		return false, err
	}
	for _, e := range list {
		if !allowed[e.Name()] {
			return false, ErrNotEmpty
		}
	}
	return false, nil
}

// rename gives a package file another name: the first member "name", and in a lock
// file that of the root package, too.
func rename(text []byte, name string) ([]byte, error) {
	var p struct{ Name string }
	if err := json.Unmarshal(text, &p); err != nil || p.Name == "" {
		return nil, errors.Join(errors.New("no package file"), err)
	}
	from := []byte(`"name": "` + p.Name + `"`)
	return bytes.ReplaceAll(text, from, []byte(`"name": "`+name+`"`)), nil
}

// readme drops links that lead out of the project.
func readme(text []byte) []byte {
	var out []string
	for _, line := range strings.Split(string(text), "\n") {
		if !strings.Contains(line, "](../") {
			out = append(out, line)
		}
	}
	return []byte(strings.TrimRight(strings.Join(out, "\n"), "\n") + "\n")
}
