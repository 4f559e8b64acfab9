package udf

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/value"
)

// live is what is live in one snapshot: the package, and the environment it runs
// in. It is immutable and shared by all transactions that read the same two rows.
type live struct {
	config    Config
	installed bool // false before the first push
	modules   []ModuleRow
	component *Component // whose modules they are
	tree      *Tree      // of which that is part; nil for the app, which does not depend on it
	functions map[funcPath]*FunctionRow
	node      map[string]bool // modules that want the Node.js runtime
	env       map[string]string
	key       programKey

	configDoc, envDoc *database.Document // the rows it was made of; nil for none
}

// liveCache remembers what the last distinct states of the registry were. More
// than one is kept because queries may ask for a snapshot before a push.
type liveCache struct {
	mu    sync.Mutex
	known map[value.Space][]*live // newest first
}

// liveStates is how many states of the registry are remembered for each component.
const liveStates = 4

// sameDocument tells whether two reads found the same revision of a row. What a
// transaction has written itself has no timestamp yet and is only the same as itself.
func sameDocument(a, b *database.Document) bool {
	if a == nil || b == nil || a == b {
		return a == b
	}
	return a.ID == b.ID && a.TS == b.TS && a.TS != 0
}

// row reads the only row of a table by the id it was last seen under, which spares
// a scan: such rows are replaced, never deleted.
func row(ctx context.Context, tx *database.Tx, table string, last *value.ID) (*database.Document, error) {
	if last != nil {
		doc, err := tx.Get(ctx, *last)
		if err != nil {
			return nil, fmt.Errorf("udf: read %s: %w", table, err)
		}
		if doc != nil {
			return doc, nil
		}
	}
	return single(ctx, tx, table)
}

// app is the app as an instance.
var app = &Component{Mounted: true}

// liveAt gives what is live of the app in the transaction's snapshot. It records the
// reads of the two rows, which is why a push or a changed variable invalidates
// whoever runs.
func (r *Runner) liveAt(ctx context.Context, tx *database.Tx) (*live, error) {
	return r.liveOf(ctx, tx, nil, app)
}

// liveOf does the same for an instance of a tree.
func (r *Runner) liveOf(ctx context.Context, tx *database.Tx, t *Tree, c *Component) (*live, error) {
	configID, envID := r.live.ids(c.Space)
	configDoc, err := row(ctx, tx.In(c.Space), configTable, configID)
	if err != nil {
		return nil, err
	}
	envDoc, err := row(ctx, tx.In(0), environmentTable, envID)
	if err != nil {
		return nil, err
	}
	if l := r.live.find(c.Space, t, configDoc, envDoc); l != nil {
		return l, nil
	}
	l := &live{configDoc: configDoc, envDoc: envDoc, env: map[string]string{}, installed: configDoc != nil, component: c, tree: t}
	if envDoc != nil {
		l.env = environmentOf(envDoc)
	}
	r.addAddresses(l.env)
	if t != nil {
		l.env = t.environment(c.Path, l.env)
	}
	if configDoc != nil {
		l.config = configOf(configDoc.Object())
		if l.modules, err = LiveModules(ctx, tx.In(c.Space)); err != nil {
			return nil, err
		}
	}
	l.index()
	r.live.add(l)
	return l, nil
}

// index fills in what is derived from modules and environment.
func (l *live) index() {
	l.functions, l.node = map[funcPath]*FunctionRow{}, map[string]bool{}
	for i := range l.modules {
		m := &l.modules[i]
		if m.Environment == nodeEnvironment {
			l.node[m.Path] = true
		}
		for j := range m.Functions {
			l.functions[funcPath{m.Path, m.Functions[j].Name}] = &m.Functions[j]
		}
	}
	c := l.config
	l.key = programKey{
		pkg: fmt.Sprintf("%s|%x|%d", c.Digest, c.ImportPhaseRngSeed, c.ImportPhaseUnixTimestampMS),
		env: environmentDigest(l.env),
	}
}

// environmentDigest identifies a set of variables.
func environmentDigest(env map[string]string) string {
	h := sha256.New()
	for _, name := range sortedKeys(env) {
		fmt.Fprintf(h, "%q=%q\n", name, env[name])
	}
	return string(h.Sum(nil))
}

// sortedKeys are the keys of a map in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// find gives the state made of these rows, if it is remembered.
func (c *liveCache) find(space value.Space, t *Tree, configDoc, envDoc *database.Document) *live {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.known[space] {
		if sameDocument(l.configDoc, configDoc) && sameDocument(l.envDoc, envDoc) && (t == nil || sameDocument(l.tree.doc, t.doc)) {
			return l
		}
	}
	return nil
}

// ids are those of the two rows as last seen; nil for one that was not.
func (c *liveCache) ids(space value.Space) (config, env *value.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.known[space]
	if len(known) == 0 {
		return nil, nil
	}
	l := known[0]
	if l.configDoc != nil {
		config = &l.configDoc.ID
	}
	if l.envDoc != nil {
		env = &l.envDoc.ID
	}
	return config, env
}

// add remembers a state unless it contains writes that are not committed yet.
func (c *liveCache) add(l *live) {
	for _, doc := range [...]*database.Document{l.configDoc, l.envDoc} {
		if doc != nil && doc.TS == 0 {
			return
		}
	}
	if l.tree != nil && l.tree.doc.TS == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil {
		c.known = map[value.Space][]*live{}
	}
	space := l.component.Space
	known := slices.Insert(c.known[space], 0, l)
	c.known[space] = known[:min(len(known), liveStates)]
}
