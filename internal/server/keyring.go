package server

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/token"
)

// keyringName holds the ring of keys, wrapped under the master key. Directories of
// before 2026-11-26 had secret.key alone, which then is the ring's root.
const keyringName = "keyring"

// masterPrefix begins a line of secret.key that is a master key.
const masterPrefix = "master "

// errNoMaster says what to do when the ring cannot be opened.
var errNoMaster = errors.New("the master key does not open the key ring; give the right one in LENTIL_MASTER_KEY or LENTIL_MASTER_KEY_FILE, or put back the copy of secret.key that you keep apart (no backup has it)")

// parseMasters reads master keys: the present one, then those before it, between
// commas or lines. Each is 32 bytes in hexadecimal or base64, or any text of 32
// characters or more.
func parseMasters(text string) ([][]byte, error) {
	var all [][]byte
	for _, s := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == '\n' || r == '\r' }) {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		key := []byte(s)
		if b, err := hex.DecodeString(s); err == nil {
			key = b
		} else if b, err := base64.StdEncoding.DecodeString(s); err == nil && len(b) >= 32 {
			key = b
		}
		if len(key) < 32 {
			return nil, errors.New("a master key has 32 bytes at least, as 64 hexadecimal digits; make one with: openssl rand -hex 32")
		}
		all = append(all, key)
	}
	return all, nil
}

// readRing reads the directory's ring, or makes one in a new directory. masters
// are keys from outside, the present one first; none means the one of secret.key.
func (d *dataDir) readRing(masters [][]byte) (*token.Ring, error) {
	wrapped, err := os.ReadFile(filepath.Join(d.path, keyringName))
	if errors.Is(err, fs.ErrNotExist) {
		return d.firstRing(masters)
	}
	if err != nil {
		return nil, err
	}
	keys := masters
	inside, err := d.insideMasters()
	if err != nil {
		return nil, err
	}
	keys = append(keys[:len(keys):len(keys)], inside...)
	for i, key := range keys {
		ring, err := token.UnwrapRing(key, wrapped)
		if err != nil {
			continue
		}
		if len(masters) > 0 && i > 0 { // found under an earlier key: the present one takes over
			if err := d.writeRing(ring, masters[0]); err != nil {
				return nil, err
			}
			return ring, d.dropInside()
		}
		return ring, nil
	}
	return nil, errNoMaster
}

// peekRing reads the ring and changes nothing.
func (d *dataDir) peekRing(masters [][]byte) (*token.Ring, error) {
	wrapped, err := os.ReadFile(filepath.Join(d.path, keyringName))
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(filepath.Join(d.path, secretName)); err != nil {
			return nil, err
		}
		root, err := d.readSecret()
		return &token.Ring{Root: root}, err
	}
	if err != nil {
		return nil, err
	}
	inside, err := d.insideMasters()
	if err != nil {
		return nil, err
	}
	return unwrapAny(append(masters[:len(masters):len(masters)], inside...), wrapped)
}

// firstRing is the ring of a directory that has none written down: a new one, or
// one whose root is in secret.key as it is.
func (d *dataDir) firstRing(masters [][]byte) (*token.Ring, error) {
	_, err := os.Stat(filepath.Join(d.path, secretName))
	ring := &token.Ring{}
	switch {
	case err == nil:
		if ring.Root, err = d.readSecret(); err != nil {
			return nil, err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	default:
		if _, err := os.Stat(filepath.Join(d.path, houseName)); err == nil {
			return nil, fmt.Errorf("%s and %s are missing; sessions and keys cannot be read without them: put keyring back from a backup, and secret.key from the copy that you keep apart", keyringName, secretName)
		}
		ring.Root = make([]byte, 32)
		rand.Read(ring.Root)
	}
	if err := ring.Renew(time.Now()); err != nil {
		return nil, err
	}
	return ring, d.renewMaster(ring, masters)
}

// insideMasters are the master keys of secret.key, the present one first; none if
// there is no such file.
func (d *dataDir) insideMasters() (keys [][]byte, err error) {
	b, err := os.ReadFile(filepath.Join(d.path, secretName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return mastersIn(b)
}

// mastersIn are the master keys in what secret.key holds.
func mastersIn(b []byte) (keys [][]byte, err error) {
	for line := range strings.Lines(string(b)) {
		text, ok := strings.CutPrefix(strings.TrimSpace(line), masterPrefix)
		if !ok {
			continue
		}
		key, err := hex.DecodeString(text)
		if err != nil || len(key) != 32 {
			return nil, fmt.Errorf("%s cannot be read: put it back from a backup", secretName)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// unwrapAny opens a ring with the first key that fits.
func unwrapAny(keys [][]byte, wrapped []byte) (*token.Ring, error) {
	for _, key := range keys {
		if ring, err := token.UnwrapRing(key, wrapped); err == nil {
			return ring, nil
		}
	}
	return nil, errNoMaster
}

// dropInside removes secret.key, whose part a key from outside has taken over.
func (d *dataDir) dropInside() error {
	err := os.Remove(filepath.Join(d.path, secretName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// writeRing makes the ring durable under a master key.
func (d *dataDir) writeRing(ring *token.Ring, master []byte) error {
	b, err := ring.Wrap(master)
	if err != nil {
		return err
	}
	return d.writeFile(keyringName, b)
}

// writeMasters makes master keys durable in secret.key, the present one first.
func (d *dataDir) writeMasters(keys ...[]byte) error {
	var b bytes.Buffer
	for _, k := range keys {
		b.WriteString(masterPrefix + hex.EncodeToString(k) + "\n")
	}
	return d.writeFile(secretName, b.Bytes())
}

// renewMaster wraps the ring under a new master key. With keys from outside that
// is the first of them; else one is made, and for a moment both are in
// secret.key, so that a crash leaves one that fits.
func (d *dataDir) renewMaster(ring *token.Ring, masters [][]byte) error {
	if len(masters) > 0 {
		if err := d.writeRing(ring, masters[0]); err != nil {
			return err
		}
		return d.dropInside()
	}
	before, err := d.insideMasters()
	if err != nil {
		return err
	}
	fresh := make([]byte, 32)
	rand.Read(fresh)
	if len(before) == 0 {
		// The root is in secret.key as it is. It goes into the ring first, under a
		// key that only exists beside it from then on.
		if err := d.writeFile(secretName, fmt.Appendf(nil, "%s\n%s%s\n", hex.EncodeToString(ring.Root), masterPrefix, hex.EncodeToString(fresh))); err != nil {
			return err
		}
	} else if err := d.writeMasters(append([][]byte{fresh}, before...)...); err != nil {
		return err
	}
	if err := d.writeRing(ring, fresh); err != nil {
		return err
	}
	return d.writeMasters(fresh)
}

// KeyState is what may be told of a key of the ring.
type KeyState struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"` // zero for the root
	Seals   bool      `json:"seals"`   // it seals; the others open only
}

// keyStates tells of a ring.
func keyStates(ring *token.Ring) []KeyState {
	var all []KeyState
	for i, k := range ring.Keys {
		all = append(all, KeyState{ID: fmt.Sprintf("%08x", k.ID), Created: k.Created, Seals: i == 0})
	}
	return append(all, KeyState{ID: "root", Seals: len(ring.Keys) == 0})
}
