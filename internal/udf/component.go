package udf

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/filestorage"
	"github.com/lentil-dev/lentil/internal/scheduler"
	"github.com/lentil-dev/lentil/internal/value"
)

// componentTable has one row: the tree of component instances. An app that never
// had a component has no row.
const componentTable = "_components"

// Component is an instance of a component: a mounted definition with tables and
// modules of its own. The app itself is the one at path "", in namespace 0.
type Component struct {
	Path       string      `json:"path"`       // "workflow/workpool"
	Definition string      `json:"definition"` // path of the definition, as pushed
	Space      value.Space `json:"space"`      // for good, also while it is not mounted
	Mounted    bool        `json:"mounted"`
	// Env are the variables that its parent gives it, Args the arguments of definitions that old libraries
	// made: both by name.
	Env  map[string]Binding         `json:"env,omitempty"`
	Args map[string]json.RawMessage `json:"args,omitempty"`
	// HTTPPrefix is where its own routes begin ("" for the root); Mounts are the names of children by
	// the prefix under which their routes are, as "/mail/".
	HTTPPrefix string            `json:"httpPrefix,omitempty"`
	Mounts     map[string]string `json:"mounts,omitempty"`
}

// Name is how the instance is called by its parent; "" for the app.
func (c *Component) Name() string {
	_, name := parent(c.Path)
	return name
}

// Binding says where the value of a component's environment variable comes from:
// Variable names one of its parent; if that is "" the value is Value.
type Binding struct {
	Variable string `json:"variable,omitempty"`
	Value    string `json:"value,omitempty"`
}

// componentTables are what each namespace of a component has from its first push on.
// What concerns the whole deployment is only in the app's.
var componentTables = slices.Concat([]database.TableDef{
	{Name: configTable},
	{Name: moduleTable, Indexes: []database.IndexDef{{Name: byPath, Fields: []string{"path"}}}},
	{Name: schemaTable, Indexes: []database.IndexDef{{Name: byState, Fields: []string{"state"}}}},
	{Name: stagedTable, Indexes: []database.IndexDef{{Name: byTable, Fields: []string{"table"}}}},
	{Name: filestorage.FileTable},
}, scheduler.Tables)

// Tree is every component instance there ever was, by path, without the app unless
// that mounts something. It is immutable.
type Tree struct {
	All []Component
	doc *database.Document // the row it was read from; nil for none
}

// At finds an instance, mounted or not; nil if there never was one.
func (t *Tree) At(path string) *Component {
	for i := range t.All {
		if t.All[i].Path == path {
			return &t.All[i]
		}
	}
	if path == "" {
		return &Component{Mounted: true}
	}
	return nil
}

// Spaces are the namespaces of the app and of all mounted components.
func (t *Tree) Spaces() []value.Space {
	spaces := []value.Space{0}
	for i := range t.All {
		if c := &t.All[i]; c.Mounted && c.Space != 0 {
			spaces = append(spaces, c.Space)
		}
	}
	return spaces
}

// parent splits the path of an instance.
func parent(path string) (of, name string) {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i], path[i+1:]
	}
	return "", path
}

// childPath is the path of a child of an instance.
func childPath(of, name string) string {
	if of == "" {
		return name
	}
	return of + "/" + name
}

// environment makes the variables of an instance out of the app's.
func (t *Tree) environment(path string, app map[string]string) map[string]string {
	if path == "" {
		return app
	}
	of, name := parent(path)
	above := t.environment(of, app)
	env := map[string]string{cloudURLVariable: app[cloudURLVariable], siteURLVariable: above[siteURLVariable]}
	for prefix, child := range t.At(of).Mounts {
		if child == name {
			env[siteURLVariable] = strings.TrimSuffix(above[siteURLVariable], "/") + strings.TrimSuffix(prefix, "/")
		}
	}
	for variable, b := range t.At(path).Env {
		if b.Variable == "" {
			env[variable] = b.Value
		} else if v, ok := above[b.Variable]; ok {
			env[variable] = v
		}
	}
	return env
}

// Components reads the tree of component instances.
func Components(ctx context.Context, tx *database.Tx) (*Tree, error) {
	doc, err := single(ctx, tx.In(0), componentTable)
	if err != nil || doc == nil {
		return &Tree{}, err
	}
	return treeOf(doc)
}

// treeOf reads the row of the tree.
func treeOf(doc *database.Document) (*Tree, error) {
	t := &Tree{doc: doc}
	if err := json.Unmarshal([]byte(text(doc.Object(), "tree")), &t.All); err != nil {
		return nil, fmt.Errorf("udf: read components: %w", err)
	}
	return t, nil
}

// SetComponents makes a tree the live one when the transaction commits, and gives
// namespaces that are new their tables. Equal trees change nothing.
func SetComponents(ctx context.Context, tx *database.Tx, all []Component) error {
	for i := range all {
		if c := &all[i]; c.Space != 0 {
			if err := tx.In(c.Space).EnsureTables(ctx, componentTables); err != nil {
				return err
			}
		}
	}
	b, err := json.Marshal(all)
	if err != nil {
		return fmt.Errorf("udf: store components: %w", err)
	}
	doc, err := single(ctx, tx.In(0), componentTable)
	plain := len(all) == 0 || len(all) == 1 && all[0].HTTPPrefix == "" // an app without components needs no row
	if err != nil || doc == nil && plain || doc != nil && text(doc.Object(), "tree") == string(b) {
		return err
	}
	return setSingle(ctx, tx.In(0), componentTable, value.ObjectOf(value.Field{Name: "tree", Value: value.String(b)}))
}

// treeCache remembers the tree that was read last.
type treeCache struct {
	mu    sync.Mutex
	known *Tree
}

// tree reads the tree of component instances, parsed once for each text of its row.
func (r *Runner) tree(ctx context.Context, tx *database.Tx) (*Tree, error) {
	r.trees.mu.Lock()
	known := r.trees.known
	r.trees.mu.Unlock()
	var last *value.ID
	if known != nil {
		last = &known.doc.ID
	}
	doc, err := row(ctx, tx.In(0), componentTable, last)
	if err != nil || doc == nil {
		return &Tree{}, err
	}
	if known != nil && sameDocument(known.doc, doc) {
		return known, nil
	}
	t, err := treeOf(doc)
	if err == nil && doc.TS != 0 {
		r.trees.mu.Lock()
		r.trees.known = t
		r.trees.mu.Unlock()
	}
	return t, err
}

// Spaces are the namespaces whose jobs are to be run: scheduler.Worker asks.
func (r *Runner) Spaces(ctx context.Context, tx *database.Tx) ([]value.Space, error) {
	t, err := r.tree(ctx, tx)
	if err != nil {
		return nil, err
	}
	return t.Spaces(), nil
}

// Space is the namespace of a component instance, mounted or not.
func (r *Runner) Space(ctx context.Context, tx *database.Tx, path string) (value.Space, error) {
	if path == "" {
		return 0, nil
	}
	t, err := r.tree(ctx, tx)
	if err != nil {
		return 0, err
	}
	c := t.At(path)
	if c == nil {
		return 0, noComponent(path)
	}
	return c.Space, nil
}

// noComponent says that there is no instance at a path.
func noComponent(path string) error {
	return apierr.New(apierr.BadRequest, "ComponentNotFound", "There is no component %q in this deployment. "+
		"Components are mounted with app.use() in convex.config.ts.", clip([]byte(path)))
}

// unmounted says that an instance was removed from the app.
func unmounted(path string) error {
	return invalid("UnmountedComponent", "The component %q is not mounted: it was removed from convex.config.ts. Its data is kept, but its functions cannot be called.", path)
}

// liveIn gives what is live in a component instance.
func (r *Runner) liveIn(ctx context.Context, tx *database.Tx, path string) (*live, error) {
	if path == "" {
		return r.liveAt(ctx, tx)
	}
	t, err := r.tree(ctx, tx)
	if err != nil {
		return nil, err
	}
	c := t.At(path)
	switch {
	case c == nil:
		return nil, noComponent(path)
	case !c.Mounted:
		return nil, unmounted(path)
	}
	return r.liveOf(ctx, tx, t, c)
}

// allModules lists the modules of the app and of all components.
func allModules(ctx context.Context, tx *database.Tx) ([]ModuleRow, error) {
	t, err := Components(ctx, tx)
	if err != nil {
		return nil, err
	}
	spaces := map[value.Space]bool{0: true}
	for i := range t.All {
		spaces[t.All[i].Space] = true
	}
	var all []ModuleRow
	for _, space := range slices.Sorted(maps.Keys(spaces)) {
		rows, err := LiveModules(ctx, tx.In(space))
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
	}
	return all, nil
}
