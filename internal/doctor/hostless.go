package doctor

import (
	"bytes"
	"slices"
	"strings"

	"github.com/lentil-dev/lentil/internal/doctor/source"
)

// eachAuthKitProvider visits the elements AuthKitProvider; named says whether one
// names the sign-in service's host, or may by a spread.
func (p *Patient) eachAuthKitProvider(visit func(file *source.File, e *source.Node, named bool)) {
	for _, file := range p.Sources {
		file.Elements(func(e *source.Node, _ []*source.Node) {
			if e.Text == "AuthKitProvider" {
				visit(file, e, slices.ContainsFunc(e.Attrs, func(a source.Attr) bool { return a.Name == "apiHostname" || a.Name == "" }))
			}
		})
	}
}

// CallsVendor is where an app for the browser is set up so that its pages call
// api.workos.com; ok is false if none is.
func (p *Patient) CallsVendor() (at Place, ok bool) {
	if p.Framework.SignIn != Browser {
		return at, false
	}
	p.eachAuthKitProvider(func(file *source.File, e *source.Node, named bool) {
		if !named && !ok {
			at, ok = place(file, e.From), true
		}
	})
	return at, ok
}

// hostAttributes let a page know where the sign-in service is.
var hostAttributes = []string{
	"apiHostname={import.meta.env.VITE_WORKOS_API_HOSTNAME}",
	"port={import.meta.env.VITE_WORKOS_API_PORT ? Number(import.meta.env.VITE_WORKOS_API_PORT) : undefined}",
	`https={import.meta.env.VITE_WORKOS_API_HTTPS !== "false"}`,
}

// withAttributes is a source with attributes added to an element, each on a line of
// its own, before those that it has.
func withAttributes(src []byte, e *source.Node, attributes []string) []byte {
	open := []byte("<" + e.Text)
	if !bytes.HasPrefix(src[e.From:], open) {
		return src
	}
	line := src[bytes.LastIndexByte(src[:e.From], '\n')+1 : e.From]
	indent := string(line[:len(line)-len(bytes.TrimLeft(line, " \t"))])
	at := e.From + len(open)
	return slices.Concat(src[:at], []byte("\n"+indent+"  "+strings.Join(attributes, "\n"+indent+"  ")), src[at:])
}
