package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/archive"
	"github.com/lentil-dev/lentil/internal/blob"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/depot"
	"github.com/lentil-dev/lentil/internal/filestorage"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/persistence/pebblestore"
)

// Restoration makes a house of a backup.
type Restoration struct {
	From string // address of the depot
	To   string // directory, which must be empty
	At   time.Time
	Key  []byte // that the backup is sealed by
	// MasterKeys open the ring of keys; SecretFile is a kept copy of secret.key, which
	// holds one.
	MasterKeys [][]byte
	SecretFile string
	Getenv     func(string) string
	Progress   func(archive.Progress)
	Log        *slog.Logger
}

// RestoredHouse is what was restored.
type RestoredHouse struct {
	At          time.Time            `json:"at"`
	Base        time.Time            `json:"base"`
	Commits     int64                `json:"commits"`
	Bytes       int64                `json:"bytes"`
	Users       int                  `json:"users"`
	Deployments []RestoredDeployment `json:"deployments"` // never null
	// Without are deployments that are not in the backup, as they could not be opened then.
	Without []string `json:"without,omitempty"`
}

// RestoredDeployment is a deployment that was restored.
type RestoredDeployment struct {
	Name      string `json:"name"`
	Documents int    `json:"documents"` // of the app's own tables
	Files     int    `json:"files"`
	// FilesMissing are files whose bytes had been deleted before they were backed up.
	FilesMissing int `json:"filesMissing"`
}

// unfinishedName marks a directory whose restore has not come to its end.
const unfinishedName = "restore-unfinished"

// errUnfinished says what to do about one.
var errUnfinished = errors.New("holds a restore that was broken off; run lentil restore again, it begins anew")

// Restore makes the house.
func (r Restoration) Restore(ctx context.Context) (*RestoredHouse, error) {
	if r.Log == nil {
		r.Log = slog.New(slog.DiscardHandler)
	}
	from, err := depot.Open(r.From, r.Getenv, false)
	if err != nil {
		return nil, err
	}
	site, err := r.clear()
	if err != nil {
		return nil, err
	}
	defer site.close()
	out, err := archive.Restore(ctx, from, r.Key, r.At, site, r.Progress)
	if err != nil {
		return nil, err
	}
	if site.secret != nil {
		if err := site.writeFile(secretName, site.secret); err != nil {
			return nil, err
		}
	}
	house, err := site.count(ctx, out)
	if err != nil {
		return nil, err
	}
	return house, os.Remove(filepath.Join(site.path, unfinishedName))
}

// clear makes sure of an empty directory, and locks it.
func (r Restoration) clear() (*restoreSite, error) {
	path, err := filepath.Abs(r.To)
	if err != nil {
		return nil, err
	}
	site := &restoreSite{dataDir: dataDir{path: path}, restoration: r}
	if r.SecretFile != "" {
		if site.secret, err = os.ReadFile(r.SecretFile); err != nil {
			return nil, err
		}
	}
	entries, err := os.ReadDir(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, explain(path, err)
	}
	// A file system that is mounted there has its own folder.
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return e.Name() == "lost+found" })
	broken := slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == unfinishedName })
	if len(entries) > 0 && !broken {
		return nil, fmt.Errorf("%s is not empty; restore into a new directory, or move what is there away first", path)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, explain(path, err)
	}
	// A directory that was there, and readable for others, holds secrets from now on. Where it
	// is somebody else's, who mounted it for us, what is in it has modes of its own.
	if err := os.Chmod(path, 0o700); err != nil && !errors.Is(err, fs.ErrPermission) {
		return nil, explain(path, err)
	}
	if err := site.takeLock(); err != nil {
		return nil, explain(path, err)
	}
	for _, e := range entries {
		if name := e.Name(); name != unfinishedName && name != lockName {
			if err := os.RemoveAll(filepath.Join(path, name)); err != nil {
				site.close()
				return nil, explain(path, err)
			}
		}
	}
	if err := site.writeFile(unfinishedName, []byte("lentil restore has not come to its end here\n")); err != nil {
		site.close()
		return nil, explain(path, err)
	}
	return site, nil
}

// restoreSite is a data directory that is being restored.
type restoreSite struct {
	dataDir
	restoration Restoration
	secret      []byte // what secret.key will hold; nil: no such file
}

// Check is part of archive.Site: without the keys that open its secrets a house is of
// little use, which is better known before an hour than after.
func (s *restoreSite) Check(files map[string][]byte) error {
	if text, ok := files[formatName]; ok {
		if at, err := parseFormat(text); err != nil {
			return err
		} else if at > dirFormat {
			return fmt.Errorf("the backup is of a newer version of Lentil (format %d of the data directory; this one knows %d): restore it with that version", at, dirFormat)
		}
	}
	wrapped, ok := files[keyringName]
	if !ok {
		return errors.New("the backup has no ring of keys: it is not one of a Lentil house")
	}
	keys := s.restoration.MasterKeys
	if s.secret != nil {
		inside, err := mastersIn(s.secret)
		if err != nil {
			return fmt.Errorf("%s: %w", s.restoration.SecretFile, err)
		}
		keys = append(keys[:len(keys):len(keys)], inside...)
	}
	if _, err := unwrapAny(keys, wrapped); err == nil {
		return nil
	}
	if len(keys) == 0 {
		return fmt.Errorf("the backup's secrets are under a master key, which is never in a backup; give the copy of %s that you keep apart as --secret-key FILE, or the key in LENTIL_MASTER_KEY or LENTIL_MASTER_KEY_FILE", secretName)
	}
	return fmt.Errorf("the master key given does not open the backup's ring of keys; it takes the one of that time: give the copy of %s that you keep apart as --secret-key FILE, or the key in LENTIL_MASTER_KEY (several are told apart by commas)", secretName)
}

// dir is where a store with its files is; the house's own has none.
func (s *restoreSite) dir(name string) (string, error) {
	if name == houseName {
		return filepath.Join(s.path, houseName), nil
	}
	d, ok := strings.CutPrefix(name, deploymentsName+"/")
	if !ok || d == "" || strings.ContainsAny(d, "/\\.") {
		return "", fmt.Errorf("the backup has a store %q, which this version of Lentil does not know", name)
	}
	return filepath.Join(s.path, deploymentsName, d), nil
}

// Store is part of archive.Site.
func (s *restoreSite) Store(name string) (persistence.Store, error) {
	dir, err := s.dir(name)
	if err != nil {
		return nil, err
	}
	if name != houseName {
		dir = filepath.Join(dir, "store")
	}
	return pebblestore.Open(dir, pebblestore.Options{Log: s.restoration.Log, CacheSize: 8 << 20, MaxOpenFiles: 100})
}

// Blobs is part of archive.Site.
func (s *restoreSite) Blobs(name string) (blob.Store, error) {
	dir, err := s.dir(name)
	if err != nil {
		return nil, err
	}
	return blob.OpenDir(filepath.Join(dir, "blobs"))
}

// File is part of archive.Site.
func (s *restoreSite) File(name string, content []byte) error {
	if name != keyringName && name != authorityName && name != formatName {
		return nil // of a newer version; a house does without
	}
	return s.writeFile(name, content)
}

// Remove is part of archive.Site.
func (s *restoreSite) Remove(name string) error {
	dir, err := s.dir(name)
	if err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

// count tells what was restored in the words of those who use it.
func (s *restoreSite) count(ctx context.Context, out *archive.Restored) (*RestoredHouse, error) {
	h := &RestoredHouse{At: out.At, Base: out.Base, Commits: out.Commits, Bytes: out.Bytes, Deployments: []RestoredDeployment{}}
	for _, name := range out.Without {
		if _, err := s.dir(name); err == nil {
			h.Without = append(h.Without, strings.TrimPrefix(name, deploymentsName+"/"))
		}
	}
	for _, st := range out.Stores {
		if st.Name == houseName {
			h.Users = st.Documents["users"]
			continue
		}
		d := RestoredDeployment{Name: strings.TrimPrefix(st.Name, deploymentsName+"/")}
		for table, n := range st.Documents {
			if !strings.HasPrefix(table, "_") {
				d.Documents += n
			}
		}
		blobs, err := s.Blobs(st.Name)
		if err != nil {
			return nil, err
		}
		store, err := s.Store(st.Name)
		if err != nil {
			return nil, err
		}
		db, err := database.Open(ctx, database.Options{Store: store, Log: s.restoration.Log})
		if err != nil {
			return nil, errors.Join(err, store.Close())
		}
		d.Files, d.FilesMissing, err = filestorage.Missing(ctx, db, blobs)
		if err := errors.Join(err, db.Close()); err != nil {
			return nil, fmt.Errorf("count the files of %s: %w", d.Name, err)
		}
		h.Deployments = append(h.Deployments, d)
	}
	return h, nil
}
