package server

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/token"
)

// The names in a data directory.
const (
	lockName        = "lock"        // locked while a process has the house open; holds its id
	secretName      = "secret.key"  // the root secret in hexadecimal, or master keys (keyring.go)
	houseName       = "house"       // the store of control plane and identity
	deploymentsName = "deployments" // one folder for each deployment
	nodeName        = "node"        // modules and packages of actions in Node.js; may be removed while no house runs
)

// SecretFile is the name of the file that holds a master key, in a house that was given
// none from outside. It is never in a backup.
const SecretFile = secretName

// dataDir is a locked data directory.
type dataDir struct {
	path string
	lock *os.File
	ring *token.Ring
}

// openDataDir creates the directory if needed, locks it for this process and
// reads its ring of keys; masters are keys from outside that it may be under.
func openDataDir(path string, masters [][]byte) (*dataDir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	d := &dataDir{path: path}
	if err := d.takeLock(); err != nil {
		return nil, err // a house that runs is asked to do it, whoever wants it
	}
	if err := checkOwner(path, os.Geteuid()); err != nil {
		d.close()
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(path, unfinishedName)); err == nil {
		d.close()
		return nil, &plainError{path + " " + errUnfinished.Error(), errUnfinished}
	}
	err = d.settleFormat()
	if err == nil {
		d.ring, err = d.readRing(masters)
	}
	if err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

var errOwner = errors.New("the house is another user's")

// checkOwner keeps root from writing into the house of another user, who could not open
// what root has written there.
func checkOwner(path string, us int) error {
	st, err := os.Stat(filepath.Join(path, lockName))
	if err != nil || us != 0 {
		return nil // no house yet, or whoever may not write is told so
	}
	owner, ok := st.Sys().(*syscall.Stat_t)
	if !ok || int(owner.Uid) == us {
		return nil
	}
	name := strconv.Itoa(int(owner.Uid))
	if u, err := user.LookupId(name); err == nil {
		name = u.Username
	}
	return &plainError{fmt.Sprintf("%s belongs to the user %s, who could not open what root writes there: run this as that user, as in runuser -u %s -- lentil …", path, name, name), errOwner}
}

// isNew says whether there is no house yet, as there never is in memory.
func (d *dataDir) isNew() bool {
	if d == nil {
		return true
	}
	_, err := os.Stat(filepath.Join(d.path, houseName))
	return errors.Is(err, fs.ErrNotExist)
}

// takeLock locks the directory for this process.
func (d *dataDir) takeLock() error {
	f, err := os.OpenFile(filepath.Join(d.path, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	// The lock belongs to the open file and ends with the process, however it ends.
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			by, _ := io.ReadAll(io.LimitReader(f, 20))
			return lockedBy(strings.TrimSpace(string(by)))
		}
		return fmt.Errorf("lock: %w", err)
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	}
	if err != nil {
		f.Close()
		return err
	}
	d.lock = f
	return nil
}

// lockedBy is ErrLocked with the id of the process that has the lock.
func lockedBy(pid string) error {
	if pid == "" {
		return persistence.ErrLocked
	}
	return fmt.Errorf("%w (process %s)", persistence.ErrLocked, pid)
}

// close gives the directory back. The file stays: removing it would let two
// processes lock two files of the same name.
func (d *dataDir) close() {
	if d != nil && d.lock != nil {
		d.lock.Truncate(0)
		d.lock.Close()
	}
}

// readSecret reads the root secret of a directory that keeps it in secret.key.
func (d *dataDir) readSecret() ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(d.path, secretName))
	if err != nil {
		return nil, err
	}
	first, _, _ := strings.Cut(string(b), "\n") // a master key may follow, if its ring was not written any more
	secret, err := hex.DecodeString(strings.TrimSpace(first))
	if err != nil || len(secret) != 32 {
		return nil, fmt.Errorf("%s cannot be read, or its %s is missing: put both back from a backup", secretName, keyringName)
	}
	return secret, nil
}

// writeFile puts a file in place of another, durably.
func (d *dataDir) writeFile(name string, content []byte) error {
	path := filepath.Join(d.path, name)
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		return err
	}
	dir, err := os.Open(d.path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// explain turns what can be wrong with a data directory into one line for the
// person who started the house.
func explain(dir string, err error) error {
	var path *fs.PathError
	where := dir
	if errors.As(err, &path) {
		where = path.Path
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errUnfinished), errors.Is(err, errOwner):
		return err
	case errors.Is(err, errNoMaster):
		return &plainError{fmt.Sprintf("%s: %v", dir, errNoMaster), err}
	case errors.Is(err, persistence.ErrLocked):
		return &plainError{fmt.Sprintf("%s is %v; stop it first, or use another directory", dir, rootOf(err, persistence.ErrLocked)), err}
	case errors.Is(err, persistence.ErrNewerFormat):
		return &plainError{fmt.Sprintf("%s was written by a newer version of Lentil; start that version, its data is untouched", dir), err}
	case errors.Is(err, persistence.ErrFull), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return &plainError{fmt.Sprintf("the disk that holds %s is full; make room and start again, what was committed is safe", dir), err}
	case errors.Is(err, persistence.ErrReadOnly), errors.Is(err, syscall.EROFS):
		return &plainError{fmt.Sprintf("%s is on a read-only disk or directory; Lentil must be able to write there", dir), err}
	case errors.Is(err, fs.ErrPermission):
		return &plainError{fmt.Sprintf("no permission to read and write %s; give it to this user, or use another directory", where), err}
	case errors.Is(err, syscall.ENOTDIR):
		return &plainError{fmt.Sprintf("%s is not a directory", where), err}
	default:
		return fmt.Errorf("open %s: %w", dir, err)
	}
}

// rootOf is the innermost error of the chain that still is target: the one with
// the details and without the story of who was doing what.
func rootOf(err, target error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil || next == target || !errors.Is(next, target) {
			return err
		}
		err = next
	}
}

// plainError is an error whose text says all that a person needs.
type plainError struct {
	text  string
	cause error
}

// Error is the line for the person.
func (e *plainError) Error() string { return e.text }

// Unwrap is what happened.
func (e *plainError) Unwrap() error { return e.cause }
