package server

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/lentil-dev/lentil/internal/persistence"
)

// formatName is the file of a data directory that tells the version of its layout:
// which files there are and what they are for. What is within the stores has versions
// of its own, which they check themselves.
const formatName = "format"

// dirFormat is the layout that this code writes, and the newest that it reads.
//
// 1 (until 2026-11-26): no such file.
// 2 (2026-11-26): the file; all else as before, so that older versions open it, too.
const dirFormat = 2

// step brings a directory from one layout to the next. It may run again after a crash
// in the middle of it.
type step struct {
	from int
	// plain says that older versions still understand what the step leaves, so that no
	// copy of what was need be kept.
	plain bool
	run   func(dir string) error // nil: there is nothing to change
}

// steps are all steps, oldest first: one from every layout but the newest.
var steps = []step{{from: 1, plain: true}}

// settleFormat refuses a directory whose layout is newer than this code, and brings an
// older one up to date.
func (d *dataDir) settleFormat() error { return d.upgrade(steps, dirFormat) }

// upgrade brings the directory to a layout by steps.
func (d *dataDir) upgrade(steps []step, newest int) error {
	at, err := d.format()
	if err != nil {
		return err
	}
	if at > newest {
		return fmt.Errorf("format %d of the data directory: %w", at, persistence.ErrNewerFormat)
	}
	if at == 0 { // a new directory
		return d.writeFormat(newest)
	}
	for _, s := range steps {
		if s.from != at {
			continue
		}
		if !s.plain {
			if err := d.keepBefore(at); err != nil {
				return fmt.Errorf("keep the data directory as it was before format %d: %w", at+1, err)
			}
		}
		if s.run != nil {
			if err := s.run(d.path); err != nil {
				return fmt.Errorf("bring the data directory from format %d to %d: %w", at, at+1, err)
			}
		}
		at++
		if err := d.writeFormat(at); err != nil {
			return err
		}
	}
	if at != newest {
		return fmt.Errorf("the data directory has format %d, from which no step leads to %d", at, newest)
	}
	return nil
}

// format is the directory's layout; 0 if nothing is in it yet.
func (d *dataDir) format() (int, error) {
	b, err := os.ReadFile(filepath.Join(d.path, formatName))
	switch {
	case err == nil:
		return parseFormat(b)
	case !errors.Is(err, fs.ErrNotExist):
		return 0, err
	}
	for _, name := range []string{houseName, secretName, keyringName} {
		if _, err := os.Stat(filepath.Join(d.path, name)); err == nil {
			return 1, nil
		}
	}
	return 0, nil
}

// parseFormat reads what the file says.
func parseFormat(text []byte) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%s does not hold a number: put it back from a backup", formatName)
	}
	return n, nil
}

// writeFormat notes the layout.
func (d *dataDir) writeFormat(n int) error {
	return d.writeFile(formatName, fmt.Appendf(nil, "%d\n", n))
}

// beforeName is the folder in a data directory that holds it as it was in a layout: a
// data directory itself, for the version before.
func beforeName(format int) string { return "before-format-" + strconv.Itoa(format) }

// keepBefore makes that folder. Tables of the stores and uploaded files never change
// once they are written: they are linked, and take room only when the original goes.
func (d *dataDir) keepBefore(format int) error {
	to := filepath.Join(d.path, beforeName(format))
	if _, err := os.Stat(to); err == nil {
		return nil // of an upgrade that did not end; what is there now is half new
	}
	part := to + ".part"
	if err := os.RemoveAll(part); err != nil {
		return err
	}
	if err := os.Mkdir(part, 0o700); err != nil {
		return err
	}
	for _, name := range []string{formatName, secretName, keyringName, houseName, deploymentsName} {
		from := filepath.Join(d.path, name)
		if _, err := os.Lstat(from); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := copyTree(from, filepath.Join(part, name)); err != nil {
			return err
		}
	}
	return os.Rename(part, to)
}

// copyTree copies a file or a folder; what never changes is linked.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		at := filepath.Join(to, rel)
		switch {
		case e.IsDir():
			return os.MkdirAll(at, 0o700)
		case !e.Type().IsRegular():
			return nil
		case filepath.Ext(path) == ".sst" || strings.Contains(filepath.ToSlash(rel), "/"+blobsName+"/"):
			if os.Link(path, at) == nil {
				return nil
			}
		}
		return copyFile(path, at)
	})
}

// blobsName is the folder of a deployment with its uploaded files (package deployment).
const blobsName = "blobs"

// copyFile copies one file, durably.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err == nil {
		err = out.Sync()
	}
	return errors.Join(err, out.Close())
}
