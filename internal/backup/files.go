package backup

import (
	"archive/zip"
	"context"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/filestorage"
	"github.com/lentil-dev/lentil/internal/value"
)

// eachFile gives f every stored file that comes, with its row: those that the
// documents name, and then those whose bytes alone are there.
func eachFile(ctx context.Context, t *target, bytes map[string]*zip.File, f func(incoming, *zip.File) error) error {
	named := map[string]bool{}
	err := t.read(ctx, func(in incoming) error {
		if in.id.Table == 0 {
			return fault("line %d: a stored file has no _id.", in.line)
		}
		id := in.id.String()
		if bytes[id] == nil {
			return fault("line %d: the bytes of file %s are missing; they belong into %s.", in.line, id, t.folder+storageFolder+"/"+id)
		}
		if named[id] {
			return fault("line %d: the file %s was there already.", in.line, id)
		}
		named[id] = true
		return f(in, bytes[id])
	})
	if err != nil {
		return err
	}
	for name, entry := range bytes {
		if named[name] {
			continue
		}
		id, err := value.ParseID(name)
		if err != nil {
			return t.at(under(clip(entry.Name), err))
		}
		if id.Table != t.number {
			return t.at(fault("%s: the name is an id of another table than the others'.", clip(entry.Name)))
		}
		if err := f(incoming{id: id}, entry); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// checkFiles checks the rows of stored files and counts them.
func checkFiles(ctx context.Context, t *target, bytes map[string]*zip.File) (n int, err error) {
	err = eachFile(ctx, t, bytes, func(in incoming, _ *zip.File) error {
		n++
		if s := text(in.fields, "sha256"); s != "" {
			if _, ok := filestorage.ParseSum(s); !ok {
				return t.at(fault("line %d: sha256 is no digest in base64.", in.line))
			}
		}
		return nil
	})
	return n, err
}

// putFile stores the bytes of a file.
func (s *Service) putFile(ctx context.Context, t *target, in incoming, entry *zip.File) (filestorage.Bytes, error) {
	r, err := entry.Open()
	if err != nil {
		return filestorage.Bytes{}, zipFault(err)
	}
	defer r.Close()
	src := &sourceReader{r: r}
	b, err := s.Files.Put(ctx, src)
	if src.err != nil {
		return b, under(clip(entry.Name), zipFault(src.err))
	}
	if err != nil {
		return b, err
	}
	if want, ok := filestorage.ParseSum(text(in.fields, "sha256")); ok && want != b.SHA256 {
		s.Files.Discard(ctx, b)
		return b, t.at(fault("line %d: the bytes of file %s do not have the sha256 that it says. Is the ZIP file complete?", in.line, in.id))
	}
	return b, nil
}

// restoreFile makes a file of stored bytes.
func (s *Service) restoreFile(ctx context.Context, tx *database.Tx, in incoming, b filestorage.Bytes) error {
	return s.Files.Restore(ctx, tx, in.id, in.created, b, text(in.fields, "contentType"))
}
