package server

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/archive"
	"github.com/lentil-dev/lentil/internal/blob"
	"github.com/lentil-dev/lentil/internal/depot"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/wire"
)

// Backup says where and how a house is backed up all the time.
type Backup struct {
	// To is the address of a depot; "" means that nothing is backed up.
	To string
	// Every and BaseEvery are the time between segments and between bases; zeros are
	// package archive's defaults.
	Every, BaseEvery time.Duration
	Keep             string // as archive.ParseKeep reads it
	Rate             int    // MiB a second that a base may read; 0 is the default
	Key              []byte // seals the backup; nil: nothing is sealed
}

// parseBackupKey reads the key that backups are sealed by, written as master keys are.
func parseBackupKey(text string) ([]byte, error) {
	keys, err := parseMasters(text)
	if err != nil || len(keys) != 1 {
		return nil, errors.New("the backup key is one key, of 64 hexadecimal digits or a line of 32 characters or more; make one with: openssl rand -hex 32")
	}
	return keys[0], nil
}

// BackupKey reads LENTIL_BACKUP_KEY, or the file that LENTIL_BACKUP_KEY_FILE names; nil
// if there is neither.
func BackupKey(getenv func(string) string) (key []byte, err error) {
	if text := getenv("LENTIL_BACKUP_KEY"); text != "" {
		err = backupText{&key}.UnmarshalText([]byte(text))
	} else if name := getenv("LENTIL_BACKUP_KEY_FILE"); name != "" {
		err = backupFile{&key}.UnmarshalText([]byte(name))
	}
	return key, err
}

// archiver makes what backs a house up to a depot.
func (b *Backup) archiver(house archive.House, dir string, getenv func(string) string) (*archive.Archiver, error) {
	d, err := depot.Open(b.To, getenv, true)
	if err != nil {
		return nil, err
	}
	keep, err := archive.ParseKeep(b.Keep)
	if err != nil {
		return nil, err
	}
	name := sha256.Sum256([]byte(d.String()))
	return &archive.Archiver{
		House: house, Depot: d, Key: b.Key, StateFile: filepath.Join(dir, fmt.Sprintf("%s%x.json", backupStateName, name[:4])),
		Every: b.Every, BaseEvery: b.BaseEvery, Keep: keep, Rate: int64(b.Rate) << 20,
	}, nil
}

// backupStateName begins the names of files that remember where a backup stands.
const backupStateName = "backup-"

// openBackup prepares the backup that goes on all the time.
func (s *Server) openBackup(root []byte) (err error) {
	id, err := houseID(root)
	if err != nil {
		return err
	}
	s.houseID = id
	for _, f := range s.fronts {
		if f.socket == s.controlSocket {
			scheme := "http://"
			if f.tls != nil {
				scheme = "https://"
			}
			s.addresses.LocalControlURL = scheme + f.socket.near()
		}
	}
	if s.data != nil {
		if err := s.forgetBackups(); err != nil {
			return err
		}
	}
	b := &s.cfg.Backup
	if b.To == "" {
		return nil
	}
	if s.data == nil {
		return errors.New("a house in memory cannot be backed up")
	}
	if s.backup, err = b.archiver(s, s.data.path, os.Getenv); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	s.backup.Log, s.backup.Follow, s.backup.Began = s.log, true, s.began
	_, inside := os.Stat(filepath.Join(s.data.path, secretName))
	if _, known := os.Stat(s.backup.StateFile); inside == nil && known != nil {
		s.cfg.Notice("%s is not in the backup, and nothing can be restored without it: keep a copy of it somewhere else", filepath.Join(s.data.path, secretName))
	}
	return nil
}

// forgetBackups lets backups begin anew that end after this house has begun, by its clock.
func (s *Server) forgetBackups() error {
	notes, err := filepath.Glob(filepath.Join(s.data.path, backupStateName+"*.json"))
	for _, name := range notes {
		forgotten, ferr := archive.Forget(name, s.began)
		if forgotten {
			s.log.Warn("the clock was set back since the last backup, which begins anew", "note", filepath.Base(name))
		}
		err = errors.Join(err, ferr)
	}
	return err
}

// houseID tells houses apart in depots. It says nothing of the secret.
func houseID(root []byte) (string, error) {
	b, err := hkdf.Key(sha256.New, root, nil, "lentil house id v1", 16)
	return "house_" + hex.EncodeToString(b), err
}

// ID is part of archive.House.
func (s *Server) ID() string { return s.houseID }

// Files is part of archive.House.
func (s *Server) Files(context.Context) ([]archive.File, error) { return s.data.archived() }

// archived are the small files of a directory that belong into a backup: the ring of
// keys, wrapped under a master key that does not.
func (d *dataDir) archived() (list []archive.File, err error) {
	for _, name := range []string{keyringName, authorityName, formatName} {
		path := filepath.Join(d.path, name)
		st, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		list = append(list, archive.File{Name: name, Changed: st.ModTime(), Content: content})
	}
	return list, nil
}

// Stores is part of archive.House: the house's own store, and that of every deployment
// that was ever opened.
func (s *Server) Stores(ctx context.Context, after persistence.Timestamp) ([]archive.Store, error) {
	// Before the look at what is open: what is not open then reads it when it opens.
	for was := s.moment.Load(); int64(after) > was && !s.moment.CompareAndSwap(was, int64(after)); was = s.moment.Load() {
	}
	list := []archive.Store{{Name: houseName, Open: true, Opened: 1, Use: func(context.Context) (*archive.Access, error) {
		return &archive.Access{DB: s.db, Release: func() {}}, nil
	}}}
	rows, err := s.platform.Deployments(ctx)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		dir := filepath.Join(s.data.path, deploymentsName, row.Name)
		if _, err := os.Stat(filepath.Join(dir, "store")); err != nil {
			continue
		}
		st := archive.Store{Name: deploymentsName + "/" + row.Name, Changed: func() time.Time { return changed(filepath.Join(dir, "store")) }}
		s.fleet.mu.Lock()
		b := s.fleet.berths[row.Name]
		s.fleet.mu.Unlock()
		var seen *vessel
		if b != nil {
			b.mu.Lock()
			seen = b.vessel
			switch st.Open, st.Opened = seen != nil, b.opened; {
			case !st.Open && b.moving != nil: // it is being opened, and may have committed
				st.Open, st.Opened = true, st.Opened+1
			case !st.Open:
				st.Newest = b.newest
			}
			b.mu.Unlock()
		}
		st.Use = func(ctx context.Context) (*archive.Access, error) {
			b, err := s.fleet.berth(ctx, row.Name)
			if err != nil {
				return nil, err
			}
			inspect := b.inspect
			if seen != nil {
				inspect = func(ctx context.Context) (*vessel, func(), error) { return b.hold(ctx, seen) }
			}
			v, release, err := inspect(ctx)
			if err != nil {
				return nil, err
			}
			a := &archive.Access{DB: v.deployment.DB, Pause: v.deployment.Files.Pause, Release: release}
			if dir, ok := v.deployment.Blobs.(*blob.Dir); ok {
				a.Blobs = dir
			}
			return a, nil
		}
		list = append(list, st)
	}
	return list, nil
}

// changed is when a file in a directory changed last.
func changed(dir string) (newest time.Time) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return time.Time{}
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.ModTime().After(newest) {
			newest = info.ModTime()
		}
	}
	return newest
}

// backupLate is how long a backup may fail before a person is told.
const backupLate = time.Minute

// backupStatus tells how the backup stands.
func (s *Server) backupStatus(st *Status) {
	if s.backup == nil {
		return
	}
	b := s.backup.State()
	st.Backup = &b
	if !b.Failing.IsZero() && time.Since(b.Failing) > backupLate {
		until := "nothing is backed up yet"
		if !b.Through.IsZero() {
			until = "everything until " + b.Through.UTC().Format(time.RFC3339) + " is backed up"
		}
		st.problem("the backup to %s fails since %s (%s): %s", b.Depot, b.Failing.UTC().Format(time.RFC3339), until, b.Problem)
	}
}

// BackupPath is where a running house is asked, with the token of the house, to back
// itself up now.
const BackupPath = "/_lentil/backup"

// BackupRequest says where to. Environment has the credentials that reach the depot.
type BackupRequest struct {
	To          string            `json:"to"`
	Keep        string            `json:"keep,omitempty"`
	Rate        int               `json:"rate,omitempty"`
	Key         []byte            `json:"key,omitempty"`
	Base        bool              `json:"base,omitempty"` // a whole copy, due or not
	Environment map[string]string `json:"environment,omitempty"`
}

// BackupAnswer is one line of the answer: what is going on, or how it ended.
type BackupAnswer struct {
	Doing string        `json:"doing,omitempty"`
	Done  *archive.Done `json:"done,omitempty"`
	Error string        `json:"error,omitempty"`
}

// BackupVariables are the variables that BackupRequest passes on.
var BackupVariables = []string{
	"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SHARED_CREDENTIALS_FILE", "AWS_PROFILE",
	"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "HOME",
}

// backUpNow makes a backup for a command on this machine, and tells line by line how
// far it is.
func (s *Server) backUpNow(w http.ResponseWriter, r *http.Request) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if s.platform.HouseToken == "" || subtle.ConstantTimeCompare([]byte(token), []byte(s.platform.HouseToken)) != 1 {
		writeRefusal(w, r, http.StatusUnauthorized, "Unauthorized", "Only who may read the house's data directory may ask for a backup: run lentil backup there.")
		return
	}
	var req BackupRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&req); err != nil {
		writeRefusal(w, r, http.StatusBadRequest, "BadRequest", "The request is not what lentil backup sends: are both of one version?")
		return
	}
	if s.data == nil {
		writeRefusal(w, r, http.StatusConflict, "InMemory", "A house in memory cannot be backed up.")
		return
	}
	if !s.backing.TryLock() {
		writeRefusal(w, r, http.StatusConflict, "Busy", "A backup is being made already; try again when it is done.")
		return
	}
	defer s.backing.Unlock()
	out := json.NewEncoder(w)
	say := func(a BackupAnswer) {
		_ = out.Encode(a) // who asked may be gone
		_ = http.NewResponseController(w).Flush()
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	done, err := s.backUp(r.Context(), &req, func(doing string) { say(BackupAnswer{Doing: doing}) })
	if err != nil {
		s.log.Warn("backup that was asked for failed", "request", wire.RequestID(r.Context()), "err", err)
		say(BackupAnswer{Error: err.Error()})
		return
	}
	say(BackupAnswer{Done: &done})
}

// backUp makes a backup now. Where the house is backed up all the time, that is asked
// to do it.
func (s *Server) backUp(ctx context.Context, req *BackupRequest, doing func(string)) (archive.Done, error) {
	a, err := req.archiver(s, s.data.path)
	if err != nil {
		return archive.Done{}, err
	}
	if s.backup != nil && s.backup.Depot.String() == a.Depot.String() {
		return s.backup.Now(ctx, req.Base, doing)
	}
	a.Log = s.log
	return once(ctx, a, doing)
}

// archiver makes what backs up to the place of a request.
func (req *BackupRequest) archiver(house archive.House, dir string) (*archive.Archiver, error) {
	b := Backup{To: req.To, Keep: req.Keep, Rate: req.Rate, Key: req.Key}
	if req.Base {
		b.BaseEvery = time.Nanosecond
	}
	return b.archiver(house, dir, func(name string) string { return req.Environment[name] })
}

// once makes a backup and tells every while what is going on.
func once(ctx context.Context, a *archive.Archiver, doing func(string)) (archive.Done, error) {
	type end struct {
		archive.Done
		error
	}
	ended := make(chan end, 1)
	go func() {
		d, err := a.Once(ctx)
		ended <- end{d, err}
	}()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case e := <-ended:
			return e.Done, e.error
		case <-tick.C:
			if now := a.State().Doing; now != "" {
				doing(now)
			}
		}
	}
}
