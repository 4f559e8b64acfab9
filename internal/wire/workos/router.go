package workos

import (
	"net/http"
	"net/url"
	"strings"
)

// router finds the handler of a request by method and path segments. A literal
// segment goes before a placeholder, with a way back: net/http's patterns cannot
// hold the table, because rows such as /organizations/external_id/{id} and
// /organizations/{id}/api_keys overlap without either being more specific.
type router struct {
	root *crossing
	rest http.Handler // answers what no row does
}

// crossing is a node of the router's tree.
type crossing struct {
	literal map[string]*crossing
	wild    *crossing
	rows    map[string]arrival // by method
}

// arrival is a handler and the names of the placeholders on the way to it.
type arrival struct {
	handler http.Handler
	names   []string
}

// maxSegments bounds the path of a request that is looked up.
const maxSegments = 16

// add puts a row into the tree.
func (rt *router) add(method, path string, h http.Handler) {
	if rt.root == nil {
		rt.root = &crossing{}
	}
	n := rt.root
	var names []string
	for _, s := range segments(path) {
		var c *crossing
		if strings.HasPrefix(s, "{") {
			names = append(names, strings.Trim(s, "{}"))
			if n.wild == nil {
				n.wild = &crossing{}
			}
			c = n.wild
		} else if c = n.literal[s]; c == nil {
			if n.literal == nil {
				n.literal = map[string]*crossing{}
			}
			c = &crossing{}
			n.literal[s] = c
		}
		n = c
	}
	if n.rows == nil {
		n.rows = map[string]arrival{}
	}
	n.rows[method] = arrival{handler: h, names: names}
}

// find walks down segs. values are what placeholders stood for, in order.
func (n *crossing) find(method string, segs, values []string) (arrival, []string, bool) {
	if len(segs) == 0 {
		a, ok := n.rows[method]
		return a, values, ok
	}
	if c := n.literal[segs[0]]; c != nil {
		if a, v, ok := c.find(method, segs[1:], values); ok {
			return a, v, true
		}
	}
	if n.wild != nil && segs[0] != "" {
		return n.wild.find(method, segs[1:], append(values, segs[0]))
	}
	return arrival{}, nil, false
}

// ServeHTTP hands the request to its row, with the placeholders' values decoded
// in PathValue. HEAD is answered by the row of GET.
func (rt *router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	segs := segments(r.URL.EscapedPath())
	if rt.root == nil || len(segs) > maxSegments {
		rt.rest.ServeHTTP(w, r)
		return
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	a, values, ok := rt.root.find(method, segs, make([]string, 0, 4))
	if !ok {
		rt.rest.ServeHTTP(w, r)
		return
	}
	for i, v := range values {
		plain, err := url.PathUnescape(v)
		if err != nil {
			rt.rest.ServeHTTP(w, r)
			return
		}
		r.SetPathValue(a.names[i], plain)
	}
	a.handler.ServeHTTP(w, r)
}
