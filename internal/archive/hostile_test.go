package archive

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/persistence"
)

// TestSealedBackupsTakeNothingUnsealed: whoever keeps the backup, and has not the key,
// cannot put something of their own in its place.
func TestSealedBackupsTakeNothingUnsealed(t *testing.T) {
	t.Parallel()
	key := []byte("thirty-two bytes are a good key.")
	_, _, d := small(t, key)
	for _, name := range objects(t, d) {
		if name == markerName {
			continue
		}
		was := readAll(t, d, name)
		content, err := readObject(bytes.NewReader(was), name, key)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := io.ReadAll(content)
		if err != nil {
			t.Fatal(err)
		}
		var forged bytes.Buffer
		o, err := newObject(&forged, name, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := o.Write(plain); err != nil {
			t.Fatal(err)
		}
		if err := o.Close(); err != nil {
			t.Fatal(err)
		}
		if forgery, err := readObject(bytes.NewReader(forged.Bytes()), name, key); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: what is not sealed is read: %v, %v", name, forgery, err)
		}
	}
	b := readAll(t, d, markerName)
	write(t, d, markerName, []byte(strings.Replace(string(b), `"sealed": true`, `"sealed": false`, 1)))
	if _, err := Restore(t.Context(), d, key, time.Time{}, newSite(), nil); !errors.Is(err, ErrNotSealed) {
		t.Errorf("a marker that says the backup is not sealed: %v", err)
	}
}

// TestForeignRecordsAreRefused: records that the house never writes must not end the
// process, nor fill its memory.
func TestForeignRecordsAreRefused(t *testing.T) {
	t.Parallel()
	for name, fill := range map[string]func(r *recordWriter){
		"a chunk of no store": func(r *recordWriter) { r.kind(chunkRecord); r.text("chunk/00/x"); r.number(1) },
		"a blob of no store":  func(r *recordWriter) { r.kind(blobRecord); r.text("x"); r.number(1) },
		"files without end": func(r *recordWriter) {
			big := make([]byte, 32<<20)
			for range 5 {
				r.kind(fileRecord)
				r.text("keyring")
				r.number(1)
				r.bytes(big)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, d := small(t, nil)
			for _, object := range objects(t, d) {
				if strings.HasPrefix(object, listPrefix) {
					write(t, d, object, forge(t, object, fill))
				}
			}
			if _, err := Restore(t.Context(), d, nil, time.Time{}, newSite(), nil); !errors.Is(err, ErrDamaged) {
				t.Errorf("restored: %v", err)
			}
		})
	}
	t.Run("a commit of no store", func(t *testing.T) {
		_, _, d := small(t, nil)
		for _, object := range objects(t, d) {
			if strings.HasPrefix(object, logPrefix) {
				write(t, d, object, forge(t, object, func(r *recordWriter) { r.commit(1, []persistence.Revision{{TS: 1}}) }))
			}
		}
		if _, err := Restore(t.Context(), d, nil, time.Time{}, newSite(), nil); !errors.Is(err, ErrDamaged) {
			t.Errorf("restored: %v", err)
		}
	})
}

// forge makes an object of records.
func forge(t *testing.T, name string, fill func(*recordWriter)) []byte {
	t.Helper()
	var b bytes.Buffer
	o, err := newObject(&b, name, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := newRecords(o, head{})
	fill(r)
	if err := r.close(); err != nil {
		t.Fatal(err)
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
