package workos

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// operationsTSV is the inventory of the public API, version 0.61 of its
// description: group, operation, method, path, who may call it, and the members that
// every form of its body must have. Facts only.
//
//go:embed operations.tsv
var operationsTSV string

// Operation is one operation of the public API.
type Operation struct {
	Group  string // the part of the API it belongs to
	Name   string // its name, mostly that of the official Node client's method
	Method string
	Path   string // with {placeholders}
	Auth   string // "key" for a bearer API key, "token" for another bearer, "public"

	Required []string // members that every form of its body must have
}

// Inventory returns every operation of the public API in the order of its description.
var Inventory = sync.OnceValue(func() []Operation {
	var ops []Operation
	for line := range strings.Lines(operationsTSV) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 6 {
			panic(fmt.Sprintf("workos: inventory row %d has %d columns", len(ops)+1, len(f)))
		}
		ops = append(ops, Operation{Group: f[0], Name: f[1], Method: f[2], Path: f[3], Auth: f[4], Required: strings.Fields(f[5])})
	}
	return ops
})

// known is a node of the tree in which a request is looked up by path segments.
type known struct {
	literal map[string]*known
	wild    *known
	methods map[string]*Operation
}

// inventoryTree arranges the inventory for lookup. net/http's patterns cannot
// hold it: rows such as /organizations/external_id/{id} and /organizations/{id}/api_keys
// overlap without either being more specific.
var inventoryTree = sync.OnceValue(func() *known {
	root := &known{}
	ops := Inventory()
	for i := range ops {
		n := root
		for _, s := range segments(ops[i].Path) {
			n = n.child(s)
		}
		if n.methods == nil {
			n.methods = map[string]*Operation{}
		}
		n.methods[ops[i].Method] = &ops[i]
	}
	return root
})

// segments splits a path at its slashes, ignoring one at either end.
func segments(path string) []string {
	return strings.Split(strings.Trim(path, "/"), "/")
}

// child returns the node below n for segment s of a row, making it if needed.
func (n *known) child(s string) *known {
	if strings.HasPrefix(s, "{") {
		if n.wild == nil {
			n.wild = &known{}
		}
		return n.wild
	}
	c := n.literal[s]
	if c == nil {
		if n.literal == nil {
			n.literal = map[string]*known{}
		}
		c = &known{}
		n.literal[s] = c
	}
	return c
}

// find looks segs up below n, literal segments before placeholders.
func (n *known) find(segs []string) *known {
	if len(segs) == 0 {
		if n.methods == nil {
			return nil
		}
		return n
	}
	if c := n.literal[segs[0]]; c != nil {
		if f := c.find(segs[1:]); f != nil {
			return f
		}
	}
	if n.wild != nil && segs[0] != "" {
		return n.wild.find(segs[1:])
	}
	return nil
}

// lookup finds the operation that method and path name. When the path is known
// and the method is not, op is nil and methods lists what the path answers to.
func lookup(method, path string) (op *Operation, methods []string) {
	segs := segments(path)
	if len(segs) > 16 {
		return nil, nil
	}
	n := inventoryTree().find(segs)
	if n == nil {
		return nil, nil
	}
	if op := n.methods[method]; op != nil {
		return op, nil
	}
	return nil, slices.Sorted(maps.Keys(n.methods))
}
