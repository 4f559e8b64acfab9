package backup

import (
	"archive/zip"
	"errors"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/value"
)

// archive is what an import brings.
type archive struct {
	tables  []*bringing // in the order of folder and name
	numbers map[string]value.TableNumber
	files   map[string]map[string]*zip.File // bytes of stored files, by folder and id
}

// bringing is a table of an archive.
type bringing struct {
	folder string // of the component, as "_components/a/"; "" for the app
	name   string
	where  string // how messages name the file; "" where there is only one
	open   func() (reader, io.Closer, error)
}

// component is the path of the component whose table it is; "" for the app.
func (b *bringing) component() string {
	return strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(b.folder, componentsName+"/"), "/"), "/"+componentsName+"/", "/")
}

// folderOf is the inverse of component.
func folderOf(component string) string {
	if component == "" {
		return ""
	}
	return componentsName + "/" + strings.ReplaceAll(component, "/", "/"+componentsName+"/") + "/"
}

// openArchive looks at what was uploaded.
func openArchive(how *ImportOptions, f *partsFile) (*archive, error) {
	if how.Format == formatZip {
		return openZip(f, f.size())
	}
	b := &bringing{folder: folderOf(how.Component), name: how.Table}
	b.open = func() (reader, io.Closer, error) {
		switch r := f.reader(); how.Format {
		case formatCSV:
			return newCSV(r), f, nil
		case formatJSONArray:
			return newJSONArray(r), f, nil
		default:
			return newJSONLines(r), f, nil
		}
	}
	return &archive{tables: []*bringing{b}}, nil
}

// maxEntries bounds the directory of a ZIP file, which is kept in memory.
const maxEntries = 4 << 20

// openZip reads the directory of a ZIP file.
func openZip(src io.ReaderAt, size int64) (*archive, error) {
	z, err := zip.NewReader(src, size)
	if errors.Is(err, zip.ErrInsecurePath) {
		err = nil // names are looked up, never made into paths
	}
	if err != nil {
		return nil, zipFault(err)
	}
	if len(z.File) > maxEntries {
		return nil, fault("The ZIP file has more than %d entries.", maxEntries)
	}
	a := &archive{numbers: map[string]value.TableNumber{}, files: map[string]map[string]*zip.File{}}
	seen := map[string]bool{}
	for _, f := range z.File {
		name := f.Name
		if strings.HasSuffix(name, "/") {
			continue
		}
		folder, table, file, ok := splitName(name)
		if !ok {
			continue
		}
		switch {
		case table == storageFolder && file != documentsFile:
			if strings.HasPrefix(file, "generated_schema") {
				continue
			}
			id := strings.TrimSuffix(file, path.Ext(file))
			if a.files[folder] == nil {
				a.files[folder] = map[string]*zip.File{}
			}
			if a.files[folder][id] != nil {
				return nil, fault("The ZIP file has two files for the id %q in %s.", clip(id), folder+storageFolder)
			}
			a.files[folder][id] = f
			continue
		case file != documentsFile:
			continue // README.md, generated_schema.jsonl, and what people put there
		}
		if seen[name] {
			return nil, fault("The ZIP file has %s twice.", clip(name))
		}
		seen[name] = true
		b := &bringing{folder: folder, name: table, where: name}
		b.open = func() (reader, io.Closer, error) {
			r, err := f.Open()
			if err != nil {
				return nil, nil, zipFault(err)
			}
			return newJSONLines(zipReader{r}), r, nil
		}
		if table == tablesFolder {
			if err := a.readNumbers(b); err != nil {
				return nil, err
			}
			continue
		}
		a.tables = append(a.tables, b)
	}
	for folder := range a.files {
		if !seen[folder+storageFolder+"/"+documentsFile] { // the metadata may be left out
			b := &bringing{folder: folder, name: storageFolder, where: folder + storageFolder}
			b.open = func() (reader, io.Closer, error) { return newJSONLines(strings.NewReader("")), io.NopCloser(nil), nil }
			a.tables = append(a.tables, b)
		}
	}
	slices.SortFunc(a.tables, func(x, y *bringing) int { return strings.Compare(x.folder+x.name, y.folder+y.name) })
	if len(a.tables) == 0 {
		return nil, fault("The ZIP file has no tables: it must have a folder for each, with a file %s.", documentsFile)
	}
	return a, nil
}

// splitName takes the name of an entry apart: the folder of a component, the
// folder of a table, the file.
func splitName(name string) (folder, table, file string, ok bool) {
	rest := name
	for strings.HasPrefix(rest, componentsName+"/") {
		child, after, found := strings.Cut(rest[len(componentsName)+1:], "/")
		if !found || child == "" {
			return "", "", "", false
		}
		folder, rest = folder+componentsName+"/"+child+"/", after
	}
	table, file, ok = strings.Cut(rest, "/")
	return folder, table, file, ok && table != "" && file != "" && !strings.Contains(file, "/")
}

// readNumbers reads the numbers of the tables of a namespace.
func (a *archive) readNumbers(b *bringing) error {
	r, c, err := b.open()
	if err != nil {
		return err
	}
	defer c.Close()
	for {
		rec, err := r.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return under(b.where, err)
		}
		n := number(rec.fields, "id")
		name := text(rec.fields, "name")
		if name == "" || n < 1 || n > maxTableNumber || n != float64(int(n)) {
			return fault("%s, line %d: a table has a name and, as id, its number.", b.where, rec.line)
		}
		if len(a.numbers) > 1<<20 {
			return fault("%s: there are too many tables.", b.where)
		}
		a.numbers[b.folder+name] = value.TableNumber(n)
	}
}

// maxTableNumber is above every number that tables get.
const maxTableNumber = 1<<15 - 1

// zipReader says what is wrong with a damaged ZIP file.
type zipReader struct{ r io.Reader }

// Read reads an entry.
func (z zipReader) Read(b []byte) (int, error) {
	n, err := z.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		err = zipFault(err)
	}
	return n, err
}

// zipFault tells a damaged file from a fault of ours.
func zipFault(err error) error {
	if _, ok := apierr.As(err); ok {
		return err
	}
	if ours := new(readFault); errors.As(err, &ours) {
		return err
	}
	return fault("The ZIP file is damaged or is none (%s). Is it complete?", strings.TrimPrefix(err.Error(), "zip: ")).Wrap(err)
}
