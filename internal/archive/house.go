package archive

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"github.com/lentil-dev/lentil/internal/blob"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/persistence"
)

// House is what is backed up.
type House interface {
	// ID tells this house from others; a restored one has the same.
	ID() string
	// Stores lists the stores that there are now. One that is opened from now on commits
	// after a moment, whatever the clock says: it may have been set back.
	Stores(ctx context.Context, after persistence.Timestamp) ([]Store, error)
	// Files gives the small files beside the stores.
	Files(ctx context.Context) ([]File, error)
}

// ErrClosed means that a store was closed since it was listed.
var ErrClosed = errors.New("archive: the store was closed meanwhile")

// Store is one store of a house.
type Store struct {
	// Name tells it from others for good: a path below the data directory.
	Name string
	// Use gives access until it is released, and opens the store for that time if it
	// is closed. Its error is ErrClosed if it was open when it was listed and is not
	// any more.
	Use func(ctx context.Context) (*Access, error)
	// Open tells whether it is open or being opened, and Opened how often it was in this
	// process, that time included.
	Open   bool
	Opened int64
	// Newest is the newest commit of a store that was closed; 0 if that is not known.
	Newest persistence.Timestamp
	// Changed tells when the files of a closed store changed last; nil if that is not
	// known.
	Changed func() time.Time
}

// Access is a store that is open.
type Access struct {
	DB *database.DB
	// Blobs are its files; nil if it keeps none.
	Blobs Blobs
	// Pause keeps the bytes of deleted files until it is ended; nil if nothing
	// deletes them.
	Pause   func() (end func())
	Release func()
}

// Blobs is what a store of files must tell to be backed up; *blob.Dir does.
type Blobs interface {
	Open(ctx context.Context, key string, offset int64) (io.ReadCloser, error)
	List(ctx context.Context) iter.Seq2[blob.Info, error]
	Changes() (keys map[string]bool, all bool)
}

// File is a small file of a house, as it was from a time on.
type File struct {
	Name    string
	Changed time.Time
	Content []byte
}
