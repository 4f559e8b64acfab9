package udf

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/value"
)

// handlePrefix begins every function handle.
const handlePrefix = "function://"

// What references to functions begin with (convex-runtime.md §7.3).
const (
	functionReference = "_reference/function/"
	childReference    = "_reference/childComponent/"
)

// address is how the library names a function that is to be called: exactly one of these.
type address struct {
	Name      *string `json:"name"`
	Reference *string `json:"reference"`
	Handle    *string `json:"functionHandle"`
}

// target is a function of a component instance, which may be gone.
type target struct {
	component string // path of the instance
	path      string // "module.js:export", or as clients write it
}

// resolve tells which function an address means that code of a component wrote.
// A child component shows its parent what is public; a handle may mean anything,
// because whoever made it could have called it.
func (r *Runner) resolve(ctx context.Context, tx *database.Tx, from *live, a *address, method string) (t target, err error) {
	n := 0
	for _, s := range []*string{a.Name, a.Reference, a.Handle} {
		if s != nil {
			n++
		}
	}
	switch {
	case n != 1:
		return t, invalidArgument("functionReference", method, "expected exactly one of a name, a reference and a function handle")
	case a.Handle != nil:
		return resolveHandle(ctx, tx, *a.Handle)
	case a.Name != nil:
		return target{from.component.Path, *a.Name}, nil
	}
	if path, ok := strings.CutPrefix(*a.Reference, functionReference); ok {
		return target{from.component.Path, path}, nil
	}
	if path, ok := strings.CutPrefix(*a.Reference, childReference); ok {
		return r.resolveChild(ctx, tx, from.component.Path, strings.Split(path, "/"))
	}
	return t, invalid("InvalidReference", "The function reference %q cannot be resolved.", clip([]byte(*a.Reference)))
}

// resolveChild finds what a child component exports under a path: the name of the
// child, the parts of a module's path, and an export.
func (r *Runner) resolveChild(ctx context.Context, tx *database.Tx, of string, parts []string) (t target, err error) {
	child := childPath(of, parts[0])
	tree, err := r.tree(ctx, tx)
	if err != nil {
		return t, err
	}
	if c := tree.At(child); c == nil || !c.Mounted {
		if c != nil {
			return t, unmounted(child)
		}
		return t, invalid("InvalidReference", "Child component %q not found. Mount it with `.use()` in convex.config.ts.", clip([]byte(parts[0])))
	}
	l, err := r.liveIn(ctx, tx, child)
	if err != nil {
		return t, err
	}
	if n := len(parts); n > 2 {
		path := funcPath{strings.Join(parts[1:n-1], "/") + ".js", parts[n-1]}
		if fn := l.functions[path]; fn != nil && fn.Public {
			return target{child, path.String()}, nil
		}
	}
	names, _ := json.Marshal(parts[1:]) // strings cannot fail
	return t, invalid("InvalidReference", "Child component %q does not export %s. It must be a public query, mutation or action of the component.", parts[0], clip(names))
}

// resolveHandle finds the function that a handle was made for.
func resolveHandle(ctx context.Context, tx *database.Tx, handle string) (t target, err error) {
	tx = tx.In(0)
	id, ok := strings.CutPrefix(handle, handlePrefix)
	if id, _, _ = strings.Cut(id, "#"); ok {
		if id, err := value.ParseID(id); err == nil {
			if name, _ := tx.TableNamed(id.Table); name == handleTable {
				doc, err := tx.Get(ctx, id)
				if err != nil {
					return t, err
				}
				if doc != nil {
					key := text(doc.Object(), "path")
					component, path, found := strings.Cut(key, "|")
					if !found {
						return target{"", key}, nil
					}
					return target{component, path}, nil
				}
			}
		}
	}
	return t, invalid("InvalidFunctionHandle", "The function handle %q is not one of this deployment.", clip([]byte(handle)))
}

// liveFor gives what is live in the component of a target; mostly the caller's own.
func (r *Runner) liveFor(ctx context.Context, tx *database.Tx, from *live, t target) (*live, error) {
	if t.component == from.component.Path {
		return from, nil
	}
	return r.liveIn(ctx, tx, t.component)
}

// handleOf finds the handle that was made for a function when it was pushed.
func (r *Runner) handleOf(ctx context.Context, tx *database.Tx, from *live, a *address) ([]byte, error) {
	if a.Handle != nil {
		return value.JSON(value.String(*a.Handle)), nil
	}
	t, err := r.resolve(ctx, tx, from, a, "createFunctionHandle")
	if err != nil {
		return nil, err
	}
	l, err := r.liveFor(ctx, tx, from, t)
	if err != nil {
		return nil, err
	}
	path, ok := parsePath(t.path)
	if !ok || l.functions[path] == nil {
		return nil, nested(notFoundIn(t.path, t.component, true))
	}
	handle := ""
	err = scan(ctx, tx.In(0), handleTable, byPath, []value.Value{value.String(handleKey(t.component, path))}, func(doc *database.Document) error {
		handle = handlePrefix + doc.ID.String() + "#" + path.Client()
		return nil
	})
	if err != nil {
		return nil, err
	}
	if handle == "" {
		return nil, nested(notFoundIn(t.path, t.component, true))
	}
	return value.JSON(value.String(handle)), nil
}
