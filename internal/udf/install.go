package udf

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/value"
)

// sourcePart is how much source text one row holds: a row stays far below the limit of a document.
const sourcePart = 256 << 10

// HashModule is the hash that the push protocol gives to a module: lower hex
// SHA-256 over the source, then the source map (convex-cli.md §2.4).
func HashModule(source, sourceMap string) string {
	h := sha256.New()
	io.WriteString(h, source)
	io.WriteString(h, sourceMap)
	return hex.EncodeToString(h.Sum(nil))
}

// digest names the package by what its modules are and how they are analysed.
func (p *Package) digest() (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%q\n", p.Config.ServerVersion)
	if len(p.Config.NodePackages) > 0 || p.Config.NodeVersion != "" {
		fmt.Fprintf(h, "%q %q\n", p.Config.NodePackages, p.Config.NodeVersion)
	}
	for i := range p.Modules {
		m := &p.Modules[i]
		o, err := m.fieldsOf()
		if err != nil {
			return "", err
		}
		h.Write(value.JSON(o))
		h.Write([]byte{'\n'})
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// InstallModules makes a package live when the transaction commits. Sources that
// come with it are stored; function handles are made for functions that have
// none. A package equal to the live one changes nothing and invalidates nothing.
func InstallModules(ctx context.Context, tx *database.Tx, p Package) error {
	p.Modules = slices.Clone(p.Modules)
	arrange(p.Modules)
	for i := range p.Modules {
		if i > 0 && p.Modules[i].Path == p.Modules[i-1].Path {
			return invalid("InvalidModules", "The module %s is there twice.", p.Modules[i].Path)
		}
	}
	digest, err := p.digest()
	if err != nil {
		return err
	}
	p.Config.Digest = digest
	if live, ok, err := LiveConfig(ctx, tx); err != nil || ok && live.Digest == digest {
		return err
	}
	if err := StoreSources(ctx, tx, p.Modules); err != nil {
		return err
	}
	if err := requireSources(ctx, tx, p.Modules); err != nil {
		return err
	}
	if err := writeModules(ctx, tx, p.Modules); err != nil {
		return err
	}
	if err := makeHandles(ctx, tx.In(0), p.Component, p.Modules); err != nil {
		return err
	}
	return setSingle(ctx, tx, configTable, p.Config.fields())
}

// arrange puts modules into the order in which they are digested, and hashes
// those that carry their source.
func arrange(modules []ModuleRow) {
	for i := range modules {
		if m := &modules[i]; m.Source != "" || m.SourceMap != "" {
			m.Hash = HashModule(m.Source, m.SourceMap)
		}
	}
	slices.SortFunc(modules, func(a, b ModuleRow) int { return strings.Compare(a.Path, b.Path) })
}

// writeModules makes the module table hold exactly these rows, leaving equal ones alone.
func writeModules(ctx context.Context, tx *database.Tx, modules []ModuleRow) error {
	old := map[string]*database.Document{}
	if err := scan(ctx, tx, moduleTable, byPath, nil, func(doc *database.Document) error {
		old[text(doc.Object(), "path")] = doc
		return nil
	}); err != nil {
		return err
	}
	for i := range modules {
		m := &modules[i]
		fields, err := m.fieldsOf()
		if err != nil {
			return err
		}
		was := old[m.Path]
		delete(old, m.Path)
		switch {
		case was == nil:
			_, err = tx.Insert(ctx, moduleTable, fields)
		case !value.Equal(was.Object().Without("_id").Without("_creationTime"), fields):
			err = tx.Replace(ctx, was.ID, fields)
		}
		if err != nil {
			return fmt.Errorf("udf: install module %s: %w", m.Path, err)
		}
	}
	for path, doc := range old {
		if err := tx.Delete(ctx, doc.ID); err != nil {
			return fmt.Errorf("udf: remove module %s: %w", path, err)
		}
	}
	return nil
}

// makeHandles gives every function a row in the table of handles, whose id is its
// handle for good (convex-runtime.md §7.3): queries cannot write, so it must be there before.
func makeHandles(ctx context.Context, tx *database.Tx, component string, modules []ModuleRow) error {
	have := map[string]bool{}
	if err := scan(ctx, tx, handleTable, byPath, nil, func(doc *database.Document) error {
		have[text(doc.Object(), "path")] = true
		return nil
	}); err != nil {
		return err
	}
	for i := range modules {
		for _, f := range modules[i].Functions {
			path := handleKey(component, funcPath{modules[i].Path, f.Name})
			if have[path] {
				continue
			}
			if _, err := tx.Insert(ctx, handleTable, value.ObjectOf(value.Field{Name: "path", Value: value.String(path)})); err != nil {
				return fmt.Errorf("udf: make handle of %s: %w", path, err)
			}
		}
	}
	return nil
}

// handleKey names a function among those of all components, as the table of handles
// does: "messages.js:send", and "workpool|lib.js:enqueue" in a component.
func handleKey(component string, path funcPath) string {
	if component == "" {
		return path.String()
	}
	return component + "|" + path.String()
}

// StoreSources stores those of the modules that carry their source, ahead of
// InstallModules, for a push of several steps. Sources that do not become live
// are swept after a day.
func StoreSources(ctx context.Context, tx *database.Tx, modules []ModuleRow) error {
	tx = tx.In(0) // one source serves all components
	for i := range modules {
		m := &modules[i]
		if m.Source == "" && m.SourceMap == "" {
			continue
		}
		m.Hash = HashModule(m.Source, m.SourceMap)
		stored, err := refreshed(ctx, tx, m.Hash)
		if err != nil {
			return err
		}
		if stored {
			continue
		}
		all := strings.ToValidUTF8(m.Source, "\uFFFD")
		length := len(all)
		all += strings.ToValidUTF8(m.SourceMap, "\uFFFD")
		for part := 0; part == 0 || all != ""; part++ {
			n := min(len(all), sourcePart)
			for n < len(all) && !utf8.RuneStart(all[n]) {
				n--
			}
			if _, err := tx.Insert(ctx, sourceTable, value.ObjectOf(
				value.Field{Name: "hash", Value: value.String(m.Hash)},
				value.Field{Name: "part", Value: value.Int64(part)},
				value.Field{Name: "sourceLength", Value: value.Int64(length)},
				value.Field{Name: "text", Value: value.String(all[:n])},
			)); err != nil {
				return fmt.Errorf("udf: store source of %s: %w", m.Path, err)
			}
			all = all[n:]
		}
	}
	return nil
}

// refreshed tells whether the source with the hash is stored and young enough not to be
// swept before a push could finish; an old one is removed, to be stored anew.
func refreshed(ctx context.Context, tx *database.Tx, hash string) (bool, error) {
	var parts []*database.Document
	if err := scan(ctx, tx, sourceTable, byHash, []value.Value{value.String(hash)}, func(doc *database.Document) error {
		parts = append(parts, doc)
		return nil
	}); err != nil || len(parts) == 0 {
		return false, err
	}
	if time.Since(time.UnixMilli(int64(parts[0].CreationTime))) < sourceAge/2 {
		return true, nil
	}
	for _, p := range parts {
		if err := tx.Delete(ctx, p.ID); err != nil {
			return false, fmt.Errorf("udf: refresh source %s: %w", hash, err)
		}
	}
	return false, nil
}

// errFound ends a scan early.
var errFound = errors.New("found")

// hasSource tells whether the source with the hash is stored.
func hasSource(ctx context.Context, tx *database.Tx, hash string) (bool, error) {
	err := scan(ctx, tx, sourceTable, byHash, []value.Value{value.String(hash)}, func(*database.Document) error { return errFound })
	if err == errFound {
		return true, nil
	}
	return false, err
}

// requireSources fails when a module's source is neither given nor stored.
func requireSources(ctx context.Context, tx *database.Tx, modules []ModuleRow) error {
	tx = tx.In(0)
	for i := range modules {
		if m := &modules[i]; m.Source == "" && m.SourceMap == "" && m.Hash != emptyHash {
			ok, err := hasSource(ctx, tx, m.Hash)
			if err != nil {
				return err
			}
			if !ok {
				return missingModule(m)
			}
		}
	}
	return nil
}

// emptyHash is that of a module without any text, which needs no row.
var emptyHash = HashModule("", "")

// missingModule tells the pushing side to send the module itself (convex-cli.md §2.4).
func missingModule(m *ModuleRow) error {
	return apierr.New(apierr.BadRequest, "MissingExistingModule", "The source of module %s (sha256 %s) is not stored here. Push all modules again.", m.Path, m.Hash)
}

// LoadSources fills in Source and SourceMap of the given modules, found by
// their Hash. It fails with code MissingExistingModule when one is not stored.
func LoadSources(ctx context.Context, tx *database.Tx, modules []ModuleRow) error {
	tx = tx.In(0)
	for i := range modules {
		m := &modules[i]
		if m.Hash == emptyHash || m.Source != "" {
			continue
		}
		var all strings.Builder
		length, parts := 0, 0
		if err := scan(ctx, tx, sourceTable, byHash, []value.Value{value.String(m.Hash)}, func(doc *database.Document) error {
			o := doc.Object()
			all.WriteString(text(o, "text"))
			if v, _ := o.Get("sourceLength"); v != nil {
				n, _ := v.(value.Int64)
				length = int(n)
			}
			parts++
			return nil
		}); err != nil {
			return err
		}
		s := all.String()
		if parts == 0 || length > len(s) {
			return missingModule(m)
		}
		m.Source, m.SourceMap = s[:length], s[length:]
	}
	return nil
}
