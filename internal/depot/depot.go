package depot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/url"
	"path/filepath"
	"strings"
)

// Depot is a place for objects. All methods may be called from many goroutines.
type Depot interface {
	// Put stores everything r gives under a name, in place of what was there.
	Put(ctx context.Context, name string, r io.Reader) (size int64, err error)
	// Open reads an object. Its error is ErrNotFound if there is none.
	Open(ctx context.Context, name string) (io.ReadCloser, error)
	// List tells of the objects whose names begin with prefix, in order.
	List(ctx context.Context, prefix string) iter.Seq2[Info, error]
	// Delete removes an object; one that is not there is fine.
	Delete(ctx context.Context, name string) error
	// String is the address, without secrets.
	String() string
}

// Info is what a list tells of an object.
type Info struct {
	Name string
	Size int64
}

// What can be wrong with a place. Each comes wrapped in a line for a person.
var (
	ErrNotFound    = errors.New("no such object")
	ErrCredentials = errors.New("credentials refused")
	ErrNoBucket    = errors.New("no such bucket")
	ErrUnreachable = errors.New("not reachable")
)

// Forms is how an address may look, for help texts.
const Forms = "a directory, or s3://bucket/prefix?endpoint=https://…&region=…"

// Open understands the address of a place: a path, dir:PATH, or
// s3://bucket/prefix?endpoint=…&region=…, whose credentials come from the
// variables that other S3 clients read too. It looks at nothing there yet. With
// create false, a directory that is missing is an error.
func Open(address string, getenv func(string) string, create bool) (Depot, error) {
	switch {
	case address == "":
		return nil, fmt.Errorf("the place of the backup is missing: it is %s", Forms)
	case strings.HasPrefix(address, "s3:"):
		return openS3(address, getenv)
	case strings.HasPrefix(address, "dir:"):
		return openDir(strings.TrimPrefix(address, "dir:"), create)
	}
	if u, err := url.Parse(address); err == nil && len(u.Scheme) > 1 && strings.Contains(address, "://") {
		return nil, fmt.Errorf("a backup cannot lie at %s://…: the place is %s", u.Scheme, Forms)
	}
	return openDir(address, create)
}

// Canonical is the address with a path made absolute, so that another process,
// in another directory, understands it as well.
func Canonical(address string) (string, error) {
	if strings.HasPrefix(address, "s3:") {
		return address, nil
	}
	path, err := filepath.Abs(strings.TrimPrefix(address, "dir:"))
	return "dir:" + path, err
}

// maxName bounds a name, well under the 1,024 bytes of S3
// (docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html).
const maxName = 800

// checkName refuses names that could leave a directory. Names are the house's own,
// so a bad one is a broken invariant, or a list that somebody else made.
func checkName(name string) error {
	if name == "" || len(name) > maxName {
		return fmt.Errorf("depot: name of %d bytes", len(name))
	}
	for seg := range strings.SplitSeq(name, "/") {
		if seg == "" || seg[0] == '.' || len(seg) > 200 || strings.ContainsAny(seg, "\\\x00") {
			return fmt.Errorf("depot: malformed name %q", name)
		}
	}
	return nil
}

// ctxReader ends a copy when its context ends.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

// Read reads from the inner reader unless the context has ended.
func (c ctxReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}
